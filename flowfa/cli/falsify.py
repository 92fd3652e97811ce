"""``flowfa falsify``: the search for a counterexample of a statement."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from flowfa.cli.commands import FalsifySettings
from flowfa.cli.console import say, say_json
from flowfa.files.atomic import check_place

if TYPE_CHECKING:
    from theory_checks.falsify.budget import Standing

SIGNALLED = 128
_INTERVAL = 0.1


def falsify(settings: FalsifySettings) -> int:
    """Search a counterexample, or else the tightest case.

    Returns
    -------
    int
        1 if a counterexample was found, 128 + N if signal N stopped the search before, 2 if no
        problem met the hypotheses, else 0.

    Raises
    ------
    InputError
        If the statement or a hypothesis is unknown, a number is out of range, or the file cannot
        be written.
    """
    path = _check(settings)

    from flowfa.studies.interruption import StopRequest
    from theory_checks.falsify import find, search
    from theory_checks.falsify.report import exit_code, hint, lines, to_json_dict

    claim, drop = find(settings.statement, settings.drop_hypothesis or ())
    with StopRequest() as request, _Bar(settings.quiet) as bar:
        result = search(
            claim,
            drop,
            seed=settings.seed,
            examples=settings.examples,
            seconds=settings.time_limit,
            stopped=lambda: request.received is not None,
            progress=bar.update,
        )
    if path is not None and result.case is not None:
        result.case.save(path, settings.overwrite)
    if settings.json:
        say_json(to_json_dict(result))
    elif not (settings.quiet and not result.falsified):
        for line in lines(result):
            say(line)
        if path is not None and result.case is not None:
            say(f"\nsaved to {path}; next: {hint(result.case, str(path))}")
    if request.received is not None and not result.falsified:
        return SIGNALLED + request.received
    return exit_code(result)


def _check(settings: FalsifySettings) -> Path | None:
    """Refuse a file that cannot be written, before anything heavy is imported."""
    if settings.out is None:
        return None
    path = Path(settings.out)
    check_place(path, settings.overwrite)
    return path


class _Bar:
    """Shows on a terminal how the search stands; says nothing elsewhere."""

    def __init__(self, quiet: bool) -> None:
        self._shown = not quiet and sys.stderr.isatty()
        self._bar = None
        self._drawn = -float("inf")

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def update(self, standing: Standing) -> None:
        """Draw how the search stands, ten times a second at most."""
        now = time.monotonic()
        if not self._shown or now - self._drawn < _INTERVAL:
            return
        self._drawn = now
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(file=sys.stderr, leave=False, dynamic_ncols=True, unit=" problems")
        best = standing.best
        margin = "" if best is None else f", best margin {best.margin:.3g}"
        self._bar.set_postfix_str(standing.phase + margin, refresh=False)
        self._bar.total = standing.examples
        self._bar.n = standing.tried
        self._bar.refresh()
