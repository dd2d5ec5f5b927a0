"""Thousands of damaged images and requests: each is read, or told in a line; nothing else happens.

Part of the battery: tests/battery/counts.py says how many.
"""

import asyncio
import resource

import numpy as np
import pytest
from PIL import Image

import agejax
from agejax.inference.prediction import Reading
from tests.battery.counts import counts, tell
from tests.battery.fuzz.mutate import damaged
from tests.photos import backdrop, encoded, group_photo, turned
from tests.serve.http import ask, form

SIZES = counts(5000, smoke=50)


def seeds():
    """Good images of every kind that is read, small so that most bytes mean something."""
    face = group_photo().crop((300, 200, 560, 460)).resize((96, 96))
    yield encoded(face)
    yield encoded(face, progressive=True)
    yield encoded(face.convert("L"))
    yield encoded(face.convert("CMYK"))
    yield encoded(face, "PNG")
    yield encoded(face.convert("P"), "PNG", transparency=bytes(range(200)))
    yield encoded(face.convert("RGBA"), "PNG")
    yield encoded(face, "WEBP")
    yield encoded(face, "WEBP", lossless=True)
    yield encoded(Image.fromarray(np.asarray(face.convert("L"), np.uint16) * 257), "PNG")
    yield encoded(face, "GIF")
    yield encoded(face, "BMP")
    yield encoded(face, "TIFF", compression="tiff_lzw")
    yield encoded(face, "TIFF", compression="jpeg")
    yield encoded(face.convert("RGBA"), "TIFF")
    yield encoded(face, "AVIF")
    yield turned(face, 6)
    yield encoded(backdrop(700, 300))


def cases(n, seed):
    rng = np.random.default_rng(seed)
    good = list(seeds())
    return (damaged(good[i % len(good)], rng) for i in range(n))


def peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("photos", [None, False])
def test_damaged_images_are_read_or_told_in_a_line(run, n, photos, capfd):
    model = agejax.load(run, batch_size=16)
    list(model.read(seeds(), photos=photos))
    before, read = peak_mib(), 0
    for reading in model.read(cases(n, seed=1), photos=photos):
        assert isinstance(reading, Reading)
        assert all("\n" not in line for line in reading.lines())
        for face in reading.faces:
            assert 0 <= face.age_low <= face.age <= face.age_high <= 100
        read += reading.error is None
    assert 0 < read < n
    assert peak_mib() - before < 800  # an image of 64 million pixels is 192 MB, twice
    assert capfd.readouterr() == ("", "")
    kind = "crops and photos" if photos is None else "crops"
    tell(
        f"mutated images of every format, predicted as {kind}",
        f"{n:,} cases ({read:,} read, {n - read:,} refused); 0 signals, 0 tracebacks, 0 hangs; "
        f"{peak_mib() - before:.0f} MiB more than before",
    )


def requests(n, seed):
    rng = np.random.default_rng(seed)
    for data in cases(n, seed):
        match int(rng.integers(0, 4)):
            case 0:
                yield {"body": data}
            case 1:
                body, kind = form({"a": data, "b": data[::-1]})
                yield {"body": body, "kind": kind}
            case 2:
                body, kind = form({"a": data})
                yield {"body": damaged(body, rng), "kind": kind}
            case 3:
                head = b"POST /predict?photos=auto HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                head += b"Content-Type: image/png\r\nContent-Length: %d\r\n\r\n" % len(data)
                yield {"raw": damaged(head, rng) + data}


@pytest.mark.parametrize("n", SIZES)
def test_damaged_requests_are_answered_as_documented(serving, n):
    async def one(port, gate, request):
        async with gate:
            try:
                return (await asyncio.wait_for(ask(port, **request), 30))[0]
            except (ConnectionError, IndexError, TimeoutError):
                # A damaged head may promise more than comes, or be cut off by the server.
                assert "raw" in request
                return None

    async def crowd(port):
        gate = asyncio.Semaphore(40)
        return await asyncio.gather(*(one(port, gate, r) for r in requests(n, seed=2)))

    with serving(seconds=1.0, megapixels=4) as port:
        before = peak_mib()
        statuses = asyncio.run(crowd(port))
        assert asyncio.run(ask(port, body=next(seeds())))[0] == 200
        assert peak_mib() - before < 800
    assert {status for status in statuses if status is not None} <= {
        *(200, 400, 404, 405, 408, 411, 413, 422, 431),
        503,  # no answer within the second: other work on the machine
    }
    assert statuses.count(503) < 0.02 * n
    answered = sum(status is not None for status in statuses)
    assert answered > 0.7 * n
    tell("mutated requests to the service", f"{n:,} cases, {answered:,} answered, none with 500")
