"""A run's folder: saved, verified, locked."""
