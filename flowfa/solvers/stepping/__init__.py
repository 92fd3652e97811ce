"""What all solvers share: the state of an integration, its loop, steps, saves and endings."""
