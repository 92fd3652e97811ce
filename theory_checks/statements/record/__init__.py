"""Whether a result file is what its own configuration gives."""
