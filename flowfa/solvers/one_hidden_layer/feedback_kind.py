"""Where the feedback of a neuron comes from."""

FIXED, OWN, SIGN = 0, 1, 2
"""Where a neuron's feedback comes from: constant, v itself (gd), or magnitudes times sign v."""
