"""Processes, their mesh, and how arrays are split over it."""
