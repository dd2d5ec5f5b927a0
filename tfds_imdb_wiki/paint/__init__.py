"""Synthetic faces, drawn, in the layout of the official archives."""

PAINTED = (
    b"MATLAB 5.0 MAT-file, painted faces"  # how the .mat of painted faces begins, and no other
)
