"""``python -m flowfa``, the same as ``flowfa``."""

from flowfa.cli.main import entry_point

if __name__ == "__main__":
    entry_point()
