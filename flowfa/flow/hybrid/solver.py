"""The hybrid solver: one-hidden-layer flows through kinks and sliding modes, exactly.

Neurons talk to each other only through the residual signals r(t). A step guesses r as a quadratic
in time, moves every neuron exactly under it (`neuron`), computes r anew at the Gauss nodes, and
repeats until it no longer changes. Each call of `advance` is one such sweep of every working
trajectory; trajectories accept steps independently.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import torch
from torch import Tensor

from flowfa.errors import InputError
from flowfa.flow.base import Field
from flowfa.flow.controller import Tolerance
from flowfa.flow.field import NetworkField
from flowfa.flow.hybrid.geometry import Surfaces, find_surfaces
from flowfa.flow.hybrid.network import (
    Feedback,
    augmented_inputs,
    feedback_of,
    in_weights,
    network,
    pack,
    sample_preactivations,
)
from flowfa.flow.hybrid.neuron import OWN
from flowfa.flow.hybrid.rows import sweep_rows
from flowfa.flow.hybrid.signals import (
    NODES,
    STEP_TIMES,
    TO_MONOMIAL,
    drive_polynomials,
    feedback_at_nodes,
    integrals,
    surface_signals,
    to_polynomial,
    values,
)
from flowfa.flow.integration import (
    ERROR_ESTIMATE,
    EVENT_COUNTERS,
    Integration,
    SaveCallback,
    merge_states,
)
from flowfa.flow.status import Status
from flowfa.problems.activation import leaky_relu

MOST_THREADS = numba.get_num_threads()
"""Threads that numba has, before anyone asks for fewer."""
LOCAL = 0.2
"""Share of the defect's effect that counts as the error of a step."""
CONVERGED = 0.3
"""A sweep that changes less than this share of the tolerance ends the iteration."""
STALLED = 0.8
"""A sweep that shrinks the change by less than this ends the trial."""
SWEEPS = 25
"""Sweeps after which a trial has not converged."""
GROWTH = 2.0
"""Greatest growth of a step."""
FINEST = 1e-10
"""Finest tolerance that the signals' rounding lets the iteration reach."""


@dataclass(frozen=True)
class Path:
    """What a sweep finds: the exact paths of all neurons under given signals.

    Attributes
    ----------
    zeta, v : Tensor
        At the asked times, (trajectory, time, neuron, surface or output).
    Y : Tensor
        Integrals of the drives u, (trajectory, time, neuron, surface).
    zeta_end, modes, signs : Tensor
        At the end of the step, (trajectory, neuron, surface or output).
    row_counts, row_sound : Tensor
        Event counts (trajectory, neuron, 5), and whether the neuron reached the end.
    """

    zeta: Tensor
    v: Tensor
    Y: Tensor
    zeta_end: Tensor
    modes: Tensor
    signs: Tensor
    row_counts: Tensor
    row_sound: Tensor

    @property
    def sound(self) -> Tensor:
        """Whether every neuron of a trajectory reached the end, (trajectory,)."""
        return self.row_sound.all(1)

    @property
    def counts(self) -> Tensor:
        """Event counts of each trajectory, (trajectory, 5)."""
        return self.row_counts.sum(1)


