"""Settings that make XLA faster on a CPU: measured, and harmless elsewhere."""

import ctypes
import functools
import os
import sys

import jax

from agejax.kernels import dispatch, onednn_c, xla_ffi

# glibc's mallopt parameters, from malloc.h, and how it chooses its number of arenas
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8
_BY_CORES = 0
_ENOUGH = 12e9  # bytes of memory, of which freed memory may be kept


def compiler_options(deterministic: bool = False) -> dict[str, str | bool] | None:
    """What to compile steps with on this machine's devices, for `jax.jit`.

    From 0.10 on, XLA hands convolutions on a CPU to YNNPACK, which takes up to four times as long
    as its own; only reductions are left to it here.

    Args:
      deterministic: has a GPU give the same bits each time; a CPU does by itself. As an option of
        the program it also holds once JAX has been used, when the flag of that name in XLA_FLAGS
        is not read any more.
    """
    options: dict[str, str | bool] = {}
    if jax.default_backend() == "cpu":
        options["xla_cpu_experimental_ynn_fusion_type"] = "LIBRARY_FUSION_TYPE_REDUCE"
    if deterministic:
        options["xla_gpu_deterministic_ops"] = True
    return options or None


def keep_freed_memory() -> bool:
    """Has the allocator keep what is freed for the next step; whether it can.

    XLA frees its buffers after every step. glibc gives large ones back to the system, and getting
    them anew, page by page, was a sixth to a quarter of a step here. The process grows to some four
    times a step's temporaries, and keeps that until it ends: a machine with little memory is left
    as it is. Does something on Linux with glibc alone, where the devices are CPUs.

    To be called before JAX looks for devices: XLA's threads start then, and a thread that has an
    arena of its own returns what does not fit into it, whatever is set.
    """
    if sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"):
        return False
    if os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") < _ENOUGH:
        return False
    mallopt = ctypes.CDLL(None).mallopt
    mallopt(_ARENA_MAX, 1)
    if jax.default_backend() != "cpu":
        mallopt(_ARENA_MAX, _BY_CORES)
        return False
    return bool(mallopt(_MMAP_MAX, 0) and mallopt(_TRIM_THRESHOLD, -1))


@functools.cache
def use_onednn() -> bool:
    """Has convolutions on a CPU computed by oneDNN, where its package is installed; whether it is.

    For one device alone: XLA would give every device the whole batch of a foreign function.
    """
    if jax.default_backend() != "cpu" or jax.device_count() > 1 or not onednn_c.installed():
        return False
    dispatch.use(xla_ffi.OneDNN())
    return True
