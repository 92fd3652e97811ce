"""Evidence, which checks look at: dense states at several accuracies, from a run or from a flow."""
