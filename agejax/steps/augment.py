"""Image augmentation on the device: random views for training, the mirrored view for prediction."""

from functools import partial

import jax
import jax.numpy as jnp


def augment(
    key: jax.Array,
    image: jax.Array,
    *,
    size: int | None = None,
    flip: bool = True,
    shift: float = 0.0,
    zoom: float = 0.0,
    crop: float = 0.0,
    pad: float | None = None,
    crop_share: float = 0.25,
    brightness: float = 0.0,
    contrast: float = 0.0,
    stretch: float = 0.0,
    saturation: float = 0.0,
    cutout: float = 0.0,
) -> jax.Array:
    """Flips, shifts, zooms, recolours and covers each image by random amounts of its own.

    Shift, zoom and stretch together are a random resized crop (Szegedy et al., CVPR 2015) that may
    extend beyond the border. They and the change of size are one resampling, with antialiasing
    where it shrinks.

    Args:
      key: PRNG key; the result is a pure function of it and the images.
      image: uint8 [B, H, W, 3].
      size: side of the result in pixels; None for that of the images.
      flip: mirror an image left to right with probability 1/2.
      shift: the largest shift, as a fraction of the side; uncovered pixels repeat the border.
      zoom: the largest change of scale, e.g. 0.1 for 0.9 to 1.1.
      crop: the largest fraction of the side by which a crop is cut at each edge, as by a tighter
        face detector: 0.3 for windows of 0.4 sides or more. `agejax crops` tests a run for this.
      pad: the largest fraction by which it is padded with the border's pixels, as by a looser
        detector; None for `crop`.
      crop_share: the fraction of images to which this is applied.
      brightness: the largest offset, as a fraction of 255.
      contrast: the largest change of contrast, e.g. 0.2 for 0.8 to 1.2.
      stretch: the largest change of the ratio of width to height, e.g. 0.2 for 0.8 to 1.2.
      saturation: the largest change of colourfulness, e.g. 0.3 for 0.7 to 1.3.
      cutout: the side of a square that is covered with grey, as a fraction of the image's (DeVries
        and Taylor, 2017); its centre is anywhere in the image.

    Returns:
      float32 [B, H, W, 3] in 0..255, or [B, size, size, 3].
    """
    b, h, w, _ = image.shape
    to_h, to_w = (size, size) if size else (h, w)
    keys = jax.random.split(key, 11)
    signed = lambda k, most: jax.random.uniform(keys[k], (b,), minval=-most, maxval=most)
    mirror = jnp.where(jax.random.bernoulli(keys[0], 0.5, (b,)) & flip, -1.0, 1.0)
    x = image.astype(jnp.float32)
    if shift or zoom or stretch or crop or (h, w) != (to_h, to_w):
        scale, wider = 1 + signed(3, zoom), jnp.sqrt(1 + signed(6, stretch))
        if crop:
            chosen = jax.random.bernoulli(keys[9], crop_share, (b,))
            most = crop if pad is None else pad
            cut = jax.random.uniform(keys[10], (b,), minval=-most, maxval=crop)
            scale *= jnp.where(chosen, 1 - 2 * cut, 1.0)
        rows = _resampling(h, to_h, scale * wider, signed(1, shift) * h)
        columns = _resampling(w, to_w, scale / wider * mirror, signed(2, shift) * w)
        x = jnp.einsum("bij,bjwc->biwc", rows, x)
        x = jnp.einsum("bkw,biwc->bikc", columns, x)
    elif flip:
        x = jnp.where(mirror[:, None, None, None] < 0, x[:, :, ::-1], x)
    if saturation:
        grey = x.mean(3, keepdims=True)
        x = jnp.clip(grey + (x - grey) * (1 + signed(7, saturation))[:, None, None, None], 0, 255)
    if brightness or contrast:
        mean = x.mean((1, 2, 3), keepdims=True)
        gain, offset = 1 + signed(4, contrast), 255 * signed(5, brightness)
        x = (x - mean) * gain[:, None, None, None] + mean + offset[:, None, None, None]
        x = jnp.clip(x, 0, 255)
    if cutout:
        centre = jax.random.uniform(keys[8], (2, b, 1))
        near = lambda n, at: (
            jnp.abs((jnp.arange(n, dtype=jnp.float32) + 0.5)[None] - at * n) < cutout * n / 2
        )
        covered = near(to_h, centre[0])[:, :, None, None] & near(to_w, centre[1])[:, None, :, None]
        x = jnp.where(covered, 127.5, x)
    return x


def mixup(key: jax.Array, image: jax.Array, *, alpha: float) -> tuple[jax.Array, jax.Array]:
    """Blends each image with the one before it, and the loss alike (Zhang et al., ICLR 2018).

    Batches are shuffled, so the image before is a random one. The larger share is the image's own,
    which only fixes which image of a pair is called the first.

    Args:
      key: PRNG key.
      image: float32 [B, H, W, 3].
      alpha: of the Beta(alpha, alpha) from which the shares are drawn; 0.2 to 0.4 in the paper.

    Returns:
      The images, and float32 [B], the share of each image's own pixels: 0.5 to 1.
    """
    kept = jax.random.beta(key, alpha, alpha, (len(image),))
    kept = jnp.maximum(kept, 1 - kept)
    own = kept[:, None, None, None]
    return own * image + (1 - own) * jnp.roll(image, 1, axis=0), kept


@partial(jax.jit, static_argnames="cut")
def mirrored(image: jax.Array, *, cut: float = 0.0) -> jax.Array:
    """Mirror images, optionally zoomed in.

    Resampled pixels are not rounded: with a `cut` of few digits, one in a hundred lies halfway
    between two levels, and its rounding would depend on the order in which a runtime sums.

    Args:
      image: uint8 or float32 [B, H, W, 3], in 0..255.
      cut: the fraction of the side that is cut off at each edge; the rest is enlarged to H x W.

    Returns:
      [B, H, W, 3] in 0..255: the dtype of `image` without a cut, else float32.
    """
    if not cut:
        return jnp.flip(image, axis=2)
    _, h, w, _ = image.shape
    scale, still = jnp.full(1, 1 - 2 * cut), jnp.zeros(1)
    rows, columns = _resampling(h, h, scale, still)[0], _resampling(w, w, -scale, still)[0]
    # By default accelerators would multiply at a lower precision, each with a different result.
    product = partial(jnp.einsum, precision=jax.lax.Precision.HIGHEST)
    x = product("ij,bjwc->biwc", rows, image.astype(jnp.float32))
    return product("kw,biwc->bikc", columns, x)


def _resampling(n: int, to: int, scale: jax.Array, shift: jax.Array) -> jax.Array:
    """[B, to, n] matrices that resample n pixels about their centre; a negative scale mirrors.

    Bilinear where pixels are spread, and a wider triangle where they are shrunk. Unlike gathers,
    resampling by a matrix product is fast on every platform.
    """
    centred = ((jnp.arange(to, dtype=jnp.float32) + 0.5) / to - 0.5) * n
    source = centred[None] * scale[:, None] + (shift + (n - 1) / 2)[:, None]
    source = jnp.clip(source, 0, n - 1)[:, :, None]
    reach = jnp.maximum(1, abs(scale) * (n / to))[:, None, None]
    distance = abs(source - jnp.arange(n, dtype=jnp.float32)[None, None])
    weight = jnp.maximum(0, 1 - distance / reach)
    return weight / weight.sum(-1, keepdims=True)
