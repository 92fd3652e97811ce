"""Entry point of ``flowfa``: all ways in which a command can end, with their exit statuses."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Sequence

from flowfa import __version__
from flowfa.cli.console import complain, say, silence_stdout
from flowfa.errors import InputError, Interrupted

DONE = 0
SOLVER_FAILED = 3
BAD_INPUT = 64
INTERNAL_ERROR = 70
SIGNALLED = 128

_SIGINT = 2
_SIGPIPE = 13
# Errors of files that a user names, which the user can mend.
_FILE_ERRORS = {
    errno.EACCES,
    errno.EDQUOT,
    errno.EEXIST,
    errno.EFBIG,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENOENT,
    errno.ENOSPC,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
}


def entry_point() -> None:
    """Run the command line of this process and exit."""
    sys.exit(main(sys.argv[1:]))


def main(argv: Sequence[str]) -> int:
    """Run one command.

    Parameters
    ----------
    argv : sequence of str
        The words after ``flowfa``.

    Returns
    -------
    int
        Exit status: 0 done, 1 a statement is violated, 2 inconclusive, 3 a trajectory's solver
        failed, 64 bad input, 70 an error of flowfa itself, 128 + N stopped by signal N.
    """
    argv = list(argv)
    try:
        return _run(argv)
    except SystemExit as stop:
        # The parser has printed the help that was asked for.
        return int(stop.code or 0)
    except BrokenPipeError:
        silence_stdout()
        return SIGNALLED + _SIGPIPE
    except KeyboardInterrupt as stop:
        complain("flowfa: stopped")
        return SIGNALLED + getattr(stop, "signal_number", _SIGINT)
    except Exception as error:
        if "--debug" in argv:
            traceback.print_exc()
        return _explain(error, argv)


def _run(argv: list[str]) -> int:
    if argv == ["--version"]:
        say(f"flowfa {__version__}")
        return DONE
    from flowfa.cli.parsing import parse

    command = parse(argv)
    # Imported only now, because what a command needs takes seconds to import, and help does not.
    from flowfa.cli.running import run

    return run(command, argv)


def _explain(error: Exception, argv: list[str]) -> int:
    """Say in one line what went wrong, and return the exit status."""
    if isinstance(error, InputError | Interrupted):
        from flowfa.cli.flags import in_flags, settings_of

        complain(f"flowfa: {in_flags(_one_line(str(error)), settings_of(argv))}")
        return BAD_INPUT if isinstance(error, InputError) else SIGNALLED + error.signal_number
    if isinstance(error, OSError) and error.errno in _FILE_ERRORS:
        file = f"{error.filename}: " if error.filename else ""
        reason = os.strerror(error.errno or 0).lower()
        complain(f"flowfa: {file}{reason}; {_remedy(argv)}")
        return BAD_INPUT
    if isinstance(error, MemoryError):
        complain("flowfa: out of memory; ask for fewer trajectories, samples or recorded times")
        return BAD_INPUT
    kind = type(error).__name__
    complain(
        f"flowfa: internal error, {kind}: {_one_line(str(error))}; please report it "
        "(--debug shows the traceback)"
    )
    return INTERNAL_ERROR


def _remedy(argv: list[str]) -> str:
    """Return what to do about a file; --out is advised where the command has it."""
    from flowfa.cli.flags import settings_of
    from flowfa.settings import declarations

    group = settings_of(argv)
    if group is not None and "out" in declarations(group):
        return "choose another place with --out, or make room there"
    return "check the path and its permissions, or make room there"


def _one_line(text: str) -> str:
    return " ".join(text.split())
