"""The HTTP service: `/predict`, which batches concurrent requests, and its other endpoints."""

import asyncio
import contextlib
import dataclasses
import functools
import socket
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agejax.config import network
from agejax.errors import UserError
from agejax.inference.image_loading import Opened, Opener
from agejax.inference.prediction import Reading
from agejax.inference.predictor import Predictor
from agejax.serve.admission import Admission, Guest, Refused
from agejax.serve.batching import Batcher
from agejax.serve.client_key import client_key
from agejax.serve.connections import server_of
from agejax.serve.intake import Sent, body_of, images_of
from agejax.serve.limits import Limits
from agejax.serve.metrics import CONTENT_TYPE, Metrics
from agejax.serve.openapi import openapi

_DECODERS = 2  # threads for small images, each decoded in a fraction of a second
_LARGE_DECODERS = 1  # threads for large images, so that they do not delay small ones
_LARGE = 25_000_000  # work of a large image: 20 million pixels of a JPEG, 5 million of a PNG
_FORM = 10_000  # work of parsing a body, plus a sixteenth for each byte
_MANY_FACES = 8  # are serialised in a thread: with distributions it is slow
_PHOTOS = {"auto": None, "true": True, "false": False}
_YES_OR_NO = {"true": True, "false": False}


class Service:
    """A predictor behind HTTP; `app` is the ASGI application."""

    def __init__(self, predictor: Predictor, limits: Limits, cors: Sequence[str] = ()):
        """Compiles the predictor for all its batch sizes.

        Args:
          predictor: the model.
          limits: see `Limits`.
          cors: the origins whose web pages may read the answers; "*" allows all.
        """
        predictor.warm_up()
        self._predictor, self.limits = predictor, limits
        self._metrics = Metrics()
        self._admission = Admission(limits)
        self._most = max(predictor.batch_sizes)
        self._batcher = Batcher(self._predict, self._most)
        self._small = Batcher(_called, 0, _DECODERS, "decoder")
        self._large = Batcher(_called, 0, _LARGE_DECODERS, "large-decoder")
        self._openers = dict(_openers(predictor, int(limits.megapixels * 1e6)))
        pages = Middleware(
            CORSMiddleware,
            allow_origins=cors,
            allow_methods=["GET", "POST"],
            expose_headers=["Retry-After"],
        )
        self.app = Starlette(
            routes=[
                Route("/predict", self._answer, methods=["POST"]),
                Route("/health", self._health),
                Route("/metrics", self._numbers),
                Route("/openapi.json", self._description),
            ],
            exception_handlers={HTTPException: _http_error},
            middleware=[pages] if cors else [],
        )

    def close(self) -> None:
        """Stops its threads."""
        for threads in (self._small, self._large, self._batcher):
            threads.close()

    async def _health(self, _: Request) -> Response:
        predictor = self._predictor
        model = {"trunk": network(predictor.config), "step": predictor.step}
        model |= {"challenge": predictor.calibration.challenge}
        photos = True in self._openers
        return JSONResponse({"status": "ok", "size": predictor.size, "photos": photos} | model)

    async def _numbers(self, _: Request) -> Response:
        return Response(self._metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    async def _description(self, _: Request) -> Response:
        return JSONResponse(openapi(self.limits))

    async def _answer(self, request: Request) -> Response:
        start = time.perf_counter()
        client = client_key(request.client.host if request.client else None)
        try:
            with self._admission.guest(client) as guest:
                async with guest:
                    response = await self._read(request, guest)
        except Refused as refusal:
            response = _error(refusal.status, str(refusal))
        except ClientDisconnect:
            response = _error(400, "the connection was closed")  # only counted, not received
        self._metrics.in_flight.set(self._admission.admitted)
        self._metrics.requests.labels(str(response.status_code)).inc()
        self._metrics.seconds.observe(time.perf_counter() - start)
        return response

    async def _read(self, request: Request, guest: Guest) -> Response:
        photos = _choice(request, "photos", _PHOTOS, None)
        opener = self._openers.get(photos)
        if opener is None:
            raise Refused(400, "photos=true: the extra 'detect' is not installed in this service")
        distribution = _choice(request, "distribution", _YES_OR_NO, False)
        body = await self._body(request, guest)
        leaving = asyncio.create_task(_end_if_left(request, guest))
        try:
            kind, cost = request.headers.get("content-type", ""), _FORM + len(body) / 16
            find = functools.partial(images_of, kind, body, self.limits, photos)
            (images,) = await _done(self._small.submit(guest.client, [find], [cost]))
            del body, find  # a form's files are copies
            guest.work = sum(image.work for image in images)
            readings = await self._readings(guest.client, opener, images)
        finally:
            leaving.cancel()
        self._count(readings)
        return await _response(readings, distribution)

    async def _body(self, request: Request, guest: Guest) -> bytes:
        seconds, hold = self.limits.seconds, functools.partial(self._admission.hold, guest)
        guest.within(seconds, Refused(408, f"the request was not received within {seconds:g} s"))
        body = await body_of(request, self.limits, hold)
        guest.within(seconds, Refused(503, f"the request was not processed within {seconds:g} s"))
        guest.work = len(body)
        self._admission.admit(guest)  # only now: incomplete requests do not count
        self._metrics.in_flight.set(self._admission.admitted)
        return body

    async def _readings(
        self, client: Hashable, opener: Opener, images: list[Sent]
    ) -> list[Reading]:
        opened = await self._opened(client, opener, images)
        pieces = list(_pieces(opened, self._most))
        costs = [sum(len(x.crops) for x in piece) for piece in pieces]
        read = await _done(self._batcher.submit(client, pieces, costs))
        faces = (face for piece in read for reading in piece for face in reading.faces)
        return [
            Reading(image.name, tuple(next(faces) for _ in x.boxes), x.error, x.shape)
            for image, x in zip(images, opened, strict=True)
        ]

    async def _opened(self, client: Hashable, opener: Opener, images: list[Sent]) -> list[Opened]:
        """Loads the images; small and large ones use separate threads."""
        small = [image.work < _LARGE for image in images]
        futures = []
        for threads, which in (self._small, True), (self._large, False):
            chosen = [x for x, is_small in zip(images, small, strict=True) if is_small is which]
            calls = [functools.partial(opener.open, image.data) for image in chosen]
            futures.append(_done(threads.submit(client, calls, [x.work for x in chosen])))
        opened = dict(zip((True, False), map(iter, await asyncio.gather(*futures)), strict=True))
        return [next(opened[is_small]) for is_small in small]

    def _predict(self, pieces: list[list[Opened]]) -> list[list[Reading]]:
        images = [image for piece in pieces for image in piece]
        self._metrics.batch.observe(sum(len(image.crops) for image in images))
        readings = iter(self._predictor.predict_opened(images))
        return [[next(readings) for _ in piece] for piece in pieces]

    def _count(self, readings: list[Reading]) -> None:
        for reading in readings:
            result = "bad" if reading.error else "read" if reading.faces else "no_face"
            self._metrics.images.labels(result).inc()
            self._metrics.faces.inc(len(reading.faces))


def _openers(predictor: Predictor, max_pixels: int) -> Iterator[tuple[bool | None, Opener]]:
    """An opener for each value of `photos`; none for True if the extra `detect` is missing."""
    for photos in _PHOTOS.values():
        with contextlib.suppress(UserError):
            yield photos, Opener(predictor.size, predictor.margin, photos, max_pixels)


def _called(calls: list[Callable[[], Any]]) -> list[Any]:
    return [call() for call in calls]


def _done(future: Future[list[Any]]) -> "asyncio.Future[list[Any]]":
    """To wait for; no coroutine, since one that is cancelled unbegun would leave its jobs there."""
    return asyncio.wrap_future(future)


def _pieces(images: Sequence[Opened], most: int) -> Iterator[list[Opened]]:
    """Splits the faces into pieces of at most `most`, in order; skips images without faces."""
    piece: list[Opened] = []
    left = most
    for image in images:
        for start in range(0, len(image.crops), most):
            part = slice(start, start + most)
            crops, boxes = image.crops[part], image.boxes[part]
            if len(crops) > left:
                yield piece
                piece, left = [], most
            piece.append(dataclasses.replace(image, crops=crops, boxes=boxes))
            left -= len(crops)
    if piece:
        yield piece


async def _end_if_left(request: Request, guest: Guest) -> None:
    """Cancels a request when its client disconnects."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    guest.end(Refused(400, "the connection was closed"))


async def _response(readings: list[Reading], distribution: bool) -> Response:
    bad = [reading.error for reading in readings if reading.error]
    if len(bad) == len(readings):
        every = "" if len(bad) == 1 else f"none of {len(bad)} images can be read; the first: "
        raise Refused(422, f"{every}{bad[0]}")
    if sum(len(reading.faces) for reading in readings) < _MANY_FACES:
        return _json(readings, distribution)
    return await asyncio.to_thread(_json, readings, distribution)


def _json(readings: list[Reading], distribution: bool) -> Response:
    return JSONResponse({"images": [_shown(reading, distribution) for reading in readings]})


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


def _error(status: int, line: str) -> Response:
    headers = {"Retry-After": "1"} if status in (429, 503) else {}
    return JSONResponse({"error": line}, status, headers)


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


def serve(service: Service, listener: socket.socket) -> None:
    """Serves a listening socket until the process receives a signal to stop."""
    try:
        server_of(service.app, service.limits).run(sockets=[listener])
    except KeyboardInterrupt:  # uvicorn re-raises the signal after its shutdown
        pass
    finally:
        service.close()
