"""How every benchmark begins: its arguments, its threads, and the heads of its tables."""

from __future__ import annotations

import argparse

import torch

from flowfa.documents import markdown_header
from flowfa.machine.allocator import keep_freed_memory


def parser_of(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with ``--threads``; the description is a script's docstring."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=1)
    return parser


def begin(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Parse the command line, and set threads and allocator as the command line of flowfa does."""
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    keep_freed_memory()
    return arguments


def print_header(*columns: str) -> None:
    """Print the head of a Markdown table."""
    print("\n".join(markdown_header(columns)))
