"""From features to logits, and from logits to a distribution over classes: one head a task."""

from typing import Any, Protocol

import jax
import jax.numpy as jnp
from flax import nnx


class Head(Protocol):
    """What a task's `head` makes: `head(features, classes, dtype=..., rngs=...)`."""

    classes: int

    def __call__(self, x: jax.Array) -> jax.Array:
        """[B, features] -> logits [B, ...], of whatever kind the task's loss takes."""

    def probabilities(self, logits: jax.Array) -> jax.Array:
        """Its float32 logits -> float32 [B, classes], not negative, each row with the sum one."""


class Softmax(nnx.Linear):
    """A logit for each class: age as classification, DEX (Rothe et al., IJCV 2018)."""

    def __init__(self, features: int, classes: int, *, dtype: Any = jnp.float32, rngs: nnx.Rngs):
        """`dtype` is what the product is computed in."""
        super().__init__(features, classes, dtype=dtype, rngs=rngs)
        self.classes = classes

    def probabilities(self, logits: jax.Array) -> jax.Array:
        """[B, classes] -> [B, classes]."""
        return jax.nn.softmax(logits)


class OrdinalCNN(nnx.Linear):
    """A logit for each of "is it above class 0, 1, ...?": OR-CNN (Niu et al., CVPR 2016).

    Their classifiers are independent of one another, and may contradict each other. They start here
    from a uniform distribution, as `Softmax` does, and not from "above every class by a half".
    """

    def __init__(self, features: int, classes: int, *, dtype: Any = jnp.float32, rngs: nnx.Rngs):
        """`dtype` is what the product is computed in."""
        super().__init__(features, classes - 1, dtype=dtype, rngs=rngs)
        self.classes = classes
        self.bias = nnx.Param(_uniform_exceedances(classes))

    def probabilities(self, logits: jax.Array) -> jax.Array:
        """[B, classes - 1] -> [B, classes], by `from_exceedances`."""
        return from_exceedances(logits)


class Coral(nnx.Module):
    """One score for all thresholds, and a bias for each: CORAL.

    Cao et al., Pattern Recognition Letters 2020, arXiv:1901.07884. The biases of a trained one
    descend, so that its answers agree with one another. Theirs start at zero, which 100 thresholds
    take thousands of steps to leave; these start from a uniform distribution. The score is computed
    in float32: it is one column, and carries the whole age.
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
    """The age itself, in years (classes), as one number; it starts at the middle class.

    In float32: at 50 years bfloat16 counts in quarters of a year.
    """

    def __init__(self, features: int, classes: int, *, dtype: Any = jnp.float32, rngs: nnx.Rngs):
        """`dtype` is not used."""
        del dtype
        super().__init__(features, 1, dtype=jnp.float32, rngs=rngs)
        self.classes = classes
        self.bias = nnx.Param(jnp.full(1, (classes - 1) / 2))

    def probabilities(self, logits: jax.Array) -> jax.Array:
        """[B, 1] -> [B, classes]: all mass on the two classes beside the number.

        In linear interpolation, so that the mean is the number, clipped to the classes that there
        are, and the median is less than 0.1 off. A likelihood it is not: its NLL says nothing.
        """
        classes = jnp.arange(self.classes, dtype=logits.dtype)[None]
        number = jnp.clip(logits, 0, self.classes - 1)
        return jnp.maximum(1 - abs(number - classes), 0)


def from_exceedances(logits: jax.Array) -> jax.Array:
    """Logits of "above class k", [B, classes - 1] -> probabilities of classes, [B, classes].

    P(k) = P(above k - 1) - P(above k). Where the classifiers contradict one another they are sorted
    first: the rearrangement of Chernozhukov, Fernandez-Val and Galichon (Econometrica 2010), which
    is never further from the truth. It leaves their sum, which is the mean class, and the number of
    them above one half, which is the class that both papers decode to: the median.
    """
    falling = -jnp.sort(-logits, axis=-1)
    above = jnp.pad(falling, ((0, 0), (1, 0)), constant_values=jnp.inf)  # above class -1: surely
    below = jnp.pad(falling, ((0, 0), (0, 1)), constant_values=-jnp.inf)
    # s(a) - s(b) as a product, which does not cancel where both are close to one.
    gap = -jnp.expm1(below - above)
    return jax.nn.sigmoid(above) * jax.nn.sigmoid(-below) * gap


def _uniform_exceedances(classes: int) -> jax.Array:
    """float32 [classes - 1]: the logits of k / classes, for k from classes - 1 down to 1."""
    k = jnp.arange(1, classes, dtype=jnp.float32)
    return jnp.log((classes - k) / k)
