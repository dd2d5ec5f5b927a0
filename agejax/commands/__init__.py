"""One file a subcommand of `agejax`: `add` declares its arguments, `run` does it.

JAX takes seconds to import and a wrong path should be told at once: `run` imports what it needs.
"""
