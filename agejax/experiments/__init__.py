"""Comparing, sweeping, reproducing and combining runs."""
