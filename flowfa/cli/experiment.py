"""``flowfa experiment``: from settings to the report of an experiment of the paper."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from flowfa.cli.console import say, say_json
from flowfa.cli.progress import ProgressBar
from flowfa.machine.allocator import ask_for_huge_pages, keep_freed_memory
from flowfa.settings import ExperimentSettings
from flowfa.settings.experiment import NETWORK_EXPERIMENTS


@dataclass(frozen=True)
class _Experiment:
    """The functions of an experiment, and what differs in how they are called."""

    protocol: Any
    run: Callable[..., Any]
    write_report: Callable[..., list[Path]]
    judge: Callable[..., list[Any]]
    result: str


def experiment(settings: ExperimentSettings, argv: Sequence[str]) -> int:
    """Run the experiment, write its report, and say what was found.

    Parameters
    ----------
    settings : ExperimentSettings
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
    from flowfa.machine.thread_scope import chosen_threads
    from flowfa.studies.clock import duration

    c = settings
    start = time.perf_counter()
    keep_freed_memory()
    ask_for_huge_pages()
    verbose = not (c.quiet or c.json)
    study = _image_networks(c) if c.name in NETWORK_EXPERIMENTS else _noisy_mnist(c)
    protocol = study.protocol
    if verbose:
        say(protocol.title)
    checkpoints = {} if c.checkpoint_every is None else {"checkpoint_every": c.checkpoint_every}
    with chosen_threads(c.threads), ProgressBar(c.quiet) as progress:
        data = study.run(
            protocol,
            c.folder,
            data_dir=c.data_dir,
            device=c.device,
            resume=c.resume,
            overwrite=c.overwrite,
            argv=argv,
            progress=progress,
            unit_done=say if verbose else None,
            **checkpoints,
        )
    files = study.write_report(data, c.folder, c.format)
    findings = study.judge(data)
    if c.json:
        say_json(
            {
                "title": protocol.title,
                "protocol": protocol.to_json_dict(),
                "departures": protocol.departures,
                "result": str(Path(c.folder) / study.result),
                "files": [str(file) for file in files],
                "claims": [asdict(finding) for finding in findings],
                "seconds": time.perf_counter() - start,
            }
        )
    elif verbose:
        for finding in findings:
            say(f"{finding.verdict}: {finding.claim}")
        say(f"{duration(time.perf_counter() - start)}; {protocol.title}")
        report = Path(c.folder) / "report.html"
        say(f"report: {report} (and report.md, figures, {study.result} beside it)")
    return 0


def _noisy_mnist(c: ExperimentSettings) -> _Experiment:
    from flowfa.experiments.noisy_mnist import run_study, settings_of
    from flowfa.experiments.noisy_mnist.claims import judge
    from flowfa.experiments.noisy_mnist.report import write_report
    from flowfa.experiments.noisy_mnist.study import RESULT

    protocol = settings_of(c.scale, **c.changes)
    return _Experiment(protocol, run_study, write_report, judge, RESULT)


def _image_networks(c: ExperimentSettings) -> _Experiment:
    from flowfa.experiments.image_networks import run_study, settings_of
    from flowfa.experiments.image_networks.claims import judge
    from flowfa.experiments.image_networks.report import write_report

    protocol = settings_of(c.name, c.scale, **c.changes)
    return _Experiment(protocol, run_study, write_report, judge, protocol.result)
