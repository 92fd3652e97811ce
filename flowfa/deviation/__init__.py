"""How far discrete training strays from the flow (docs/theory/deviation.md)."""