class HybridSolver:
    """Integrates one-hidden-layer networks through kinks and sliding modes.

    Parameters
    ----------
    tolerance : Tolerance
        Only ``rtol`` is used: the error is measured against the largest preactivation or
        out-weight of the start.
    max_steps : int
        Trial steps after which a trajectory ends with `Status.MAX_STEPS`.

    Raises
    ------
    InputError
        If the tolerance is finer than `FINEST`.
    """

    name = "hybrid"

    def __init__(self, tolerance: Tolerance, max_steps: int) -> None:
        if tolerance.rtol < FINEST:
            raise InputError(
                f"rtol {tolerance.rtol:g} is finer than the hybrid solver reaches ({FINEST:g}): "
                "loosen --rtol, or take --solver dop853 where the flow is smooth"
            )
        self.tolerance = tolerance.rtol
        self.max_steps = max_steps
        # Derived from the field alone, and kept because merging samples takes time.
        self._known: tuple[Tensor, Surfaces] | None = None

    def start(self, field: Field, run: Integration) -> None:
        """Find the surfaces and modes at time 0, and guess constant residual signals."""
        net = network(field)
        if net.inputs.dtype != torch.float64:
            raise InputError("the hybrid solver needs float64: leave out --dtype")
        feedback_of(net)  # refuses rules that it does not know before anything is done
        surfaces = self._surfaces(net)
        memory = run.memory
        del memory["velocity"]
        for name in (*EVENT_COUNTERS, ERROR_ESTIMATE):
            run.counters[name][run.working.numpy()] = 0
        first = in_weights(net, memory["state"])
        v = net.layout.views(memory["state"])["W2"].transpose(1, 2).contiguous()
        directions = torch.tensor(surfaces.directions, device=first.device)
        zeta = first @ directions.transpose(1, 2)
        # A start exactly on a surface takes slope alpha, torch's convention.
        memory["modes"] = torch.where(zeta > 0, 1, -1).to(torch.int8)
        memory["signs"] = torch.where(v >= 0, v.new_tensor(1.0), v.new_tensor(-1.0))
        memory["zeta"] = zeta
        signal = self._residuals(net, surfaces, zeta[:, None], v[:, None], self._bias(net, run))
        memory["signals"] = signal.repeat(1, 3, 1, 1)
        memory["polynomial"] = to_polynomial(memory["signals"])
        memory["v_nodes"] = v[:, None].repeat(1, 3, 1, 1)
        biggest = torch.maximum(zeta.abs().amax((1, 2)), v.abs().amax((1, 2)))
        memory["scale"] = biggest.clamp_min(torch.finfo(v.dtype).tiny)
        # A step in which the signals alone would move the output weights by a tenth.
        rate = signal.abs().sum((1, 2, 3)) * memory["scale"].clamp_min(1.0)
        memory["step"] = (0.1 * memory["scale"] / rate.clamp_min(1e-300)).clamp_max(run.end / 4.0)
        for name in ("trials", "sweeps", "rejected_last"):
            memory[name] = torch.zeros(len(v), dtype=torch.int64, device=v.device)
        memory["last_change"] = torch.full_like(memory["step"], torch.inf)
        memory["polynomial_step"] = memory["step"].clone()

    def advance(self, field: Field, run: Integration, save: SaveCallback) -> None:
        """Make one sweep of each working trajectory; see `flowfa.flow.integration.Solver`."""
        net = network(field)
        surfaces, feedback = self._surfaces(net), feedback_of(net)
        memory = run.memory
        time, end = memory["time"], run.end
        reaches_end = time + memory["step"] * (1.0 + 1e-10) >= end
        size = torch.where(reaches_end, end - time, memory["step"])
        path = self._sweep(net, surfaces, feedback, run, size, STEP_TIMES, 3)
        run.count("evaluations", 1)
        memory["sweeps"] += 1
        polynomial = to_polynomial(memory["signals"])
        taus = torch.tensor(STEP_TIMES, device=time.device).expand(len(time), 4)
        bias = self._bias(net, run)
        if bias is not None:
            moved = integrals(polynomial.sum(2, keepdim=True), taus).squeeze(2)
            bias = bias[:, None] + size[:, None, None] * moved
        found = self._residuals(net, surfaces, path.zeta, path.v, bias)
        unit = self._unit(surfaces, feedback, memory, size)
        change = (found[:, :3] - memory["signals"]).abs().sum(3).amax((1, 2)) * unit
        at_end = values(polynomial, taus[:, 3:])[:, 0]
        error = (found[:, 3] - at_end).abs().sum(2).amax(1) * unit
        # Under gd the out-weights are part of the guess: a wrong v counts through v . r.
        own = torch.where(feedback.kind == OWN, found.abs().sum(3).amax((1, 2)), 0.0)
        by_weight = own * LOCAL * size * self._scale(surfaces) / (memory["scale"] * self.tolerance)
        change = change + by_weight * (path.v[:, :3] - memory["v_nodes"]).abs().sum(3).amax((1, 2))
        v_at_end = values(to_polynomial(memory["v_nodes"]), taus[:, 3:])[:, 0]
        error = error + by_weight * (path.v[:, 3] - v_at_end).abs().sum(2).amax(1)
        sound = path.sound & change.isfinite() & error.isfinite()
        converged = sound & (change <= CONVERGED)
        contraction = change / memory["last_change"]
        hopeless = (memory["sweeps"] > 2) & (contraction > STALLED)
        stopped = ~sound | (~converged & (hopeless | (memory["sweeps"] >= SWEEPS)))
        accepted = converged & (error <= 1.0)
        rejected = (converged & ~accepted) | stopped
        if accepted.any():
            self._save(net, surfaces, feedback, run, size, reaches_end, accepted, save)
            self._accept(net, surfaces, run, path, size, reaches_end, accepted, bias)
        going_on = ~(accepted | rejected)
        memory["signals"] = merge_states(going_on, found[:, :3], memory["signals"])
        memory["v_nodes"] = merge_states(going_on, path.v[:, :3], memory["v_nodes"])
        memory["last_change"] = torch.where(going_on, change, torch.inf)
        self._next_trial(run, size, accepted, rejected, stopped, error, contraction, polynomial)
        run.count("steps", accepted)
        run.count("rejected", rejected)
        run.count(ERROR_ESTIMATE, torch.where(accepted, error * self.tolerance, 0.0))
        for place, name in enumerate(EVENT_COUNTERS):
            run.count(name, torch.where(accepted, path.counts[:, place], 0))
        self._retire(run, ~path.sound)

    def _surfaces(self, net: NetworkField) -> Surfaces:
        """Return the surfaces of the field's data; the same for as long as the data are."""
        if self._known is None or self._known[0] is not net.inputs:
            self._known = (net.inputs, find_surfaces(augmented_inputs(net)))
        return self._known[1]

    def _sweep(
        self,
        net: NetworkField,
        surfaces: Surfaces,
        feedback: Feedback,
        run: Integration,
        size: Tensor,
        times: np.ndarray,
        first_integral: int,
    ) -> Path:
        """Move every neuron through the step under the present signals."""
        memory = run.memory
        signals, zeta, modes = memory["signals"], memory["zeta"], memory["modes"]
        R, L = surface_signals(signals, surfaces, net.leak)
        own = feedback_at_nodes(feedback, memory["v_nodes"], memory["signs"])
        G = drive_polynomials(own, R)
        # Of two Python numbers torch.where would make float32.
        slope = torch.where(modes > 0, G.new_tensor(1.0), G.new_tensor(net.leak))[:, :, None]
        if surfaces.merged:
            H = drive_polynomials(own, L)
            drive = slope * G + H
        else:
            H = torch.zeros_like(G)
            drive = slope * G
        # Sliding surfaces get their part from the condition that they slide.
        drive.masked_fill_((modes == 0)[:, :, None], 0.0)
        gram = torch.tensor(surfaces.gram, device=G.device)
        moved = drive @ gram[:, None] if len(gram) > 1 else drive @ gram[0]
        A, m, P = zeta.shape
        C, T = signals.shape[3], len(times)
        path = Path(
            zeta=G.new_empty(A, T, m, P),
            v=G.new_empty(A, T, m, C),
            Y=G.new_empty(A, T - first_integral, m, P),
            zeta_end=zeta.clone(),
            modes=modes.clone(),
            signs=memory["signs"].clone(),
            row_counts=torch.zeros(A, m, 5, dtype=torch.int64),
            row_sound=torch.zeros(A, m, dtype=torch.bool),
        )
        # A copy in any case: rows move it to the end of the step.
        v = net.layout.views(memory["state"])["W2"].transpose(1, 2)
        v = v.clone(memory_format=torch.contiguous_format)
        numba.set_num_threads(min(torch.get_num_threads(), MOST_THREADS))
        sweep_rows(
            surfaces.gram,
            surfaces.scale,
            net.leak,
            size.numpy(),
            feedback.kind.numpy(),
            feedback.matrix.contiguous().numpy(),
            R.contiguous().numpy(),
            L.contiguous().numpy(),
            to_polynomial(R).contiguous().numpy(),
            to_polynomial(L).contiguous().numpy(),
            TO_MONOMIAL,
            G.numpy(),
            H.numpy(),
            drive.numpy(),
            moved.contiguous().numpy(),
            path.zeta_end.numpy(),
            v.numpy(),
            path.modes.numpy(),
            path.signs.numpy(),
            times,
            first_integral,
            path.zeta.numpy(),
            path.v.numpy(),
            path.Y.numpy(),
            path.row_counts.numpy(),
            path.row_sound.numpy(),
        )
        return path

    def _residuals(
        self,
        net: NetworkField,
        surfaces: Surfaces,
        zeta: Tensor,
        v: Tensor,
        bias: Tensor | None,
    ) -> Tensor:
        """Return r, (trajectory, time, sample, output), of zeta and v (trajectory, time, ...)."""
        hidden = leaky_relu(sample_preactivations(zeta, surfaces), net.leak)
        output = v.transpose(2, 3) @ hidden
        if bias is not None:
            output = output + (bias if bias.ndim == 3 else bias[:, None])[..., None]
        targets = net.targets if net.targets.ndim == 2 else net.targets[:, None]
        return (net.loss.derivative(output, targets) / -net.samples).transpose(2, 3)

    @staticmethod
    def _bias(net: NetworkField, run: Integration) -> Tensor | None:
        """Return the output layer's bias, (trajectory, output), or None."""
        return net.layout.views(run.memory["state"]).get("c2")

    def _unit(
        self, surfaces: Surfaces, feedback: Feedback, memory: dict[str, Tensor], size: Tensor
    ) -> Tensor:
        """Return the factor from a change of the signals to the scaled error of a step."""
        v = memory["v_nodes"][:, 0].abs().sum(2)
        fixed = feedback.matrix.abs().sum(2)
        own = (feedback.kind == OWN)[:, None]
        strength = torch.where(own, v, fixed).amax(1)
        return LOCAL * size * strength * self._scale(surfaces) / (memory["scale"] * self.tolerance)

    @staticmethod
    def _scale(surfaces: Surfaces) -> Tensor:
        """Return the largest squared norm of a surface's direction, (set,)."""
        return torch.tensor(surfaces.scale)

    def _states(
        self,
        net: NetworkField,
        surfaces: Surfaces,
        run: Integration,
        Y: Tensor,
        v: Tensor,
        bias: Tensor | None,
    ) -> Tensor:
        """Return flat states after the drives' integrals Y, (trajectory, parameter)."""
        directions = torch.tensor(surfaces.directions, device=Y.device)
        return pack(net, in_weights(net, run.memory["state"]) + Y @ directions, v, bias)

    def _accept(
        self,
        net: NetworkField,
        surfaces: Surfaces,
        run: Integration,
        path: Path,
        size: Tensor,
        reaches_end: Tensor,
        accepted: Tensor,
        bias: Tensor | None,
    ) -> None:
        """Move accepted trajectories to the end of their step."""
        memory = run.memory
        last = None if bias is None else bias[:, -1]
        after = self._states(net, surfaces, run, path.Y[:, -1], path.v[:, -1], last)
        memory["state"] = merge_states(accepted, after, memory["state"])
        arrived = torch.where(reaches_end, run.end, memory["time"] + size)
        memory["time"] = torch.where(accepted, arrived, memory["time"])
        directions = torch.tensor(surfaces.directions, device=after.device)
        zeta = in_weights(net, memory["state"]) @ directions.transpose(1, 2)
        # Computed anew from W, but zeros and signs are those of the exact path.
        zeta = torch.where((path.modes == 0) | (path.zeta_end == 0.0), 0.0, zeta)
        zeta = torch.where(zeta * path.modes < 0.0, 0.0, zeta)
        memory["zeta"] = merge_states(accepted, zeta, memory["zeta"])
        memory["modes"] = merge_states(accepted, path.modes, memory["modes"])
        memory["signs"] = merge_states(accepted, path.signs, memory["signs"])

    def _save(
        self,
        net: NetworkField,
        surfaces: Surfaces,
        feedback: Feedback,
        run: Integration,
        size: Tensor,
        reaches_end: Tensor,
        accepted: Tensor,
        save: SaveCallback,
    ) -> None:
        """Save accepted trajectories at the requested times within their step, exactly."""
        memory = run.memory
        arrived = torch.where(reaches_end, run.end, memory["time"] + size)
        times = run.save_times
        for position in accepted.nonzero().flatten().tolist():
            row = int(run.working[position])
            first = int(run.next_save[row])
            passed = int(torch.searchsorted(times, arrived[position], right=True))
            if passed <= first:
                continue
            run.next_save[row] = passed
            one = torch.tensor([position])
            alone = run.alone(one)
            taus = ((times[first:passed] - memory["time"][position]) / size[position]).clamp(0, 1)
            path = self._sweep(
                net.select(one),
                surfaces.select(one.numpy()),
                Feedback(feedback.kind[one], feedback.matrix[one]),
                alone,
                size[one],
                np.append(taus.numpy(), 1.0),
                0,
            )
            count = passed - first
            bias = self._bias(net, run)
            if bias is not None:
                polynomial = to_polynomial(alone.memory["signals"]).sum(2, keepdim=True)
                moved = integrals(polynomial, taus[None]).squeeze(2)[0]
                bias = bias[position] + size[position] * moved
            before = in_weights(net, memory["state"][one])
            directions = torch.tensor(surfaces.select(one.numpy()).directions)
            first_layer = before + path.Y[0, :count] @ directions
            states = pack(net, first_layer, path.v[0, :count], bias)
            saves = torch.arange(first, passed)
            save(run.working[one].repeat(count), saves, states)

    def _next_trial(
        self,
        run: Integration,
        size: Tensor,
        accepted: Tensor,
        rejected: Tensor,
        stopped: Tensor,
        error: Tensor,
        contraction: Tensor,
        polynomial: Tensor,
    ) -> None:
        """Choose the next steps and guess their signals, for trajectories that begin a trial."""
        memory = run.memory
        by_error = (0.9 * torch.exp(-0.5 * error.clamp(1e-12, 1e12).log())).clamp(0.3, GROWTH)
        growth = torch.where(memory["rejected_last"] > 0, by_error.clamp_max(1.0), by_error)
        shrink = (0.25 / contraction.nan_to_num(1.0, 1.0, 1.0).clamp_min(1e-3)).clamp(0.15, 0.5)
        factor = torch.where(
            accepted, growth, torch.where(stopped, shrink, by_error.clamp_max(0.9))
        )
        begins = accepted | rejected
        memory["step"] = torch.where(begins, size * factor, memory["step"])
        memory["polynomial"] = merge_states(accepted, polynomial, memory["polynomial"])
        memory["polynomial_step"] = torch.where(accepted, size, memory["polynomial_step"])
        # A rejected step begins where the last accepted quadratic ends, as a new one does.
        at_rest = memory["trials"] == 0
        nodes = torch.tensor(NODES, device=size.device)
        ahead = 1.0 + nodes * (memory["step"] / memory["polynomial_step"])[:, None]
        ahead = torch.where((at_rest & ~accepted)[:, None], 0.0, ahead)
        guess = values(memory["polynomial"], ahead)
        memory["signals"] = merge_states(begins, guess, memory["signals"])
        memory["rejected_last"] = torch.where(begins, rejected.long(), memory["rejected_last"])
        memory["sweeps"] = torch.where(begins, 0, memory["sweeps"])
        memory["trials"] += accepted

    def _retire(self, run: Integration, storm: Tensor) -> None:
        memory = run.memory
        leaving: dict[int, tuple[Status, str]] = {}
        rows = run.working.numpy()
        tried = run.counters["steps"][rows] + run.counters["rejected"][rows]
        for position in np.flatnonzero(tried >= self.max_steps).tolist():
            reached = float(memory["time"][position])
            leaving[position] = (
                Status.MAX_STEPS,
                f"{self.max_steps} trials took it to {reached:g}",
            )
        resolution = 16.0 * torch.finfo(memory["time"].dtype).eps * memory["time"].clamp_min(1e-290)
        for position in (memory["step"] <= resolution).nonzero().flatten().tolist():
            place = f"at t = {float(memory['time'][position]):.9g}"
            status = Status.EVENT_STORM if storm[position] else Status.STEP_UNDERFLOW
            leaving[position] = (status, place)
        for position in (memory["time"] >= run.end).nonzero().flatten().tolist():
            leaving[position] = (Status.OK, "")
        run.retire(leaving)
