"""The paper's experiments, and the parts they share."""
