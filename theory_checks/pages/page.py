"""The page itself: what is said, in which order, and how it looks."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import xarray as xr
from matplotlib.lines import Line2D

from flowfa.documents import html_page
from flowfa.files.atomic import replacing
from flowfa.plots.alignment import alignment_panels
from flowfa.plots.sheet import Draw, draw_sheet
from flowfa.plots.style import rule_lines
from flowfa.records.attributes import decoded
from theory_checks.pages.grid import COLUMNS, ROWS, draw_grid, image
from theory_checks.pages.invariants import invariant_panels
from theory_checks.pages.loss import bound_handles, loss_panels
from theory_checks.pages.margins import margin_panels, worst_of_rules
from theory_checks.pages.signs import sign_panels
from theory_checks.verdicts.finding import Finding, number
from theory_checks.verdicts.report import Report
from theory_checks.verdicts.traces import Traces
from theory_checks.verdicts.verdict import Verdict


def save_page(
    report: Report, tree: xr.DataTree, traces: Traces, path: str | Path, name: str
) -> None:
    """Write the page to a file, replacing one that is there; whole or not at all.

    Parameters
    ----------
    report : Report
    tree : xarray.DataTree
        The result that was checked.
    traces : Traces
        Filled by `theory_checks.check`.
    path : str or Path
    name : str
        Of the result, as the reader knows it.

    Raises
    ------
    InputError
        If the file system refuses.
    """
    text = page(report, tree, traces, name)
    with replacing(Path(path)) as partial:
        # A file name that is no UTF-8 is shown with escapes.
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")


def page(report: Report, tree: xr.DataTree, traces: Traces, name: str) -> str:
    """Return the page; parameters as `save_page`."""
    parts = [
        f'<p class="headline">{_headline(report)}</p>',
        *_notes(report),
        "<h2>Verdicts</h2>",
        _table(report),
        "<h2>The statements</h2>",
        *(_explained(finding) for finding in report.findings),
        *_figures(report, tree, traces),
        *_provenance(tree),
    ]
    return html_page(f"flowfa check: {name}", "\n".join(parts))


def _headline(report: Report) -> str:
    """Return the statements by verdict, the worst first."""
    parts = []
    for verdict in reversed(Verdict):
        specs = [escape(finding.spec) for finding in report.findings if finding.verdict is verdict]
        if specs:
            parts.append(f"{_word(verdict)} {', '.join(specs)}")
    return " &ensp; ".join(parts)


def _word(verdict: Verdict) -> str:
    kind = verdict.value.replace(" ", "-")
    return f'<span class="verdict {kind}">{verdict.value}</span>'


def _notes(report: Report) -> Iterable[str]:
    for note in (*report.notes, *([report.evidence] if report.evidence else [])):
        yield f'<p class="small">{escape(note)}</p>'


def _table(report: Report) -> str:
    rows = [
        "<tr><th>statement</th><th>verdict</th><th>margin</th><th>uncertainty</th>"
        "<th>where the margin is least</th></tr>"
    ]
    rows += [
        f"<tr><td>{escape(finding.spec)}</td><td>{_word(finding.verdict)}</td>"
        f'<td class="number">{number(finding.margin)}</td>'
        f'<td class="number">{number(finding.uncertainty)}</td>'
        f"<td>{escape(finding.where)}</td></tr>"
        for finding in report.findings
    ]
    return f'<table class="full">{"".join(rows)}</table>'


def _explained(finding: Finding) -> str:
    counts = ", ".join(f"{count} {word}" for word, count in finding.trajectories.items())
    sentences = [f"{finding.statement}.", f"Trajectories: {counts}."]
    if finding.sentence:
        sentences.append(f"{finding.sentence[0].upper()}{finding.sentence[1:]}.")
    if finding.reason:
        sentences.append(f"Inconclusive: {finding.reason}.")
    if finding.unless is not None:
        sentences.append(f"It does not apply unless {finding.unless}.")
    measured = "".join(f"<li>{escape(str(estimate))}</li>" for estimate in finding.estimates)
    title = f"<h3>{escape(finding.spec)} &ensp; {_word(finding.verdict)}</h3>"
    text = f'{title}<p class="small">{escape(" ".join(sentences))}</p>'
    return text + (f"<ul>{measured}</ul>" if measured else "")


def _figures(report: Report, tree: xr.DataTree, traces: Traces) -> Iterable[str]:
    """Return the sections with figures, each only if there is something to see."""
    rules = list(
        dict.fromkeys(
            trace.rule for of_statement in traces.margins.values() for trace in of_statement
        )
    )
    yield from _section(
        "Margins over time",
        margin_panels(traces.margins),
        "Of each rule the worst trajectory (a violation, else least room), at each time its worst "
        "layer or neuron; "
        "band: uncertainty. Below zero (shaded) a statement fails; it is violated where the whole "
        "band is below. The axis is logarithmic on both sides of zero.",
        rule_lines(rules),
    )
    worst, rates = _worst(tree, traces), _rates(report, traces)
    chosen = (
        "Of each rule one trajectory: the worst in C-1."
        if traces.margins.get("C-1")
        else "Of each rule one trajectory: the first that was checked."
    )
    yield from _section(
        "Conserved quantities",
        invariant_panels(tree, worst),
        f"{chosen} The drift of the quantity of C-1 of each neuron, as stored in the file; most "
        "lines are those that drift most.",
    )
    yield from _section(
        "Loss and its bounds",
        loss_panels(tree, worst, rates),
        f"{chosen} Dotted: the bound of T-1 with the least ratio of the saved times up to each.",
        bound_handles(any(math.isfinite(rates.get(row, math.nan)) for row in worst.values())),
    )
    if alignment_panels(tree):
        figure = draw_sheet(tree, [alignment_panels(tree)])
        yield _illustrated(
            "Alignment",
            image(figure, "alignment of weights and feedback over time"),
            "All trajectories. Dotted: the lower bounds of P-1 (signfa) and L-1 (fa, adafa).",
        )
    yield from _section(
        "Signs of the output weights",
        sign_panels(tree, traces, worst),
        f"{chosen} Orange: positive, blue: negative, white: zero; first output. Neurons above the "
        "line have positive feedback (B or D; under rules whose feedback follows the weights, the "
        "sign at the start).",
    )


def _section(
    title: str, panels: Sequence[Draw], text: str, handles: Sequence[Line2D] = ()
) -> Iterable[str]:
    if panels:
        most = COLUMNS * ROWS
        parts = [panels[first : first + most] for first in range(0, len(panels), most)]
        pictures = [image(draw_grid(part, handles), title) for part in parts]
        yield _illustrated(title, "\n".join(pictures), text)


def _illustrated(title: str, picture: str, text: str) -> str:
    return (
        f'<section class="new-page"><h2>{escape(title)}</h2>'
        f'<p class="small">{escape(text)}</p>{picture}</section>'
    )


def _worst(tree: xr.DataTree, traces: Traces) -> dict[str, int]:
    """Return the trajectory of each rule that the figures show."""
    chosen = {
        trace.rule: trace.trajectory for trace in worst_of_rules(traces.margins.get("C-1", []))
    }
    rules = tree.children["trajectory"].to_dataset()["rule"].values.astype(str)
    for row in sorted(traces.signs):
        chosen.setdefault(str(rules[row]), row)
    order = dict.fromkeys(rules.tolist())
    return {rule: chosen[rule] for rule in order if rule in chosen}


def _rates(report: Report, traces: Traces) -> dict[int, float]:
    """Return mu of P-2 by trajectory, where that statement reports it."""
    for finding in report.findings:
        if finding.spec == "P-2":
            for estimate in finding.estimates:
                if estimate.name == "mu":
                    return dict(zip(sorted(traces.signs), estimate.values, strict=False))
    return {}


def _provenance(tree: xr.DataTree) -> Iterable[str]:
    """Return how the result was made."""
    made = decoded(tree.attrs, "the result")
    words = made.get("argv", [])
    yield '<section class="new-page"><h2>How the result was made</h2>'
    command = shlex.join(["flowfa", *words]) if words else "none, made from Python"
    rows = {"command line": command}
    for name in (
        "created",
        "seed",
        "device",
        "dtype",
        "threads",
        "git_revision",
        "solve_seconds",
        "status",
    ):
        if name in made:
            rows[name.replace("_", " ")] = _plain(made[name])
    for name, number_of_version in made.get("versions", {}).items():
        rows[f"version of {name}"] = str(number_of_version)
    yield _pairs(rows)
    yield "<h3>Configuration</h3>"
    yield _pairs({name: _plain(value) for name, value in made.get("config", {}).items()})
    yield "</section>"


def _plain(value: Any) -> str:
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _pairs(rows: dict[str, str]) -> str:
    cells = "".join(
        f"<tr><td>{escape(name)}</td><td><code>{escape(value)}</code></td></tr>"
        for name, value in rows.items()
    )
    return f'<table class="full">{cells}</table>'
