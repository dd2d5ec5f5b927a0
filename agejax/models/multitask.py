"""A shared trunk with one head per task."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from flax import nnx

from agejax.models.heads import Head, Softmax
from agejax.models.layers import Key


def per_image(image: jax.Array) -> jax.Array:
    """[B, H, W, 3] in 0..255 -> mean 0 and variance 1 for each image, as in the tutorial.

    TensorFlow's `per_image_standardization`: the deviation is at least 1 / sqrt(H * W * 3).
    """
    mean = image.mean((1, 2, 3), keepdims=True)
    deviation = image.std((1, 2, 3), keepdims=True)
    return (image - mean) / jnp.maximum(deviation, image[0].size ** -0.5)


def to_unit(image: jax.Array) -> jax.Array:
    """[B, H, W, 3] in 0..255 -> -1..1."""
    return image / 127.5 - 1


def imagenet(image: jax.Array) -> jax.Array:
    """[B, H, W, 3] in 0..255 -> standardised by ImageNet's mean and deviation of each channel.

    The weights of torchvision, and most others for torch, were trained with this.
    """
    mean, deviation = (
        255 * jnp.array(x)[None, None, None] for x in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    )
    return (image - mean) / deviation


class Trunk(Protocol):
    """Any Flax NNX module that maps normalised pixels [B, H, W, 3] to features [B, F].

    If it is called with `x` alone, its mode (`model.train()`, `model.eval()`) and its random
    streams are set before. A second argument without a default, or one called `key`, is a PRNG key
    in training and None at inference; one called `rngs` is an `nnx.Rngs` or None. It may declare
    its number of `features`; otherwise this is inferred from its output.
    """

    __call__: Callable[..., jax.Array]


def call_trunk(trunk: Trunk, x: jax.Array, key: Key) -> jax.Array:
    """[B, H, W, 3] -> [B, features]; randomness is passed as the trunk's signature requires."""
    named = inspect.signature(trunk.__call__).parameters
    if "rngs" in named:
        return trunk(x, rngs=None if key is None else nnx.Rngs(key))
    second = list(named.values())[1:2]
    if second and (second[0].name == "key" or second[0].default is inspect.Parameter.empty):
        return trunk(x, key)
    return trunk(x)


class MultiTask(nnx.Module):
    """Normalises pixels, applies the trunk, and returns the logits of every task.

    Normalisation is part of the model so that training, evaluation, prediction and export agree.
    """

    def __init__(
        self,
        trunk: Trunk,
        classes: Mapping[str, int],
        *,
        heads: Mapping[str, Callable[..., Head]] | None = None,
        features: int | None = None,
        normalise: Callable[[jax.Array], jax.Array] = to_unit,
        head_width: int = 0,
        dtype: Any = jnp.float32,
        rngs: nnx.Rngs,
    ):
        """One head per task on a trunk.

        Args:
          trunk: the shared part.
          classes: the number of classes of each task.
          heads: the class of each task's head, from agejax.models.heads; `Softmax` by default.
          features: the number of the trunk's features; `trunk.features` if None.
          normalise: float32 [B, H, W, 3] in 0..255 -> the input of the trunk.
          head_width: the width of a linear layer before each head's logits (the tutorial's 1024),
            or 0 for none.
          dtype: dtype of the computation in trunk and heads; weights and logits are float32.
          rngs: for the initial weights.
        """
        self.trunk = trunk
        self.normalise = normalise
        self.dtype = dtype
        width: int = trunk.features if features is None else features  # type: ignore[attr-defined]
        self.hidden = nnx.Dict(
            {
                task: nnx.Linear(width, head_width, dtype=dtype, rngs=rngs)
                for task in classes
                if head_width
            }
        )
        self.heads = nnx.Dict(
            {
                task: (heads or {}).get(task, Softmax)(
                    head_width or width, n, dtype=dtype, rngs=rngs
                )
                for task, n in classes.items()
            }
        )

    def __call__(self, image: jax.Array, key: Key = None) -> dict[str, jax.Array]:
        """Logits of each task.

        Args:
          image: [B, H, W, 3], RGB in 0..255: uint8, or float32 after augmentation.
          key: a PRNG key in training (dropout, batch statistics), None at inference.

        Returns:
          {task: float32 [B, ...]}, in the form of the task's head and loss.
        """
        return self.logits(self.features(image, key))

    def features(self, image: jax.Array, key: Key = None) -> jax.Array:
        """[B, H, W, 3] as `__call__` takes it -> the trunk's features [B, F]."""
        x = self.normalise(image.astype(jnp.float32)).astype(self.dtype)
        return call_trunk(self.trunk, x, key)

    def logits(self, x: jax.Array) -> dict[str, jax.Array]:
        """Features [B, F] -> the logits of each task, as `__call__` returns them."""
        hidden = {task: layer(x) for task, layer in self.hidden.items()}
        return {
            task: head(hidden.get(task, x)).astype(jnp.float32) for task, head in self.heads.items()
        }

    def probabilities(self, logits: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        """Logits of each task -> {task: float32 [B, classes]}, each row sums to one."""
        return {task: head.probabilities(logits[task]) for task, head in self.heads.items()}
