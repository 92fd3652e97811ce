"""The flow of one network of any depth while no mode changes, compiled, and the choice of modes."""
