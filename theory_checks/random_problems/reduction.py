"""From a batch in which something fails to the smallest problem in which it still does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from flowfa.errors import InputError
from theory_checks.random_problems.problems import RandomProblems

TRIALS = 300
"""Problems that are tried in search of a smaller one."""

Failing = Callable[[RandomProblems], bool]
"""Whether the failure is still there in a problem of one network."""


def smallest(
    problems: RandomProblems, failing: Failing, network: int | None = None
) -> RandomProblems:
    """Return a problem of one network, as small as it can be while it fails.

    Samples, features, neurons are left out one after the other and numbers rounded, while the
    failure stays. The result fails too; unless the `TRIALS` were spent, nothing more can be left
    out of it.

    Parameters
    ----------
    problems : RandomProblems
    failing : callable
        Takes problems of one network.
    network : int, optional
        The one that fails; by default the first one that does.

    Raises
    ------
    ValueError
        If no network fails on its own.
    """
    if network is None:
        failing_alone = (index for index in range(len(problems)) if failing(problems.select(index)))
        network = next(failing_alone, None)
        if network is None:
            raise ValueError("no network of the batch fails on its own")
    best, trials, reduced = problems.select(network), 0, True
    while reduced and trials < TRIALS:
        reduced = False
        for candidate in _smaller(best):
            trials += 1
            if _fails(candidate, failing):
                best, reduced = candidate, True
                break
            if trials >= TRIALS:
                break
    return best


def _fails(candidate: RandomProblems, failing: Failing) -> bool:
    try:
        return failing(candidate)
    except InputError:
        # For example, without that sample the labels no longer tell the number of classes.
        return False


def _smaller(problems: RandomProblems) -> Iterator[RandomProblems]:
    """Yield problems with less in them, the greatest gains first."""
    problems = replace(problems, origin="")
    for sample in range(problems.X.shape[1] if problems.X.shape[1] > 1 else 0):
        yield replace(
            problems, X=np.delete(problems.X, sample, 1), y=np.delete(problems.y, sample, 1)
        )
    for layer in range(1, problems.hidden_layers + 1):
        width = problems.sizes[layer]
        for neuron in range(width if width > 1 else 0):
            yield _without_neuron(problems, layer, neuron)
    for feature in range(problems.X.shape[2] if problems.X.shape[2] > 1 else 0):
        first = {"W1": np.delete(problems.start["W1"], feature, 2)}
        yield replace(problems, X=np.delete(problems.X, feature, 2), start=problems.start | first)
    for name, array in problems.start.items():
        if name[0] == "c" and array.any():
            yield replace(problems, start=problems.start | {name: np.zeros_like(array)})
    for digits in (1, 2, 3):
        rounded = replace(
            problems,
            X=_rounded(problems.X, digits),
            start={name: _rounded(array, digits) for name, array in problems.start.items()},
            t_end=float(_rounded(np.array(problems.t_end), digits)),
        )
        if not _same(rounded, problems):
            yield rounded
        else:
            break


def _without_neuron(problems: RandomProblems, layer: int, neuron: int) -> RandomProblems:
    """Leave out a hidden neuron: its row, its column, and its part of the feedback."""
    axes = {
        f"W{layer}": 1,
        f"c{layer}": 1,
        f"W{layer + 1}": 2,
        f"D{layer}": 1,
        **{f"{kind}{layer}": 2 for kind in "BM"},
        **{f"{kind}{layer + 1}": 1 for kind in "BM"},
    }
    start = {
        name: np.delete(array, neuron, axes[name]) if name in axes else array
        for name, array in problems.start.items()
    }
    return replace(problems, start=start)


def _rounded(array: np.ndarray, digits: int) -> np.ndarray:
    """Round to significant digits."""
    rounded = [float(f"{value:.{digits - 1}e}") for value in array.ravel()]
    return np.array(rounded).reshape(array.shape)


def _same(problems: RandomProblems, other: RandomProblems) -> bool:
    return (
        problems.t_end == other.t_end
        and np.array_equal(problems.X, other.X)
        and all(np.array_equal(array, other.start[name]) for name, array in problems.start.items())
    )
