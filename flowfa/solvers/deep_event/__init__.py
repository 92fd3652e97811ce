"""The event solver for any number of hidden layers: all pairs that slide are one linear system."""
