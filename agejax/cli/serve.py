"""`agejax serve`: a model behind HTTP."""

import contextlib
import dataclasses
import importlib.util
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from agejax.cli import options
from agejax.errors import Stopped, UserError
from agejax.serve.limits import Limits

_BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64)  # each is compiled at the start
_PORTS = {"http": 80, "https": 443}
_LIMITS = {
    "mib": "MiB of a request's body",
    "images": "images in a request",
    "megapixels": "million pixels of an image",
    "request_megapixels": "million pixels of all images of a request together",
    "seconds": "seconds for a request to come in, for its answer, and for that to be read",
    "requests": "requests at the same time",
    "held_mib": "MiB of the bodies of all these, and of those that still come in",
    "connections": "open connections",
}


def add(commands: Any) -> None:
    """Declares the command."""
    command = commands.add_parser("serve", help="answer over HTTP (extra: serve)")
    text = "a run, such as runs/small, or a file of weights (those that come with agejax)"
    command.add_argument("--checkpoint", type=Path, help=text)
    text = "the address to listen on (127.0.0.1: this machine alone)"
    command.add_argument("--host", default="127.0.0.1", help=text)
    text = "the port (8000); 0 for any that is free"
    command.add_argument("--port", type=int, default=8000, help=text)
    command.add_argument("--margin", type=float, help="as for `predict`")
    command.add_argument("--decoding", default="median", help="as for `predict`")
    options.add_thresholds(command)
    text = "an origin whose web pages may read the answers, such as https://example.org; may be "
    text += "given several times; '*' for all (none)"
    command.add_argument("--cors", action="append", default=[], metavar="ORIGIN", help=text)
    for limit in dataclasses.fields(Limits):
        option, kind = f"--max-{limit.name.replace('_', '-')}", type(limit.default)
        text = f"{_LIMITS[limit.name]} ({limit.default})"
        command.add_argument(option, type=kind, default=limit.default, metavar="N", help=text)
    command.set_defaults(run=run)


def run(
    checkpoint: Path | None,
    host: str,
    port: int,
    margin: float | None,
    decoding: str,
    threshold: list[int] | None,
    cors: list[str],
    **limits: float,
) -> int:
    """Serves until it is told to stop.

    Raises:
      UserError: the extra `serve` is missing, the address cannot be had, a limit is not above 0, an
        origin is none, or there is no such checkpoint.
    """
    cors = [_origin(given) for given in cors]
    limits = {name.removeprefix("max_"): value for name, value in limits.items()}
    for name, value in limits.items():
        if not value > 0:
            raise UserError(f"--max-{name.replace('_', '-')} is {value:g}; it must be above 0")
    if importlib.util.find_spec("uvicorn") is None:
        raise UserError("serving needs the extra 'serve': pip install 'agejax[serve]'")
    with _listening(host, port) as listener:
        from agejax.inference.predictor import load
        from agejax.kernels.cpu import keep_freed_memory
        from agejax.serve.app import Service, serve
        from agejax.serve.connections import allow
        from agejax.training.compilation_cache import keep_compiled

        keep_compiled()
        keep_freed_memory()
        allow(int(limits["connections"]))
        sys.setswitchinterval(0.001)  # seconds: the event loop waits so long for other threads
        predictor = load(
            checkpoint,
            batch_size=_BATCH_SIZES,
            margin=margin,
            decoding=decoding,
            thresholds=threshold,
        )
        service = Service(predictor, Limits(**limits), cors)  # type: ignore[arg-type]
        print(f"serving on http://{_name(listener)}", flush=True)
        with contextlib.suppress(Stopped), _hangup_as_term():  # which is how a service ends
            serve(service, listener)
    return 0


@contextlib.contextmanager
def _hangup_as_term() -> Iterator[None]:
    """Within, a terminal that closes ends a service as SIGTERM does, once all is answered."""
    before = signal.getsignal(signal.SIGHUP)
    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def _origin(given: str) -> str:
    """An origin as browsers name it: in lower case, without the port that its scheme implies.

    Raises:
      UserError: it is none.
    """
    if given == "*":
        return given
    try:
        url = urlsplit(given.lower())
        name, port = url.hostname, url.port
    except ValueError:  # an odd port or address
        name = None
    if not name or url.netloc.count("@") or given.lower() != f"{url.scheme}://{url.netloc}":
        raise UserError(
            f"--cors {given!r} is no origin; it is a scheme, a host and perhaps a port, such as "
            "https://example.org, without a path or a '/' at the end; or '*'"
        )
    implied = f":{_PORTS.get(url.scheme)}"
    return given.lower().removesuffix(implied) if port else given.lower()


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError, UnicodeError) as error:  # the last: of no name at all
        raise UserError(f"cannot listen on {host}, port {port}: {error}") from error


def _name(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
