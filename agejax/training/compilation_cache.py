"""Compiled programs, kept on disk for the next start."""

import hashlib
import os
import platform
from pathlib import Path

import jax

from agejax.utils.paths import home


def keep_compiled() -> None:
    """Has JAX keep what takes over half a second to compile, in `~/.cache/agejax`.

    `JAX_COMPILATION_CACHE_DIR` names another folder, and `JAX_ENABLE_COMPILATION_CACHE=0` none.
    Nothing is kept where the folder cannot be made or written to, or there is no home.
    """
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    if (own := home()) is None:
        return
    folder = own / ".cache" / "agejax" / "compiled" / _machine()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):  # JAX would warn of each program
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


def _machine() -> str:
    """A name for this kind of CPU: programs for another one may hold instructions that it lacks."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        kind = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    except OSError:
        kind = ""
    return f"{platform.machine()}-{hashlib.sha256(kind.encode()).hexdigest()[:12]}"
