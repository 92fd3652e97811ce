"""What the data satisfy."""
