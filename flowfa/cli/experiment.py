"""``flowfa experiment``: from settings to the report of an experiment of the paper."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from flowfa.cli.console import say, say_json
from flowfa.cli.progress import ShareBar
from flowfa.configuration import ExperimentConfiguration


def experiment(configuration: ExperimentConfiguration, argv: Sequence[str]) -> int:
    """Run the experiment, write its report, and say what was found.

    Parameters
    ----------
    configuration : ExperimentConfiguration
        Of a known experiment.
    argv : sequence of str
        The command line, for the record.

    Returns
    -------
    int
        0; a claim of the paper that is not confirmed is a result.

    Raises
    ------
    FlowfaError
        If the experiment cannot begin, or was stopped by a signal.
    """
    from flowfa.experiments.findings import duration
    from flowfa.experiments.noisy_mnist import protocol_of, run_study
    from flowfa.experiments.noisy_mnist.claims import judge
    from flowfa.experiments.noisy_mnist.report import write_report
    from flowfa.experiments.noisy_mnist.study import RESULT
    from flowfa.threads import apply_threads, choose_threads

    c = configuration
    began = time.perf_counter()
    talks = not (c.quiet or c.json)
    protocol = protocol_of(c.scale, **c.changes)
    apply_threads(choose_threads(c.threads))
    if talks:
        say(protocol.title)
    with ShareBar(c.quiet) as bar:
        data = run_study(
            protocol,
            c.out,
            data_dir=c.data_dir,
            device=c.device,
            checkpoint_every=c.checkpoint_every,
            resume=c.resume,
            overwrite=c.overwrite,
            argv=argv,
            tell=bar.update,
            width_done=say if talks else lambda line: None,
        )
    files = write_report(data, c.out)
    findings = judge(data)
    if c.json:
        say_json(
            {
                "title": protocol.title,
                "protocol": protocol.to_json_dict(),
                "departures": protocol.departures,
                "result": str(Path(c.out) / RESULT),
                "files": [str(file) for file in files],
                "claims": [asdict(finding) for finding in findings],
                "seconds": time.perf_counter() - began,
            }
        )
    elif talks:
        for finding in findings:
            say(f"{finding.verdict}: {finding.claim}")
        say(f"{duration(time.perf_counter() - began)}; {protocol.title}")
        say(f"report: {Path(c.out) / 'report.html'} (and report.md, figures, {RESULT} beside it)")
    return 0
