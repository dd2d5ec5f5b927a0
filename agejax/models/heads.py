"""Heads: features to logits, and logits to a distribution over classes. One head per task."""

from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

# Years between which the log-density of ages is one cubic; closer where faces change faster.
_AGE_KNOTS = (0, 1, 3, 6, 10, 15, 20, 30, 40, 50, 60, 70, 80)
_OPEN_AGE = 70  # the last group of the usual data sets is "70 and older"
_HALVING_YEARS = 8.0  # beyond it the density of a population halves in so many years


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


class SplineSoftmax(Softmax):
    """A softmax over ages whose logits are a cubic spline of the age: for ages known as groups.

    The likelihood of a group such as 20-29 does not determine how the mass is distributed within
    it, and with one logit per age it ends up anywhere. Here the layer gives the coefficients of
    cubic B-splines with knots up to ten years apart (de Boor, A Practical Guide to Splines, 1978),
    so the log-density is smooth and the neighbouring groups determine the shape within each. Every
    normal distribution is included, as its log-density is quadratic. The group of 70 and older has
    no neighbour above: there the initial density is that of a population.
    """

    def __init__(self, features: int, classes: int, *, dtype: Any = jnp.float32, rngs: nnx.Rngs):
        """`dtype` is the dtype of the computation; knots beyond `classes` are left out."""
        knots = [k for k in _AGE_KNOTS if k < classes - 1]
        super().__init__(features, len(knots) + 3, dtype=dtype, rngs=rngs)
        self.classes, self.knots = classes, (*knots, classes - 1)

    def __call__(self, inputs: jax.Array, out_sharding: Any = None) -> jax.Array:
        """[B, features] -> [B, classes] logits."""
        coefficients = super().__call__(inputs, out_sharding).astype(jnp.float32)
        years_beyond = jnp.maximum(jnp.arange(self.classes, dtype=jnp.float32) - _OPEN_AGE, 0)
        prior = -years_beyond * (np.log(2) / _HALVING_YEARS)
        return coefficients @ cubic_splines(self.knots, self.classes) + prior[None]


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


def cubic_splines(knots: tuple[int, ...], points: int) -> np.ndarray:
    """float32 [len(knots) + 2, points]: cubic B-splines at 0, 1, ..., `points` - 1.

    By the recursion of Cox and de Boor; the first and last knot, between which the points lie,
    are repeated. At each point they sum to one.
    """
    t = np.array([knots[0]] * 3 + [*knots] + [knots[-1]] * 3, float)[:, None]
    x = np.minimum(np.arange(points), knots[-1] - 1e-9)[None]  # the last interval is closed
    basis = ((t[:-1] <= x) & (x < t[1:])).astype(float)
    for k in (1, 2, 3):
        width = np.maximum(t[k:] - t[:-k], 1e-9)  # 0 / 0 counts as 0
        up = (x - t[: -k - 1]) / width[:-1] * basis[:-1]
        basis = up + (t[k + 1 :] - x) / width[1:] * basis[1:]
    return basis.astype(np.float32)
