"""Every observable in a file, compared with the file's own weights and with the repeated run.

At snapshots the file has weights, and each observable is what they give, to rounding. How much that
is, is measured: weights changed by a share `Record.rounding` of their row, up and down, change the
observable by so much; where a sample is at a kink, the jump is among it. At other times the run is
repeated.
"""

from __future__ import annotations

import torch
from torch import Tensor

from flowfa.flow.measured import Origin
from flowfa.flow.observable_registry import OBSERVABLES
from flowfa.flow.observables import observe
from theory_checks.evidence.evidence import Evidence
from theory_checks.evidence.networks import Networks
from theory_checks.margins.measurement import Item, Measurement
from theory_checks.statements.conservation.laws import neurons
from theory_checks.statements.eq1_loss_rate import term_sizes

REPEATED = (
    "gradient_norm",
    "update_norm",
    "cosine",
    "accuracy",
    "weight_norm",
    "alignment",
)
"""Observables of the repeated run; loss, loss_rate and conserved have checks of their own."""
DIRECTIONS = 2
"""Ways in which weights are changed, each up and down."""
MOST = 1e300
"""Terms in units of a vector in which they cancel."""
LEAST = 1e-300
"""What is allowed where nothing is left to rounding, so that equal numbers count as equal."""
SEED = 20260801


def in_snapshots(evidence: Evidence) -> tuple[Measurement, ...]:
    """Compare each observable at the snapshots with what the weights there give."""
    assert evidence.record is not None
    record = evidence.record
    values, allowed = _of_weights(evidence)
    when = record.snapshot_time
    index = torch.searchsorted(record.time, when.nan_to_num(0.0).contiguous())
    index = index.clamp(max=len(record.time) - 1)
    # The last state of a trajectory that ended early lies between the recorded times.
    recorded = record.time[index] == when
    measurements = []
    for name, found in values.items():
        stored = record.observables[name].reshape(len(evidence), len(record.time), -1)
        places = index[:, :, None].expand(-1, -1, stored.shape[2])
        wrong = (stored.gather(1, places) - found).abs()
        there = ~(stored.gather(1, places).isnan() & found.isnan())
        there &= recorded[:, :, None] & _is_told(name, allowed[name])
        measurements.append(_measurement(evidence, name, wrong, allowed[name], when, there))
    kappa = record.observables["kappa"][:, None]
    found = -values["conserved"][:, :1]
    wrong, there = (kappa - found).abs(), ~(kappa.isnan() & found.isnan())
    first = allowed["conserved"][:, :1]
    measurements.append(_measurement(evidence, "kappa", wrong, first, when[:, :1], there))
    return tuple(measurements)


def in_repetition(evidence: Evidence) -> tuple[Measurement, ...]:
    """Compare each observable at the other times with that of the run's own rung."""
    assert evidence.record is not None
    record = evidence.record
    index = torch.searchsorted(evidence.times, record.time)
    names = [*REPEATED, *_asked_for(evidence)]

    def together(networks: Networks) -> Tensor:
        measured = _observed(networks, names)
        return torch.cat([_as_items(measured[name]) for name in names], 1)

    def with_terms(networks: Networks) -> Tensor:
        values = together(networks)
        return torch.cat([values, _terms(networks, values, names)], 1)

    on_run_rung, size = evidence.values(with_terms, evidence.run_rung)[:, index].chunk(2, 2)
    last = evidence.run_rung == len(evidence.paths) - 1
    other = evidence.values(together, -2 if last else -1)[:, index]
    error = 2.0 * (on_run_rung - other).abs().nan_to_num(0.0).cummax(1).values
    allowed = error + record.rounding * size.nan_to_num(0.0).cummax(1).values
    snapshots = (record.snapshot_time[:, None] == record.time[None, :, None]).any(2)
    free = (record.time <= evidence.reached[:, None]) & ~snapshots
    when = record.time.expand(len(evidence), -1)
    measurements, begin = [], 0
    for name in names:
        stored = record.observables[name].reshape(len(evidence), len(record.time), -1)
        part = slice(begin, begin + stored.shape[2])
        begin = part.stop
        found = on_run_rung[:, :, part]
        there = free[:, :, None] & ~(stored.isnan() & found.isnan())
        there &= _is_told(name, allowed[:, :, part])
        wrong = (stored - found).abs()
        measurements.append(_measurement(evidence, name, wrong, allowed[:, :, part], when, there))
    return tuple(measurements)


