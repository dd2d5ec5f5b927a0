import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest

from agejax.kernels.cpu import compiler_options

# How many pages the system hands out while XLA takes 64 MiB for an intermediate result 20 times.
COUNT = """
import resource, sys
from agejax.kernels import cpu
cpu._ENOUGH = 0
if sys.argv[1] == "keep":
    assert cpu.keep_freed_memory()
import jax, jax.numpy as jnp
f = jax.jit(lambda a: a @ (a.T @ a))
a = jnp.ones((16, 4096))
def work():
    for _ in range(20):
        f(a).block_until_ready()
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_steps_compile_with_the_options_for_a_cpu():
    assert jax.jit(lambda x: x + 1, compiler_options=compiler_options())(jnp.int32(1)) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_freed_memory_is_kept_for_the_next_step():
    def pages(how):
        run = [sys.executable, "-c", COUNT, how]
        return int(subprocess.run(run, check=True, capture_output=True, text=True).stdout)

    assert pages("keep") < 0.1 * pages("plain")
