"""One masked pass over a split, and what is kept of it."""
