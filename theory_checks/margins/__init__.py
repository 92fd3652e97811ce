"""From quantities along trajectories to margins with their uncertainty."""
