"""Whether a result file is what its own configuration gives: weights and every observable.

Dense states are integrated anew from the stored start. They speak for the file only if they pass
through what it holds; a file that was changed afterwards
fails here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

import flowfa
from theory_checks.controls.control import Control
from theory_checks.evidence.evidence import Evidence
from theory_checks.evidence.from_run import evidence_of_run
from theory_checks.evidence.networks import Networks, Quantity
from theory_checks.margins.measurement import Hypothesis, Item, Measurement
from theory_checks.statements.conservation.laws import in_norms, neurons
from theory_checks.statements.eq1_loss_rate import mean_loss
from theory_checks.statements.recorded import in_repetition, in_snapshots
from theory_checks.statements.statement import register


@register
class Reproduction:
    """What the file holds is of the trajectory that starts where the file says."""

    spec: ClassVar[str] = "record"
    statement: ClassVar[str] = (
        "the weights and observables in the file are those that its start and configuration give"
    )
    reading: ClassVar[str] = "margin = 2 x uncertainty - difference (of weights the Frobenius norm)"

    def hypotheses(self, evidence: Evidence) -> tuple[Hypothesis, ...]:
        """Assume a file, or a run in memory that has all that a file has."""
        recorded = evidence.for_all(evidence.record is not None)
        return (Hypothesis.of("record", "there is a record", recorded),)

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """Return how much room the differences leave: of each stored state, loss and invariant."""
        assert evidence.record is not None
        on_run_rung, finest = evidence.paths[evidence.run_rung].states, evidence.paths[-1].states
        layout = evidence.flow.layout
        layers = range(1, layout.layers + 1)
        items = [Item(layer) for layer in layers]
        # Of feedback that moves the item is the layer that it stands in for, or feeds.
        items += [Item(int(re.sub(r"\D", "", name) or 0)) for name in layout.moving]
        names = [*(f"W{layer}" for layer in layers), *layout.moving]

        # Rules that keep their feedback have zeros in the place of what another one moves.
        moved = torch.ones(len(evidence), len(names), dtype=torch.bool)
        for column, name in enumerate(layout.moving, start=layout.layers):
            moved[:, column] = torch.from_numpy(evidence.flow.moves(name))[evidence.rows]

        def norms(states: Tensor) -> Tensor:
            views = layout.views(states.flatten(0, 1))
            by_name = [views[name].flatten(1).norm(dim=1) for name in names]
            return torch.stack(by_name, 1).unflatten(0, states.shape[:2])

        other = (
            evidence.paths[-2].states if evidence.run_rung == len(evidence.paths) - 1 else finest
        )
        error = 2.0 * norms(on_run_rung - other).cummax(1).values
        when = evidence.record.snapshot_time
        index = torch.searchsorted(evidence.times, when.nan_to_num(0.0).contiguous(), right=True)
        index = index - 1
        column = index[:, :, None]
        states = on_run_rung.gather(1, column.expand(-1, -1, on_run_rung.shape[2]))
        wrong = norms(evidence.record.states - states)
        allowed = error.gather(1, column.expand(-1, -1, len(names)))
        allowed = allowed + evidence.record.rounding * norms(states)
        # The last state of a trajectory that ended early lies between the times of the mesh.
        on_mesh = evidence.times[index] == when
        return (
            Measurement(
                2.0 * allowed - wrong,
                allowed,
                torch.zeros_like(wrong),
                when[:, :, None].expand_as(wrong),
                on_mesh[:, :, None] & moved[:, None],
                tuple(items),
                "weights in the file",
            ),
            _observed(evidence, "loss", mean_loss, (Item(),)),
            _observed(evidence, "conserved", invariants, neurons(evidence), in_norms),
            *in_snapshots(evidence),
            *in_repetition(evidence),
        )

    def controls(self) -> Mapping[str, Control]:
        """Return files that were changed afterwards."""
        return {
            "a feedback matrix replaced": _replaced("weights", "B2"),
            "weights replaced": _replaced("weights", "W1"),
            "moving feedback replaced": _replaced("weights", "moving_B2", "weight-mirror"),
            "losses replaced": _replaced("trajectory", "loss"),
            "accuracies replaced": _replaced("trajectory", "accuracy"),
            "invariants replaced": _replaced("neurons", "conserved"),
            "kappa replaced": _replaced("neurons", "kappa"),
            "alignment replaced": _replaced("trajectory", "alignment"),
        }


def invariants(networks: Networks) -> Tensor:
    """Return C of each hidden neuron as flowfa records it, (row, hidden neuron)."""
    return networks.conserved()


def _observed(
    evidence: Evidence,
    name: str,
    quantity: Quantity,
    items: tuple[Item, ...],
    size: Quantity | None = None,
) -> Measurement:
    """Compare a number in the file, continuous in time, with that of the run's own rung.

    `size` is how large its terms are, by default it is that itself.
    """
    assert evidence.record is not None
    stored = evidence.record.observables[name].reshape(len(evidence), -1, len(items))
    index = torch.searchsorted(evidence.times, evidence.record.time)
    on_run_rung = evidence.values(quantity, evidence.run_rung)[:, index]
    last = evidence.run_rung == len(evidence.paths) - 1
    other = evidence.values(quantity, -2 if last else -1)[:, index]
    terms = on_run_rung if size is None else evidence.values(size, evidence.run_rung)[:, index]
    # Rounding of one neuron's invariant is that of the largest it was computed beside.
    rounding = evidence.record.rounding * terms.abs().amax(2, keepdim=True)
    allowed = (2.0 * (on_run_rung - other).abs() + rounding).cummax(1).values
    wrong = (stored - on_run_rung).abs()
    reached = evidence.record.time <= evidence.reached[:, None]
    return Measurement(
        2.0 * allowed - wrong,
        allowed,
        torch.zeros_like(wrong),
        evidence.record.time[None, :, None].expand_as(wrong),
        # Rules without a law record none.
        reached[:, :, None] & ~on_run_rung[:, :1].isnan(),
        items,
        f"{name} in the file",
    )


def _replaced(group: str, name: str, rule: str = "fa") -> Control:
    """Return evidence from a run in which numbers, but for the start, were multiplied by 1.1."""

    def control() -> Evidence:
        data = flowfa.datasets.orthogonally_separable(samples=5, dim=4, seed=0)
        problem = flowfa.Problem(data, (4, 3), rule=rule)
        run = flowfa.simulate(problem, 1, t_end=2.0, save=11, solver="dopri5", rtol=1e-4)
        numbers = run.tree.children[group].to_dataset()[name]
        factor = np.full(numbers.shape, 1.1)
        if {"snapshot", "time"} & set(numbers.dims):
            factor[:, 0] = 1.0
        run.tree[group] = run.tree.children[group].assign({name: numbers * factor})
        return evidence_of_run(run)

    return control
