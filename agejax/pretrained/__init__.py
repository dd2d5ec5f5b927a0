"""Weights made elsewhere."""
