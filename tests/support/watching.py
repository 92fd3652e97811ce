"""Progress displays of tests: they act on what a study tells."""

from __future__ import annotations

import signal


class Watch:
    """Calls a function with each state that it is told, and notes them.

    Parameters
    ----------
    act : callable, optional
        Given the `flowfa.studies.progress.ProgressState`.
    """

    def __init__(self, act=None):
        self.states, self.closed, self._act = [], False, act

    def update(self, state):
        self.states.append(state)
        if self._act is not None:
            self._act(state)

    def close(self):
        self.closed = True


def stops_when(words):
    """Return a display that asks to stop, as Ctrl-C does, when some words are told."""

    def act(state):
        if words in state.doing:
            signal.raise_signal(signal.SIGINT)

    return Watch(act)


def stops_after(rounds):
    """Return a display that asks to stop, as Ctrl-C does, when so many things were told."""

    def act(state):
        if len(watch.states) == rounds:
            signal.raise_signal(signal.SIGINT)

    watch = Watch(act)
    return watch
