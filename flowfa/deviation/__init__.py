"""How far discrete training strays from the flow (docs/deviation.md)."""
