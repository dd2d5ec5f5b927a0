"""Processes of a run, their device mesh, and how arrays are sharded over it."""
