"""What the machine offers: threads, memory."""
