"""``flowfa deviation``: from settings to a report of flow against steps."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from flowfa.cli.console import say, say_json
from flowfa.cli.progress import ProgressBar
from flowfa.settings import DeviationStudySettings


def deviation(settings: DeviationStudySettings, argv: Sequence[str]) -> int:
    """Run the sweep, write the report, and say what was found.

    Parameters
    ----------
    settings : DeviationStudySettings
        Valid settings.
    argv : sequence of str
        The command line, for the record.

    Returns
    -------
    int
        0; divergence is a result.

    Raises
    ------
    FlowfaError
        If the sweep cannot begin, or was stopped by a signal.
    """
    from flowfa.deviation.from_settings import deviation_from
    from flowfa.deviation.sentences import sentences
    from flowfa.deviation.tables import slope_table

    start = time.perf_counter()
    verbose = not (settings.quiet or settings.json)
    with ProgressBar(settings.quiet) as progress:
        result, files = deviation_from(settings, argv=argv, progress=progress)
    conclusions = sentences(result)
    report = Path(settings.out) / "report.html"
    if settings.json:
        slopes = slope_table(result)
        say_json(
            {
                "report": str(report),
                "files": [str(file) for file in files],
                "result": str(Path(settings.out) / "deviation.nc"),
                "sentences": conclusions,
                "slopes": [dict(zip(slopes.header, row, strict=True)) for row in slopes.rows],
                "seconds": time.perf_counter() - start,
            }
        )
    elif verbose:
        for line in conclusions:
            say(line)
        say(f"{time.perf_counter() - start:.1f} s")
        say(f"report: {report} (and report.md, figures, deviation.nc beside it)")
    return 0
