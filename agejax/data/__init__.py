"""Data sets of faces, and the order in which training reads them."""