def _terms(networks: Networks, values: Tensor, names: list[str]) -> Tensor:
    """Return the size of what each value is computed from, of which rounding is a share.

    Gradient and update are means over samples, in which almost everything may cancel; then their
    angle is rounding's.
    """
    sizes = values.abs()
    of_gradient, of_update = term_sizes(networks)
    gradient, update = (values[:, names.index(name)] for name in ("gradient_norm", "update_norm"))
    sizes[:, names.index("gradient_norm")] = of_gradient
    sizes[:, names.index("update_norm")] = of_update
    sizes[:, names.index("cosine")] = 1.0 + _in_norms(of_gradient, gradient)
    sizes[:, names.index("cosine")] += _in_norms(of_update, update)
    return sizes


def _in_norms(terms: Tensor, norm: Tensor) -> Tensor:
    """Return how many times larger the terms of a vector are than it is."""
    return (terms / norm).nan_to_num(MOST).clamp_max(MOST)


def _is_told(name: str, allowed: Tensor) -> Tensor:
    """Return where a value says anything: no angle of a vector that is rounding."""
    return allowed < 1.0 if name == "cosine" else torch.ones_like(allowed, dtype=torch.bool)


def _measurement(
    evidence: Evidence, name: str, wrong: Tensor, allowed: Tensor, when: Tensor, valid: Tensor
) -> Measurement:
    # What is exactly 0 leaves no room for rounding: equal it is all the same.
    allowed = allowed + LEAST
    return Measurement(
        2.0 * allowed - wrong,
        allowed,
        torch.zeros_like(wrong),
        when[:, :, None].expand_as(wrong),
        valid,
        _items(evidence, wrong.shape[2]),
        f"{name} in the file",
    )


def _items(evidence: Evidence, count: int) -> tuple[Item, ...]:
    """Return what an observable has values of, told by how many it has."""
    if count == 1:
        return (Item(),)
    if count == evidence.flow.layout.layers:
        return tuple(Item(layer) for layer in range(1, count + 1))
    if count == evidence.flow.layout.hidden_neurons:
        return neurons(evidence)
    return (Item(),) * count


