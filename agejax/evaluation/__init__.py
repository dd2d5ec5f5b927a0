"""Evaluation: one masked pass over a split, and its results."""
