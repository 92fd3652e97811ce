"""What alignment does to the loss (A-2, T-1, P-2), one file each."""
