"""The paper's experiments, and what they are made of."""
