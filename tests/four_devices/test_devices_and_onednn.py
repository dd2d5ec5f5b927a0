"""oneDNN is of one device; with several, layers are left to XLA."""

import jax
import numpy as np
import pytest

from agejax.kernels import conv, cpu, dispatch, onednn_c

pytestmark = pytest.mark.usefixtures("quick_compilation")

if not onednn_c.installed():
    pytest.skip("the package onednn-cpu-gomp (extra cpu) is not here", allow_module_level=True)


def test_threads_of_several_devices_do_not_mix_their_kernels():
    from agejax.kernels import xla_ffi

    dispatch.use(xla_ffi.OneDNN())
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 8, 8, 32)).astype(np.float32)
    w = rng.normal(size=(3, 3, 32, 32)).astype(np.float32)
    kernels = [w * 2**i for i in range(len(jax.devices()))]
    step = jax.jit(lambda x, w: conv.conv2d(x, w, (1, 1), ((1, 1), (1, 1))))
    placed = [jax.device_put((x, k), d) for k, d in zip(kernels, jax.devices(), strict=True)]
    for _ in range(20):
        outs = [step(*pair) for pair in placed]
    for i, out in enumerate(outs):
        np.testing.assert_array_equal(out, 2**i * np.asarray(outs[0]))


def test_several_devices_are_left_to_xla():
    assert jax.device_count() > 1
    assert not cpu.use_onednn()
    assert dispatch.in_use() is None
