"""How forward weights align with feedback."""
