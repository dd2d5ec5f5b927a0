"""Batch norm, with the ReLU after it where there is one.

Ioffe and Szegedy, "Batch normalization", ICML 2015.
"""

from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx

from agejax.kernels import dispatch


class BatchNorm(nnx.BatchNorm):
    """nnx.BatchNorm, which a CPU's library computes in training if there is one.

    XLA reads the map once for each sum and each use of it, forward and backward. The library's
    variance is the mean square of the deviations, flax's the mean square less the square of the
    mean: they differ by rounding.
    """

    def __call__(  # type: ignore[override]
        self, x: jax.Array, use_running_average: bool, *, relu: bool = False
    ) -> jax.Array:
        """[B, H, W, C] -> [B, H, W, C], with a ReLU behind it if `relu`."""
        layers = dispatch.in_use()
        if use_running_average or layers is None or x.dtype != jnp.float32:
            y = super().__call__(x, use_running_average)
            return nnx.relu(y) if relu else y
        scale, bias = (
            variable[...] for variable in (self.scale, self.bias) if variable is not None
        )
        y, *now = _normalize(x, scale, bias, layers, self.epsilon, relu)
        for past, new in zip((self.mean, self.var), now, strict=True):
            past[...] = self.momentum * past[...] + (1 - self.momentum) * jax.lax.stop_gradient(new)
        return y


def _plain(
    x: jax.Array, scale: jax.Array, bias: jax.Array, epsilon: float, relu: bool
) -> tuple[jax.Array, ...]:
    mean = x.mean((0, 1, 2))
    deviation = x - mean[None, None, None]
    variance = (deviation * deviation).mean((0, 1, 2))
    y = deviation * (jax.lax.rsqrt(variance + epsilon) * scale)[None, None, None]
    y += bias[None, None, None]
    return nnx.relu(y) if relu else y, mean, variance


@partial(jax.custom_vjp, nondiff_argnums=(3, 4, 5))
def _normalize(x, scale, bias, layers, epsilon, relu):
    """The result, and the statistics, which are not to be differentiated."""
    return _forward(x, scale, bias, layers, epsilon, relu)[0]


def _forward(x, scale, bias, layers, epsilon, relu):
    cpu = partial(layers.normalize, epsilon=epsilon, relu=relu)
    rest = jax.eval_shape(cpu, x, scale, bias)[3:]

    def default(x, scale, bias):  # where the same program is lowered for another platform
        nothing = (jnp.zeros(of.shape, of.dtype) for of in rest)
        return *_plain(x, scale, bias, epsilon, relu), *nothing

    y, *saved = jax.lax.platform_dependent(x, scale, bias, cpu=cpu, default=default)
    return (y, *saved[:2]), (x, scale, bias, tuple(saved))


def _backward(layers, epsilon, relu, kept, cotangents):
    def cpu(x, scale, bias, saved, g):
        del bias
        return layers.normalize_gradients(x, scale, saved, g, epsilon, relu)

    def default(x, scale, bias, saved, g):
        del saved
        plain = lambda x, scale, bias: _plain(x, scale, bias, epsilon, relu)[0]
        return jax.vjp(plain, x, scale, bias)[1](g)

    return jax.lax.platform_dependent(*kept, cotangents[0], cpu=cpu, default=default)


_normalize.defvjp(_forward, _backward)
