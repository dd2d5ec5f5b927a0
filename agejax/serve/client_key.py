"""Identifies the client of a request, for fair sharing among clients."""

import ipaddress


def client_key(host: str | None) -> str:
    """The key of a client: its IPv4 address, or its IPv6 /64 network."""
    try:
        address = ipaddress.ip_address(host or "")
    except ValueError:
        return host or ""
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((address.packed[:8] + bytes(8), 64)))
