"""The jitted core of learning: pure, no I/O."""
