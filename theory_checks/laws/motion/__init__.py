"""The vector fields of training, over all data and losses, in any arithmetic."""
