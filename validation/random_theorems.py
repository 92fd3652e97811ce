"""Thousands of random problems against every statement of the theory.

Rules, losses and depths take turns; leaks, biases, widths, kinds of data and of starts, scales and
lengths of runs are drawn with fixed seeds (`theory_checks.random_problems`). A false ``violated``
is an error of flowfa or of the check; of what applies, less than 2 % should be ``inconclusive``.

Run with ``python validation/random_theorems.py [--problems N] [--first N] [--only ID ...]``; one
thread; prints the Markdown tables of docs/laboratory/random-tests.md, and each violated case as a
program.
Ctrl-C ends it early, with the tables of what was done. With ``--out FILE`` each finished batch
is a line of FILE (JSON), the same command does those that are not there yet, and
``--table FILE`` prints the tables of what is there; ``--wide`` takes recorded runs of the wide
family instead, judged as ``flowfa check`` does. Takes about a second for each problem.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from tqdm import tqdm

from flowfa.machine.allocator import keep_freed_memory
from flowfa.seeds import generator
from theory_checks.random_problems import (
    DATA_KINDS,
    RULE_NAMES,
    START_KINDS,
    Architecture,
    Plan,
    build,
    wide,
)
from theory_checks.random_problems.batches import HORIZONS
from theory_checks.random_problems.judged import Case, Tally, cases_of, explain, look_closer
from theory_checks.random_problems.structure import BIASES, LEAKS, LOSS_OUTPUTS, MOST_WIDTHS, SCALES
from theory_checks.statements.statement import CHECKS, Check, chosen
from theory_checks.verdicts.verdict import Verdict

NETWORKS = 24
"""In a batch: four kinds of data with six kinds of starts."""
DATA_SCALES = (1.0, 1.0, 0.3, 3.0, 1e-3, 1e3)


def make_plan(number: int, networks: int = NETWORKS) -> Plan:
    """Return the plan of a batch; it depends on its number alone."""
    random = generator(0, "random theorems", number)
    depth = 1 + number % 3
    loss, outputs = LOSS_OUTPUTS[int(random.integers(len(LOSS_OUTPUTS)))]
    # Theorems on convergence and signs speak of scalar outputs: every other batch has one.
    if number % 2:
        loss, outputs = ("exponential", 1) if random.random() < 0.6 else ("logistic", 1)
    leak = float(random.choice(LEAKS))
    kinks = depth > 1 and leak < 1.0
    samples = int(random.integers(2 if loss == "cross-entropy" else 1, 7))
    return Plan(
        seed=number,
        architecture=Architecture(
            tuple(int(random.integers(1, MOST_WIDTHS[depth - 1] + 1)) for _ in range(depth)),
            BIASES[min(int(random.integers(4)) // 2 * int(random.integers(1, 3)), 2)],
            leak,
        ),
        rule=RULE_NAMES[number // 3 % len(RULE_NAMES)],
        scale=float(random.choice(SCALES)),
        loss=loss,
        outputs=outputs,
        samples=samples,
        dim=int(random.integers(1, 9)),
        data=tuple(str(kind) for kind in random.permutation(list(DATA_KINDS))[:4]),
        start=tuple(str(kind) for kind in random.permutation(list(START_KINDS))[:6]),
        data_scale=float(random.choice(DATA_SCALES)),
        horizon=float(random.choice(HORIZONS)),
        smooth_kinks=0.1 if kinks and random.random() < 0.5 else None,
        networks=networks,
    )


def label(case: Case) -> str:
    """Return a line about a case."""
    groups = case.groups()
    place = case.outcome.place
    what = ", ".join(groups[name] for name in ("rule", "loss", "data", "start", "ended"))
    batch = case.problems.origin.partition("seed=")[2].partition(",")[0]
    return (
        f"{case.verdict.value} {case.statement} batch {batch} "
        f"network {case.network}: {what}, {case.problems.hidden_layers} hidden, leak "
        f"{case.problems.leak}, solver {case.problems.solver()}; margin {case.outcome.margin:.3g}, "
        f"uncertainty {case.outcome.uncertainty:.3g}, {place}"
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--problems", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first batch")
    parser.add_argument(
        "--wide", action="store_true", help="recorded runs of `theory_checks.random_problems.wide`"
    )
    parser.add_argument("--only", nargs="*", help="IDs of statements")
    parser.add_argument("--folder", type=Path, help="where smallest problems are saved")
    parser.add_argument("--out", type=Path, help="gets a line for each batch; goes on from there")
    parser.add_argument("--table", type=Path, help="only print the tables of such a file")
    arguments = parser.parse_args()
    if arguments.table is not None:
        kept = read(arguments.table)
        report(kept.tally, kept.seconds, kept.wall, kept.failures)
        return
    torch.set_num_threads(1)
    keep_freed_memory()
    # The flows of the wide family are recorded runs.
    left_out = ("C-11",) if arguments.wide else ("record", "C-11")
    names = tuple(arguments.only or (n for n in CHECKS.names() if n not in left_out))
    checks = chosen(names)
    kept = Kept() if arguments.out is None else read(arguments.out)
    tally, batch = kept.tally, arguments.first
    bar = tqdm(total=arguments.problems, initial=tally.networks, unit="problem")
    with contextlib.suppress(KeyboardInterrupt):
        while tally.networks < arguments.problems:
            if batch in kept.batches:
                batch += 1
                continue
            left = arguments.problems - tally.networks
            if arguments.wide:
                done = study(checks, batch, min(wide.NETWORKS, left), wide.wide_plan)
            else:
                done = study(checks, batch, min(NETWORKS, left))
            if arguments.out is not None:
                with arguments.out.open("a") as stream:
                    stream.write(json.dumps(done.as_line(batch)) + "\n")
            kept.join(done)
            bar.update(done.tally.networks)
            batch += 1
    bar.close()
    report(tally, kept.seconds, kept.wall, kept.failures)
    for case in tally.violated[:10]:
        print(explain(case, arguments.folder))


@dataclass
class Kept:
    """The results of some batches.

    Attributes
    ----------
    tally : Tally
        From a file it has no cases, only their counts.
    seconds : dict of float
        Processor seconds by statement.
    wall : float
        Seconds.
    failures : list of str
        Errors of checks.
    lines : list of str
        A line about each open case.
    batches : set of int
        Their numbers, if they are from a file.
    """

    tally: Tally = field(default_factory=Tally)
    seconds: dict[str, float] = field(default_factory=dict)
    wall: float = 0.0
    failures: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    batches: set[int] = field(default_factory=set)

    def as_line(self, batch: int) -> dict[str, object]:
        """Return what a file keeps of one batch."""
        counts = [[*key[:2], key[2].value, n] for key, n in self.tally.counts.items()]
        return {
            "batch": batch,
            "networks": self.tally.networks,
            "again": self.tally.again,
            "counts": counts,
            "seconds": dict(self.seconds),
            "wall": self.wall,
            "failures": self.failures,
            "open": self.lines,
        }

    def join(self, other: Kept) -> None:
        """Add what other batches gave."""
        self.tally.networks += other.tally.networks
        self.tally.again += other.tally.again
        self.tally.counts.update(other.tally.counts)
        self.tally.open += other.tally.open
        for name, amount in other.seconds.items():
            self.seconds[name] = self.seconds.get(name, 0.0) + amount
        self.wall += other.wall
        self.failures += other.failures
        self.lines += other.lines


def read(path: Path) -> Kept:
    """Return what the finished batches of a file gave; nothing if there is none yet."""
    kept = Kept()
    if not path.exists():
        return kept
    for text in path.read_text().splitlines():
        line = json.loads(text)
        if line["batch"] in kept.batches:
            continue  # two processes did this batch at once, with the same result
        counts = {(a, b, Verdict(verdict)): n for a, b, verdict, n in line["counts"]}
        kept.join(
            Kept(
                Tally(line["networks"], line["again"], collections.Counter(counts)),
                line["seconds"],
                line["wall"],
                line["failures"],
                line["open"],
            )
        )
        kept.batches.add(line["batch"])
    return kept


def study(
    checks: tuple[Check, ...],
    batch: int,
    networks: int,
    plan: Callable[[int, int], Plan] = make_plan,
) -> Kept:
    """Return what one batch gives; of the wide family as ``flowfa check`` finds it."""
    kept, begun = Kept(), time.perf_counter()
    problems = build(plan(batch, networks))
    recorded = plan is wide.wide_plan
    started = time.process_time()
    evidence = wide.recorded_as_by_a_user(problems) if recorded else problems.evidence()
    # Once for all statements.
    _ = evidence.paths
    kept.seconds["integration"] = time.process_time() - started
    for check in checks:
        started = time.process_time()
        try:
            again = None if recorded else look_closer
            cases = list(cases_of((check,), problems, evidence, again, confirm=recorded))
        except Exception as error:  # one check's error shall not end the study
            kept.failures.append(f"{check.spec} batch {batch}: {type(error).__name__}: {error}")
            tqdm.write(kept.failures[-1])
            continue
        kept.seconds[check.spec] = time.process_time() - started
        for case in cases:
            kept.tally.add(case)
            if case.verdict in (Verdict.VIOLATED, Verdict.INCONCLUSIVE):
                kept.lines.append(label(case))
                tqdm.write(kept.lines[-1])
    kept.tally.networks += len(problems)
    kept.wall = time.perf_counter() - begun
    return kept


def report(tally: Tally, seconds: Mapping[str, float], wall: float, failures: list[str]) -> None:
    """Print all tables."""
    print(f"\n{tally.networks} problems, {wall:.0f} s; processor seconds:")
    print(", ".join(f"{name} {amount:.0f}" for name, amount in seconds.items()))
    for division in ("statement", "data", "start", "hidden layers", "rule", "loss", "ended"):
        print(f"\n{tally.table(division)}")
    print(f"\n{shares(tally)}")
    counts: collections.Counter[Verdict] = collections.Counter()
    for (division, _, verdict), number in tally.counts.items():
        counts[verdict] += number if division == "statement" else 0
    applicable = sum(counts.values()) - counts[Verdict.NOT_APPLICABLE]
    share = counts[Verdict.INCONCLUSIVE] / max(applicable, 1)
    print(f"\n{counts[Verdict.VIOLATED]} violated; {share:.2%} of {applicable} inconclusive;")
    print(f"{tally.again} verdicts were looked at again, at a tenth of the tolerance")
    print("\n".join(failures))


def shares(tally: Tally) -> str:
    """Return how much of what applies is inconclusive, by the name of each group."""
    lines = []
    for division in ("start", "hidden layers", "data", "rule", "ended"):
        parts = []
        for group in tally.groups(division):
            numbers = {verdict: tally.count(division, group, verdict) for verdict in Verdict}
            applicable = sum(numbers.values()) - numbers[Verdict.NOT_APPLICABLE]
            share = numbers[Verdict.INCONCLUSIVE] / max(applicable, 1)
            parts.append(f"{group} {share:.1%}")
        lines.append(f"inconclusive by {division}: {', '.join(parts)}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
