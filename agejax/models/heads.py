"""Heads: features to logits, and logits to a distribution over classes. One head per task."""

from typing import Any, Protocol

import jax
import jax.numpy as jnp
from flax import nnx


class Head(Protocol):
    """The interface of a head, created by `head(features, classes, dtype=..., rngs=...)`."""

    classes: int

    def __call__(self, x: jax.Array) -> jax.Array:
        """[B, features] -> logits [B, ...], in the form that the task's loss takes."""

    def probabilities(self, logits: jax.Array) -> jax.Array:
        """float32 logits -> float32 [B, classes], non-negative, each row sums to one."""


class Softmax(nnx.Linear):
    """One logit per class: age as classification, DEX (Rothe et al., IJCV 2018)."""

    def __init__(self, features: int, classes: int, *, dtype: Any = jnp.float32, rngs: nnx.Rngs):
        """`dtype` is the dtype of the computation."""
        super().__init__(features, classes, dtype=dtype, rngs=rngs)
        self.classes = classes

    def probabilities(self, logits: jax.Array) -> jax.Array:
        """[B, classes] -> [B, classes]."""
        return jax.nn.softmax(logits)


class OrdinalCNN(nnx.Linear):
    """One logit for each of "is it above class 0, 1, ...?": OR-CNN (Niu et al., CVPR 2016).

    The classifiers are independent and may contradict each other. Here they are initialised to a
    uniform distribution, as `Softmax` is, instead of a probability of one half each.
    """

    def __init__(self, features: int, classes: int, *, dtype: Any = jnp.float32, rngs: nnx.Rngs):
        """`dtype` is the dtype of the computation."""
        super().__init__(features, classes - 1, dtype=dtype, rngs=rngs)
        self.classes = classes
        self.bias = nnx.Param(_uniform_exceedances(classes))

    def probabilities(self, logits: jax.Array) -> jax.Array:
        """[B, classes - 1] -> [B, classes], by `from_exceedances`."""
        return from_exceedances(logits)


class Coral(nnx.Module):
    """One score for all thresholds, and a bias for each: CORAL.

    Cao et al., Pattern Recognition Letters 2020, arXiv:1901.07884. After training the biases
    descend, so that the classifiers are consistent. Theirs start at zero, which 100 thresholds take
    thousands of steps to leave; these start from a uniform distribution. The score is computed in
    float32, as a single number determines the age.
    """

    def __init__(self, features: int, classes: int, *, dtype: Any = jnp.float32, rngs: nnx.Rngs):
        """`dtype` is not used."""
        del dtype
        kernel = nnx.initializers.lecun_normal()(rngs.params(), (features, 1))
        self.classes = classes
        self.kernel = nnx.Param(kernel)
        self.bias = nnx.Param(_uniform_exceedances(classes))

    def __call__(self, x: jax.Array) -> jax.Array:
        """[B, features] -> float32 [B, classes - 1]."""
        return x.astype(jnp.float32) @ self.kernel[...] + self.bias[...][None]

    def probabilities(self, logits: jax.Array) -> jax.Array:
        """[B, classes - 1] -> [B, classes], by `from_exceedances`."""
        return from_exceedances(logits)


class Regression(nnx.Linear):
    """The age as one number, in years (classes); initialised to the middle class.

    Computed in float32: near 50 the resolution of bfloat16 is a quarter of a year.
    """

    def __init__(self, features: int, classes: int, *, dtype: Any = jnp.float32, rngs: nnx.Rngs):
        """`dtype` is not used."""
        del dtype
        super().__init__(features, 1, dtype=jnp.float32, rngs=rngs)
        self.classes = classes
        self.bias = nnx.Param(jnp.full(1, (classes - 1) / 2))

    def probabilities(self, logits: jax.Array) -> jax.Array:
        """[B, 1] -> [B, classes]: all mass on the two classes next to the number.

        By linear interpolation: the mean is the number, clipped to the range of classes, and the
        median is less than 0.1 off. It is not a likelihood, so that its NLL is meaningless.
        """
        classes = jnp.arange(self.classes, dtype=logits.dtype)[None]
        number = jnp.clip(logits, 0, self.classes - 1)
        return jnp.maximum(1 - abs(number - classes), 0)


def from_exceedances(logits: jax.Array) -> jax.Array:
    """Logits of "above class k", [B, classes - 1] -> probabilities of classes, [B, classes].

    P(k) = P(above k - 1) - P(above k). Classifiers that contradict each other are sorted first: the
    rearrangement of Chernozhukov, Fernandez-Val and Galichon (Econometrica 2010), which is never
    further from the truth. It preserves their sum, which is the mean class, and the number of them
    above one half, which is the class that both papers decode to: the median.
    """
    falling = -jnp.sort(-logits, axis=-1)
    above = jnp.pad(falling, ((0, 0), (1, 0)), constant_values=jnp.inf)  # above class -1: always
    below = jnp.pad(falling, ((0, 0), (0, 1)), constant_values=-jnp.inf)
    # s(a) - s(b) as a product, which avoids cancellation when both are close to one.
    gap = -jnp.expm1(below - above)
    return jax.nn.sigmoid(above) * jax.nn.sigmoid(-below) * gap


def _uniform_exceedances(classes: int) -> jax.Array:
    """float32 [classes - 1]: the logits of k / classes, for k from classes - 1 down to 1."""
    k = jnp.arange(1, classes, dtype=jnp.float32)
    return jnp.log((classes - k) / k)
