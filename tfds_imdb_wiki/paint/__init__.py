"""Synthetic faces, drawn, in the layout of the official archives."""
