"""`decode` with a crop, and the loader that passes it on."""

import cv2
import numpy as np
import pytest
import simplejpeg

from agejax.data.decode import decode


def jpeg(pixels):
    return simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), quality=98, colorsubsampling="444")


def face(side=200):
    """Smooth, so that JPEG keeps it."""
    rng = np.random.default_rng(0)
    small = rng.integers(60, 200, (6, 6, 3), np.uint8)
    return cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize("crop", [0.05, 0.1, 0.3])
def test_cut_is_the_middle_of_the_image(crop):
    x, n = face(), round(200 * crop)
    cut = x[n : 200 - n, n : 200 - n]
    ours = decode(jpeg(x), 112, crop=crop).astype(float)
    # The decoder shrinks the two by other eighths: they may lie half a pixel apart.
    assert np.abs(ours - decode(jpeg(cut), 112)).mean() < 1.5
    assert np.abs(ours - decode(jpeg(x), 112)).mean() > 2


@pytest.mark.parametrize("crop", [-0.05, -0.3, -1.0])
def test_padded_repeats_the_border(crop):
    x, n = face(), round(200 * -crop)
    padded = np.pad(x, ((n, n), (n, n), (0, 0)), mode="edge")
    ours = decode(jpeg(x), 112, crop=crop).astype(float)
    assert np.abs(ours - decode(jpeg(padded), 112)).mean() < 1.5
    assert np.abs(ours - decode(jpeg(x), 112)).mean() > 2


def test_no_crop_changes_nothing_and_a_pixel_is_always_left():
    x = jpeg(face(40))
    np.testing.assert_array_equal(decode(x, 16), decode(x, 16, crop=0.0))
    assert decode(jpeg(face(3)), 16, crop=0.49).shape == (16, 16, 3)
