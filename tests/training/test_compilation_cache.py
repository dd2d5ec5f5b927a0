import os
import subprocess
import sys
from pathlib import Path

COMPILE = """
import jax, jax.numpy as jnp, sys
from agejax.training.compilation_cache import keep_compiled
keep_compiled()
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
print(jax.jit(lambda x: jnp.sin(x) @ x)(jnp.eye(3)).sum())
"""


def run(home: Path, **env: str) -> None:
    inherited = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
    env = inherited | {"HOME": str(home)} | env
    subprocess.run([sys.executable, "-W", "error", "-c", COMPILE], env=env, check=True)


def files(folder: Path) -> set[Path]:
    return {file for file in folder.rglob("*-cache") if file.is_file()}


def test_programs_are_kept_for_the_next_process(tmp_path):
    run(tmp_path)
    kept = files(tmp_path / ".cache" / "agejax")
    assert kept
    run(tmp_path)
    assert files(tmp_path) == kept


def test_another_folder_may_be_named_and_none(tmp_path):
    run(tmp_path / "home", JAX_COMPILATION_CACHE_DIR=str(tmp_path / "named"))
    assert files(tmp_path / "named")
    run(tmp_path / "other", JAX_ENABLE_COMPILATION_CACHE="0")
    assert not files(tmp_path / "home") | files(tmp_path / "other")


def test_a_home_that_holds_no_folder_is_no_error(tmp_path):
    (tmp_path / "home").touch()
    run(tmp_path / "home")
