"""The rate of the loss (Eq-1)."""
