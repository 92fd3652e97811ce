"""From margins to verdicts, and the report of them."""
