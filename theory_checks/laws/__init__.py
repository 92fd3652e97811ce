"""Conservation laws of training flows, counted, found and followed along runs."""
