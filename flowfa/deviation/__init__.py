"""How far discrete training strays from the flow (spec section 5)."""
