"""Thousands of random problems against every statement of the theory.

Rules, losses and depths take turns; leaks, biases, widths, kinds of data and of starts, scales and
lengths of runs are drawn with fixed seeds (`theory_checks.strategies`). A false ``violated`` is an
error of flowfa or of the check; of what applies, less than 2 % should be ``inconclusive``.

Run with ``python benchmarks/random_theorems.py [--problems N] [--first N] [--only ID ...]``; one
thread; prints the Markdown tables of docs/random-tests.md, and each violated case as a program.
Ctrl-C ends it early, with the tables of what was done.
Takes about a second for each problem.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import time
from pathlib import Path

import torch
from tqdm import tqdm

from flowfa.allocator import keep_freed_memory
from flowfa.seeds import generator
from theory_checks.base import CHECKS, chosen
from theory_checks.randomised import Case, Tally, cases_of, explain, look_closer
from theory_checks.strategies import DATA_KINDS, RULE_NAMES, START_KINDS, Architecture, Plan, build
from theory_checks.strategies.batches import HORIZONS
from theory_checks.strategies.structure import BIASES, LEAKS, LOSS_OUTPUTS, MOST_WIDTHS, SCALES
from theory_checks.verdict import Verdict

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
    return (
        f"{case.verdict.value} {case.statement} batch {case.problems.origin.split('seed=')[1][:6]} "
        f"network {case.network}: {what}, {case.problems.hidden_layers} hidden, leak "
        f"{case.problems.leak}, solver {case.problems.solver()}; margin {case.outcome.margin:.3g}, "
        f"uncertainty {case.outcome.uncertainty:.3g}, {place}"
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--problems", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first batch")
    parser.add_argument("--only", nargs="*", help="IDs of statements")
    parser.add_argument("--folder", type=Path, help="where smallest problems are saved")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    names = tuple(arguments.only or (n for n in CHECKS.names() if n not in ("record", "C-11")))
    checks = chosen(names)
    tally, begun, failures = Tally(), time.perf_counter(), []
    seconds: dict[str, float] = collections.defaultdict(float)
    bar = tqdm(total=arguments.problems, unit="problem")
    batch = arguments.first
    with contextlib.suppress(KeyboardInterrupt):
        while tally.networks < arguments.problems:
            left = arguments.problems - tally.networks
            problems = build(make_plan(batch, min(NETWORKS, left)))
            at = time.process_time()
            evidence = problems.evidence()
            seconds["integration"] += time.process_time() - at
            for check in checks:
                at = time.process_time()
                try:
                    found = list(cases_of((check,), problems, evidence, look_closer))
                except Exception as error:  # one check's error shall not end the study
                    failures.append(f"{check.spec} batch {batch}: {type(error).__name__}: {error}")
                    tqdm.write(failures[-1])
                    continue
                seconds[check.spec] += time.process_time() - at
                for case in found:
                    tally.add(case)
                    if case.verdict in (Verdict.VIOLATED, Verdict.INCONCLUSIVE):
                        tqdm.write(label(case))
            tally.networks += len(problems)
            bar.update(len(problems))
            batch += 1
    bar.close()
    report(tally, seconds, time.perf_counter() - begun, failures)
    for case in tally.violated[:10]:
        print(explain(case, arguments.folder))


def report(tally: Tally, seconds: dict[str, float], wall: float, failures: list[str]) -> None:
    """Print all tables."""
    print(f"\n{tally.networks} problems, {wall:.0f} s; processor seconds:")
    print(", ".join(f"{name} {amount:.0f}" for name, amount in seconds.items()))
    for division in ("statement", "data", "start", "hidden layers", "rule", "loss", "ended"):
        print(f"\n{tally.table(division)}")
    counts: collections.Counter[Verdict] = collections.Counter()
    for (division, _, verdict), number in tally.counts.items():
        counts[verdict] += number if division == "statement" else 0
    applicable = sum(counts.values()) - counts[Verdict.NOT_APPLICABLE]
    share = counts[Verdict.INCONCLUSIVE] / max(applicable, 1)
    print(f"\n{counts[Verdict.VIOLATED]} violated; {share:.2%} of {applicable} inconclusive;")
    print(f"{tally.again} verdicts were looked at again, at a tenth of the tolerance")
    print("\n".join(failures))


if __name__ == "__main__":
    main()
