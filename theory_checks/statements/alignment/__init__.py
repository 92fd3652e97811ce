"""Alignment of forward and feedback weights (A-1, P-1, L-1), one file each."""
