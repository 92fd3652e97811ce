"""Laws as null vectors: candidates, their rates along fields, and names of coefficients."""
