"""Training flows and their solvers."""
