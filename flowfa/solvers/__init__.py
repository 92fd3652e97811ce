"""Numerical methods for training flows, and the rule that chooses between them."""