def _of_weights(evidence: Evidence) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return what the weights at the snapshots give, by name, and what is left to rounding.

    Each (trajectory, snapshot, item).
    """
    assert evidence.record is not None
    record = evidence.record
    names = [*REPEATED, "loss", "loss_rate", "conserved", *_asked_for(evidence)]
    shape = record.snapshot_time.shape
    rows = torch.arange(shape[0]).repeat_interleave(shape[1])
    field = evidence.field.select(rows)
    states, outside = record.states.flatten(0, 1), record.outside_norm2.flatten(0, 1)
    sizes = _sizes(evidence, record.states).flatten(0, 1)

    def measured(change: Tensor, change_outside: Tensor) -> dict[str, Tensor]:
        networks = Networks(
            field,
            states + sizes * change,
            outside * (1.0 + change_outside),
            record.snapshot_time.flatten(),
            evidence.initial[evidence.rows][rows],
        )
        with torch.no_grad():
            found = _observed(networks, names)
        # The accuracy of weights that are no numbers would be one.
        unknown = states.isnan().any(1)
        for name in names:
            found[name][unknown] = torch.nan
        by_snapshot = {name: _as_items(found[name]).unflatten(0, shape) for name in names}
        return by_snapshot | {"conservation_drift": _drift(evidence, by_snapshot["conserved"])}

    none = torch.zeros(())
    values = measured(none, none)
    spread = {name: torch.zeros_like(value) for name, value in values.items()}
    generator = torch.Generator().manual_seed(SEED)
    for _ in range(DIRECTIONS):
        of_states = record.rounding * _signs(states, generator)
        of_outside = record.rounding * _signs(outside, generator)
        for sign in (1.0, -1.0):
            changed = measured(sign * of_states, sign * of_outside)
            for name, value in changed.items():
                change = (value - values[name]).abs().nan_to_num(0.0)
                spread[name] = torch.maximum(spread[name], change)
    allowed = {
        name: 2.0 * spread[name] + record.rounding * value.abs().nan_to_num(0.0)
        for name, value in values.items()
    }
    of_gradient, of_update = (
        size.unflatten(0, shape)[:, :, None]
        for size in term_sizes(Networks(field, states, outside, record.snapshot_time.flatten()))
    )
    of_gradient, of_update = record.rounding * of_gradient, record.rounding * of_update
    allowed["gradient_norm"] = allowed["gradient_norm"] + of_gradient
    allowed["update_norm"] = allowed["update_norm"] + of_update
    # The error of a product, of which both factors may be rounding.
    allowed["loss_rate"] = allowed["loss_rate"] + (
        of_gradient * values["update_norm"]
        + of_update * values["gradient_norm"]
        + of_gradient * of_update
    )
    allowed["cosine"] = allowed["cosine"] + (
        _in_norms(of_gradient, values["gradient_norm"])
        + _in_norms(of_update, values["update_norm"])
    )
    # The largest of differences moves by as much as any of them.
    of_invariants = allowed["conserved"] + allowed["conserved"][:, :1]
    allowed["conservation_drift"] = _by_layer(evidence, of_invariants).nan_to_num(0.0)
    return values, allowed


def _sizes(evidence: Evidence, states: Tensor) -> Tensor:
    """Return of each weight the size of the largest of its row so far, as `states`.

    A row that has come down to zero keeps the rounding of what it was.
    """
    layout = evidence.flow.layout
    rows = {
        name: view.abs().amax(-1, keepdim=True).expand_as(view) if name[0] == "W" else view.abs()
        for name, view in layout.views(states.flatten(0, 1)).items()
    }
    return layout.pack(rows).unflatten(0, states.shape[:2]).nan_to_num(0.0).cummax(1).values


def _observed(networks: Networks, names: list[str]) -> dict[str, Tensor]:
    observables = tuple(OBSERVABLES.get(name) for name in names if name in OBSERVABLES.names())
    origin = None if networks.start is None else Origin(networks.start)
    return observe(networks.field, networks.state, networks.outside_norm2, observables, origin)


def _as_items(values: Tensor) -> Tensor:
    return values.reshape(len(values), -1)


def _asked_for(evidence: Evidence) -> list[str]:
    """Return the observables in the file that are known here beside those of every run."""
    assert evidence.record is not None
    return [name for name in OBSERVABLES.names() if name in evidence.record.observables]


def _drift(evidence: Evidence, conserved: Tensor) -> Tensor:
    """Return the largest change among the neurons of each layer since the first snapshot."""
    return _by_layer(evidence, (conserved - conserved[:, :1]).abs())


def _by_layer(evidence: Evidence, of_neurons: Tensor) -> Tensor:
    """Return the largest among the neurons of each layer; NaN in the output layer."""
    hidden = list(evidence.flow.layout.sizes[1:-1])
    columns = [part.amax(2) for part in of_neurons.split(hidden, 2)]
    return torch.stack([*columns, torch.full_like(columns[0], torch.nan)], 2)


def _signs(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randint(0, 2, like.shape, generator=generator).to(like.dtype) * 2.0 - 1.0
