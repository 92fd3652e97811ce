"""Problems of ordinary ugliness, as runs that a user makes: few saves, a loose tolerance.

Samples of norms over three decades, features in unlike units, labels that balance; weights of 1e-6
that grow to 1; single neurons; biases; runs that go on long after all has settled. `plans` draws
what theorems are about, and looks at flows closely; these look at recorded runs as ``flowfa check``
does.
"""

from __future__ import annotations

from hypothesis import strategies as st

from flowfa.seeds import generator
from theory_checks.evidence.evidence import Evidence
from theory_checks.random_problems.batches import Plan
from theory_checks.random_problems.data import WIDE_DATA_KINDS
from theory_checks.random_problems.problems import RandomProblems
from theory_checks.random_problems.starting import WIDE_START_KINDS
from theory_checks.random_problems.structure import (
    BIASES,
    LOSS_OUTPUTS,
    RULE_NAMES,
    SCALES,
    Architecture,
)

NETWORKS = 12
"""In a batch: three kinds of data with four kinds of starts."""
LEAKS = (0.0, 0.0, 0.01, 0.1, 0.3, 1.0)
ENDS = (1.0, 10.0, 50.0, 100.0)
"""Lengths of runs."""
RTOL, SAVES = 1e-5, 5
SINGLE = 0.4
"""Share of batches whose networks have one hidden neuron."""
DEEP = 0.2
"""Share of batches whose networks have two hidden layers."""


def wide_plan(number: int, networks: int = NETWORKS) -> Plan:
    """Return the plan of a batch; it depends on its number alone.

    Parameters
    ----------
    number : int
        Not negative. Rules take turns.
    networks : int
    """
    random = generator(0, "wide problems", number)
    loss, outputs = LOSS_OUTPUTS[int(random.integers(len(LOSS_OUTPUTS)))]
    if number // len(RULE_NAMES) % 2:
        # As often the losses of one output that most statements speak of.
        loss, outputs = ("logistic", 1) if random.random() < 0.6 else ("exponential", 1)
    depth = 2 if random.random() < DEEP else 1
    most = 1 if random.random() < SINGLE else 5
    leak = float(random.choice(LEAKS))
    starts = (*WIDE_START_KINDS, "tiny", "normal")
    data = (*WIDE_DATA_KINDS, "gaussian", "whole numbers")
    return Plan(
        seed=number,
        architecture=Architecture(
            tuple(int(random.integers(1, most + 1)) for _ in range(depth)),
            str(random.choice(BIASES)),
            leak,
        ),
        rule=RULE_NAMES[number % len(RULE_NAMES)],
        scale=float(random.choice(SCALES)),
        loss=loss,
        outputs=outputs,
        samples=int(random.integers(2, 13)),
        dim=int(random.integers(1, 5)),
        data=tuple(str(kind) for kind in random.permutation(data)[:3]),
        start=tuple(str(kind) for kind in random.permutation(starts)),
        data_scale=1.0,
        horizon=1.0,
        smooth_kinks=0.1 if depth > 1 and leak < 1.0 else None,
        networks=networks,
        t_end=float(random.choice(ENDS)),
    )


def wide_plans(networks: int = NETWORKS) -> st.SearchStrategy[Plan]:
    """Draw plans by their number; `smallest` makes small what fails."""
    return st.integers(0, 2**16 - 1).map(lambda number: wide_plan(number, networks))


def recorded_as_by_a_user(problems: RandomProblems) -> Evidence:
    """Return evidence on a run with few saves at a loose tolerance, with its record."""
    return problems.recorded(RTOL, SAVES)
