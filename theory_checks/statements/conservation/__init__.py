"""The conservation laws of alignment (C-1, C-2, C-3, C-5, C-11), one file each."""
