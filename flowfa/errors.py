"""Errors whose one-line messages tell a user what was wrong and how to mend it.

A message names a setting in backticks, as the library spells it: ```rtol```,
```solver="bosh3"```, ```resume=True```, and never as a flag. The command line shows each name that
is a setting of the command at hand as its flag: ``--rtol``, ``--solver bosh3``, ``--resume``
(`flowfa.cli.flags`).
"""

from __future__ import annotations


class FlowfaError(Exception):
    """Base of every error that flowfa raises on purpose."""


class InputError(FlowfaError):
    """An input that cannot be used: bad value, bad file, or settings that disagree.

    The message is one line: what was wrong, what was expected, how to mend it. The command
    line prints it without a traceback and exits with status 64.
    """


class Interrupted(FlowfaError):
    """A run that was stopped by a signal after its checkpoint had been written.

    Parameters
    ----------
    message : str
        What was kept and how to go on.
    signal_number : int
        The signal that stopped it; the command line exits with 128 plus this number.
    """

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number
