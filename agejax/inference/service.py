"""The HTTP service: `/predict`, which batches what comes at once, and what goes with it."""

import asyncio
import contextlib
import dataclasses
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from agejax.config import network
from agejax.errors import UserError
from agejax.inference.batching import Batcher
from agejax.inference.intake import Refused, images_of
from agejax.inference.limits import MIB, Limits
from agejax.inference.metrics import CONTENT_TYPE, Metrics
from agejax.inference.openapi import openapi
from agejax.inference.opening import Opened, Opener
from agejax.inference.predict import Predictor
from agejax.inference.prediction import Reading

_DECODERS = 2  # threads
_PHOTOS = {"auto": None, "true": True, "false": False}
_YES_OR_NO = {"true": True, "false": False}


class Service:
    """A predictor behind HTTP; `app` is the ASGI application."""

    def __init__(self, predictor: Predictor, limits: Limits):
        """Compiles first what the predictor needs for each of its batch sizes."""
        predictor.warm_up()
        self._predictor, self.limits = predictor, limits
        self._metrics = Metrics()
        self._pool = ThreadPoolExecutor(_DECODERS, "decoder")
        self._batcher = Batcher(self._predict, most=max(predictor.batch_sizes))
        self._openers = dict(_openers(predictor, int(limits.megapixels * 1e6)))
        self._requests = self._held = 0  # counted in the event loop alone
        self.app = Starlette(
            routes=[
                Route("/predict", self._answer, methods=["POST"]),
                Route("/health", self._health),
                Route("/metrics", self._numbers),
                Route("/openapi.json", self._description),
            ],
            exception_handlers={HTTPException: _http_error},
        )

    def close(self) -> None:
        """Ends its threads."""
        self._pool.shutdown(cancel_futures=True)
        self._batcher.close()

    async def _health(self, _: Request) -> Response:
        predictor = self._predictor
        model = {"trunk": network(predictor.config), "step": predictor.step}
        photos = True in self._openers
        return JSONResponse({"status": "ok", "size": predictor.size, "photos": photos} | model)

    async def _numbers(self, _: Request) -> Response:
        return Response(self._metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    async def _description(self, _: Request) -> Response:
        return JSONResponse(openapi(self.limits))

    async def _answer(self, request: Request) -> Response:
        start = time.perf_counter()
        try:
            with self._admitted() as hold:
                response: Response = JSONResponse(await self._read(request, hold))
        except Refused as refusal:
            response = _error(refusal.status, str(refusal))
        except ClientDisconnect:
            response = _error(400, "the connection was closed")  # nobody is left to read it
        self._metrics.requests.labels(str(response.status_code)).inc()
        self._metrics.seconds.observe(time.perf_counter() - start)
        return response

    @contextlib.contextmanager
    def _admitted(self) -> Iterator[Callable[[int], None]]:
        """Counts a request, and the bytes that it is told the request holds, while it lasts."""
        held = 0

        def hold(n: int) -> None:
            nonlocal held
            if self._held + n > self.limits.held_mib * MIB:
                raise Refused(429, "too much is being worked on; try again in a while")
            held += n
            self._held += n

        if self._requests >= self.limits.requests:
            raise Refused(429, "too many requests are being worked on; try again in a while")
        self._requests += 1
        self._metrics.in_flight.inc()
        try:
            yield hold
        finally:
            self._requests -= 1
            self._held -= held
            self._metrics.in_flight.dec()

    async def _read(self, request: Request, hold: Callable[[int], None]) -> dict[str, Any]:
        opener = self._openers.get(_choice(request, "photos", _PHOTOS, None))
        if opener is None:
            raise Refused(400, "photos=true: this service lacks the extra 'detect'")
        distribution = _choice(request, "distribution", _YES_OR_NO, False)
        seconds = self.limits.seconds
        async with _at_most(seconds, Refused(408, f"the request took over {seconds:g} s to come")):
            images = await images_of(request, self.limits, hold)
        async with _at_most(seconds, Refused(503, f"there was no answer within {seconds:g} s")):
            readings = await self._readings(opener, images)
        self._count(readings)
        bad = [reading.error for reading in readings if reading.error]
        if len(bad) == len(readings):
            every = "" if len(bad) == 1 else f"none of {len(bad)} images can be read; the first: "
            raise Refused(422, f"{every}{bad[0]}")
        return {"images": [_shown(reading, distribution) for reading in readings]}

    async def _readings(self, opener: Opener, images: list[tuple[str, bytes]]) -> list[Reading]:
        loop = asyncio.get_running_loop()
        opened = await asyncio.gather(
            *(loop.run_in_executor(self._pool, opener.open, data) for _, data in images)
        )
        if all(image.error for image in opened):
            return [
                Reading(name, error=x.error) for (name, _), x in zip(images, opened, strict=True)
            ]
        readings = await asyncio.wrap_future(self._batcher.submit(opened))
        return [
            dataclasses.replace(reading, path=name)
            for (name, _), reading in zip(images, readings, strict=True)
        ]

    def _predict(self, requests: list[list[Opened]]) -> list[list[Reading]]:
        images = [image for request in requests for image in request]
        if faces := sum(len(image.crops) for image in images):
            self._metrics.batch.observe(faces)
        readings = iter(self._predictor.predict_opened(images))
        return [[next(readings) for _ in request] for request in requests]

    def _count(self, readings: list[Reading]) -> None:
        for reading in readings:
            result = "bad" if reading.error else "read" if reading.faces else "no_face"
            self._metrics.images.labels(result).inc()
            self._metrics.faces.inc(len(reading.faces))


def _openers(predictor: Predictor, max_pixels: int) -> Iterator[tuple[bool | None, Opener]]:
    """By what a request says of photos; none for True where the extra `detect` is missing."""
    for photos in _PHOTOS.values():
        with contextlib.suppress(UserError):
            yield photos, Opener(predictor.size, predictor.margin, photos, max_pixels)


def _shown(reading: Reading, distribution: bool) -> dict[str, Any]:
    height, width = reading.shape or (None, None)
    return {
        "name": reading.path,
        "width": width,
        "height": height,
        "faces": [face.as_dict(distribution) for face in reading.faces],
        "error": str(reading.error) if reading.error else None,
        "note": reading.note,
    }


def _choice(request: Request, name: str, choices: Mapping[str, Any], default: Any) -> Any:
    given = request.query_params.get(name)
    if given is not None and given not in choices:
        raise Refused(400, f"{name} is {given[:40]!r}; it can be {', '.join(choices)}")
    return default if given is None else choices[given]


@contextlib.asynccontextmanager
async def _at_most(seconds: float, refusal: Refused):
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise refusal from error


def _error(status: int, line: str) -> Response:
    headers = {"Retry-After": "1"} if status in (429, 503) else {}
    return JSONResponse({"error": line}, status, headers)


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


class _Timely(H11Protocol):
    """uvicorn's HTTP, but a connection that does not ask for anything is closed."""

    seconds = Limits().seconds

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.loop.call_later(self.seconds, self._close_if_silent)

    def _close_if_silent(self) -> None:
        if self.cycle is None:  # there was no request yet
            self.transport.close()


def server_of(service: Service) -> uvicorn.Server:
    """What answers HTTP for a service, with `run(sockets=[listener])`."""
    http = type("Http", (_Timely,), {"seconds": service.limits.seconds})
    config = uvicorn.Config(
        service.app, http=http, log_level="error", access_log=False, server_header=False
    )
    return uvicorn.Server(config)


def serve(service: Service, listener: socket.socket) -> None:
    """Answers what comes in at a listening socket, until the process is told to stop."""
    try:
        server_of(service).run(sockets=[listener])
    except KeyboardInterrupt:  # it has ended in order, and passes the signal on
        pass
    finally:
        service.close()
