"""Whose a request is: those of one client share what is fair to have among clients."""

import ipaddress


def client_key(host: str | None) -> str:
    """The address of a client as one has it to itself: of IPv6, its network of 64 bits."""
    try:
        address = ipaddress.ip_address(host or "")
    except ValueError:
        return host or ""
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((address.packed[:8] + bytes(8), 64)))
