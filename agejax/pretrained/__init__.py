"""Pretrained weights: readers of their files, and starting a run from them."""
