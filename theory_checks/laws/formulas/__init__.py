"""What a law is, and how it is written."""
