"""The hybrid solver: one-hidden-layer flows through kinks and sliding modes, exactly.

Neurons talk to each other only through the residual signals r(t). A step guesses r as a quadratic
in time, moves every neuron exactly under it (`neuron`), computes r anew at the Gauss nodes, and
repeats until it no longer changes. Each call of `advance` is one such sweep of every working
trajectory; trajectories accept steps independently. See docs/theory/hybrid.md.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from flowfa.errors import InputError
from flowfa.flow.base import Field
from flowfa.flow.surfaces import find_surfaces
from flowfa.problems.activations.leaky_relu import leaky_relu
from flowfa.solvers.factory import SOLVERS, SolverSettings
from flowfa.solvers.hybrid.control import LOCAL, change_and_error, judge, next_sizes, next_steps
from flowfa.solvers.hybrid.error_units import reach, sizes_of
from flowfa.solvers.hybrid.newton import correct, residual_slope, tangent_kernel
from flowfa.solvers.hybrid.setting import Setting
from flowfa.solvers.hybrid.signals import STEP_TIMES, integrals, to_polynomial
from flowfa.solvers.hybrid.surfaces import put_on_surfaces
from flowfa.solvers.hybrid.sweep import Guess, Path, sweep
from flowfa.solvers.one_hidden_layer.network import (
    augmented_inputs,
    feedback_of,
    in_weights,
    network,
    pack,
    sample_preactivations,
)
from flowfa.solvers.stepping.continuing import reach_of_step
from flowfa.solvers.stepping.controller import Tolerance
from flowfa.solvers.stepping.integration import (
    ERROR_ESTIMATE,
    EVENT_COUNTERS,
    Integration,
    SaveCallback,
)
from flowfa.solvers.stepping.status import Status

SLOW, SLOW_IF_COSTLY = 0.05, 0.4
"""Contraction of a sweep from which on a trajectory's iteration is steered by Newton."""
CHEAP_UNKNOWNS, MOST_UNKNOWNS = 150, 400
"""Samples times outputs up to which a correction costs little, and up to which it pays."""
COARSE = 1e-4
"""Tolerance below which the share of a step shrinks, because there are more steps."""
FAR = 1e3
"""A change, in units of the tolerance, that is never taken for convergence."""
FINEST = 1e-10
"""Finest tolerance that the signals' rounding lets the iteration reach."""


class HybridSolver:
    """Integrates one-hidden-layer networks through kinks and sliding modes.

    Parameters
    ----------
    tolerance : Tolerance
        Only ``rtol`` is used: the error is measured against the largest preactivation or
        out-weight so far.
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
                f"`rtol` {tolerance.rtol:g} is finer than the hybrid solver reaches ({FINEST:g}): "
                'loosen `rtol`, or take `solver="dop853"` where the flow is smooth'
            )
        # Errors of steps add up, and finer tolerances take more steps (about rtol^-0.4).
        self.tolerance = tolerance.rtol * min(1.0, tolerance.rtol / COARSE) ** 0.25
        # Finer tolerances begin with shorter steps, because checks take the difference of two runs
        # for their error: on an easy problem both would begin with the same steps.
        self.first_step = min(1.0, tolerance.rtol / COARSE) ** 0.2
        self.max_steps = max_steps
        # It follows from the field alone, and is kept because merging samples takes time.
        self._setting: Setting | None = None

    def start(self, field: Field, run: Integration) -> None:
        """Find the surfaces and modes at time 0, and guess constant residual signals."""
        setting = self._prepare(field)
        net = setting.net
        memory = run.memory
        del memory["velocity"]
        for name in (*EVENT_COUNTERS, ERROR_ESTIMATE):
            run.counters[name][run.working.numpy()] = 0
        v = net.layout.views(memory["state"])["W2"].transpose(1, 2).contiguous()
        zeta = self._preactivations(setting, memory["state"])
        # A start exactly on a surface takes slope alpha, torch's convention.
        memory["modes"] = torch.where(zeta > 0, 1, -1).to(torch.int8)
        memory["signs"] = torch.where(v >= 0, v.new_tensor(1.0), v.new_tensor(-1.0))
        memory["zeta"], memory["v"] = zeta, v
        memory["v_nodes"] = v[:, None].repeat(1, 3, 1, 1)
        z = sample_preactivations(zeta, setting.surfaces)
        output = v.transpose(1, 2) @ leaky_relu(z, net.leak)
        bias = net.layout.views(memory["state"]).get("c2")
        output = output if bias is None else output + bias[:, :, None]
        signal = torch.from_numpy(setting.residuals(output[:, None].numpy()))
        memory["signals"] = signal.repeat(1, 3, 1, 1)
        memory["begin"] = signal[:, 0]
        run.counters["repelling"][run.working.numpy()] += self._undecided(
            setting, zeta.numpy(), memory["signs"].numpy(), v.numpy(), signal.numpy()[:, 0]
        )
        memory["predictor"] = torch.cat([signal, 0.0 * signal, 0.0 * signal], dim=1)
        still = torch.zeros_like(v)
        memory["v_predictor"] = torch.stack([v, still, still], dim=1)
        memory["farthest"] = zeta.abs().amax(2)
        sizes = sizes_of(setting, zeta.numpy(), v.numpy())
        # A network of zeros has no size that a tolerance could be a share of. If it is driven, its
        # step is set to zero, so that it ends as step underflow; under gd it stays where it is.
        all_zero = sizes[:, 0] == 0.0
        sizes[all_zero] = 1.0
        b = setting.feedback.weights(v.numpy(), memory["signs"].numpy())
        stuck = torch.from_numpy(all_zero & (np.abs(b).max(axis=(1, 2)) > 0.0))
        memory["size"] = torch.from_numpy(sizes)
        size = memory["size"][:, 0]
        # A step in which the signals alone would move the output weights by a tenth.
        rate = signal.abs().sum((1, 2, 3)) * size.clamp_min(1.0)
        longest = 0.1 * size / rate.clamp_min(1e-300)
        first = self.first_step * longest.clamp_max(run.end / 4.0)
        memory["step"] = first.masked_fill(stuck, 0.0)
        for name in ("trials", "sweeps", "rejected_last"):
            memory[name] = torch.zeros(len(v), dtype=torch.int64)
        memory["last_change"] = torch.full_like(memory["step"], torch.inf)
        memory["newton"] = torch.zeros(len(v), dtype=torch.bool)
        memory["predictor_step"] = first

    @staticmethod
    def _undecided(
        setting: Setting, zeta: np.ndarray, signs: np.ndarray, v: np.ndarray, r: np.ndarray
    ) -> np.ndarray:
        """Return how many surfaces of the start lie at zero and push to both sides."""
        surfaces, leak = setting.surfaces, setting.net.leak
        b = setting.feedback.weights(v, signs)
        R, L = surfaces.signals(r, leak)
        G, H = b @ R, b @ L
        down = (np.where(zeta > 0.0, 1.0, leak) * G + H) @ surfaces.gram
        up = down + (1.0 - leak) * G
        return ((zeta == 0.0) & (G > 0.0) & (up > 0.0) & (down <= 0.0)).sum(axis=(1, 2))

    def reach(self, run: Integration) -> Tensor:
        """Return how far the next steps go; see `stepping.continuing.Reaching`."""
        return reach_of_step(run)

    # A trajectory that overflows is rejected by its error, without a warning and by itself.
    @np.errstate(over="ignore", invalid="ignore")
    def advance(self, field: Field, run: Integration, save: SaveCallback) -> None:
        """Make one sweep of each working trajectory; see `stepping.integration.Solver`."""
        setting = self._prepare(field)
        memory = {name: value.numpy() for name, value in run.memory.items()}
        size, arrival = next_sizes(memory, run.end)
        guess = self._guess(memory, size)
        path = sweep(guess, setting.surfaces, setting.feedback, setting.net.leak, STEP_TIMES, 3)
        run.count("evaluations", 1)
        memory["sweeps"] += 1
        bias = self._bias(setting, run, guess, STEP_TIMES)
        outputs = path.outputs if bias is None else path.outputs + bias[:, :, :, None]
        residuals = setting.residuals(outputs)
        # With what the step itself reaches, so that a small start soon takes steps of its new size.
        reached = np.maximum(memory["size"], sizes_of(setting, path.zeta, path.v))
        reaches = reach(setting, guess, path, reached)
        unit, out_unit = (LOCAL * part / self.tolerance for part in reaches)
        change, error = change_and_error(
            guess, path, memory["begin"], residuals, setting.feedback, unit, out_unit
        )
        # A run's first guess, of constant signals, is never good enough: it is the same whatever
        # the tolerance, so that runs at two tolerances would agree on its error.
        unguessed = (memory["trials"] == 0) & (memory["sweeps"] == 1)
        change = np.where(unguessed, np.maximum(change, FAR), change)
        verdict = judge(change, error, path.sound, memory["sweeps"], memory["last_change"])
        accepted = verdict.accepted
        if accepted.any():
            self._save_within(setting, run, guess, arrival, accepted, save)
            self._accept(setting, memory, path, arrival, accepted, bias)
            memory["size"][accepted] = reached[accepted]
            self._save_arrived(run, accepted, save)
        going_on = ~(accepted | verdict.rejected)
        unknowns = residuals.shape[2] * residuals.shape[3]
        slow = verdict.contraction > (SLOW if unknowns <= CHEAP_UNKNOWNS else SLOW_IF_COSTLY)
        memory["newton"] |= (memory["sweeps"] > 1) & slow & (unknowns <= MOST_UNKNOWNS)
        signals = residuals[:, :3]
        steered = np.flatnonzero(going_on & memory["newton"])
        if len(steered):
            steered_guess, steered_setting = guess.select(steered), setting.select(steered)
            signals[steered] = self._steer(
                steered_setting, steered_guess, signals[steered], outputs[steered, 1]
            )
        memory["signals"][going_on] = signals[going_on]
        memory["v_nodes"][going_on] = path.v_at[going_on, :3]
        memory["last_change"][:] = np.where(going_on, verdict.change, np.inf)
        next_steps(memory, guess, residuals, path.v_at, verdict, run.end)
        run.count("steps", torch.from_numpy(accepted))
        run.count("rejected", torch.from_numpy(verdict.rejected))
        run.count(ERROR_ESTIMATE, np.where(accepted, verdict.error * self.tolerance, 0.0))
        for index, name in enumerate(EVENT_COUNTERS):
            run.count(name, np.where(accepted, path.counts[:, index], 0))
        self._retire(run, ~path.sound)

    def _prepare(self, field: Field) -> Setting:
        """Return what follows from the field; it is kept while the field is the same."""
        last = self._setting
        if last is not None and last.net is field:
            return last
        net = network(field, self.name)
        if last is not None and last.net.inputs is net.inputs:
            surfaces = last.surfaces
        else:
            surfaces = find_surfaces(augmented_inputs(net), net.inputs.ndim == 2)
        self._setting = Setting(net, surfaces, feedback_of(net))
        return self._setting

    @staticmethod
    def _preactivations(setting: Setting, state: Tensor) -> Tensor:
        """Return zeta of flat states, (trajectory, neuron, surface)."""
        directions = torch.from_numpy(setting.surfaces.directions)
        return in_weights(setting.net, state) @ directions.transpose(1, 2)

    @staticmethod
    def _guess(memory: dict[str, np.ndarray], size: np.ndarray) -> Guess:
        """Return the guess that the memory holds; the polynomial is through its node values."""
        signals = memory["signals"]
        states = (memory[name] for name in ("v_nodes", "zeta", "v", "modes", "signs"))
        return Guess(size, memory["farthest"], signals, to_polynomial(signals), *states)

    @staticmethod
    def _bias(
        setting: Setting, run: Integration, guess: Guess, taus: np.ndarray
    ) -> np.ndarray | None:
        """Return the output bias at times within the step, (trajectory, time, output), or None."""
        bias = setting.net.layout.views(run.memory["state"]).get("c2")
        if bias is None:
            return None
        moved = integrals(guess.polynomial.sum(axis=3), taus[None])
        return bias.numpy()[:, None] + guess.size[:, None, None] * moved

    @staticmethod
    def _states(
        setting: Setting, before: Tensor, Y: np.ndarray, v: np.ndarray, bias: np.ndarray | None
    ) -> Tensor:
        """Return flat states after the drives' integrals Y, (row, parameter)."""
        directions = torch.from_numpy(setting.surfaces.directions)
        first = in_weights(setting.net, before) + torch.from_numpy(Y) @ directions
        last = None if bias is None else torch.from_numpy(bias)
        return pack(setting.net, first, torch.from_numpy(v), last)

    def _accept(
        self,
        setting: Setting,
        memory: dict[str, np.ndarray],
        path: Path,
        arrival: np.ndarray,
        accepted: np.ndarray,
        bias: np.ndarray | None,
    ) -> None:
        """Move accepted trajectories to the end of their step."""
        rows = np.flatnonzero(accepted)
        last = None if bias is None else bias[rows, -1]
        before = torch.from_numpy(memory["state"][rows])
        of_accepted = Setting(setting.net, setting.surfaces.select(rows), setting.feedback)
        after = self._states(of_accepted, before, path.Y[rows, -1], path.v[rows], last)
        zeta = self._preactivations(of_accepted, after).numpy()
        modes, exact = path.modes[rows], path.zeta[rows]
        if setting.net.leak < 1.0 and (modes == 0).any():
            farthest = memory["farthest"][rows]
            after = put_on_surfaces(of_accepted, after, zeta, modes, farthest)
        if setting.net.leak < 1.0:
            # Computed anew from W, but zeros and signs are those of the exact path.
            zeta[(modes == 0) | (exact == 0.0) | (zeta * modes < 0.0)] = 0.0
        for name, new in (
            ("state", after.numpy()),
            ("time", arrival[rows]),
            ("zeta", zeta),
            ("v", path.v[rows]),
            ("modes", modes),
            ("signs", path.signs[rows]),
            ("farthest", np.maximum(memory["farthest"][rows], np.abs(zeta).max(axis=2))),
        ):
            memory[name][rows] = new

    @staticmethod
    def _steer(
        setting: Setting, guess: Guess, residuals: np.ndarray, outputs: np.ndarray
    ) -> np.ndarray:
        """Return Newton's next guess of the signals, from what the sweep found at the nodes."""
        kernel = tangent_kernel(setting.net, setting.surfaces, setting.feedback, guess)
        slope = residual_slope(setting.net, outputs)
        return guess.signals + correct(kernel, slope, guess.size, residuals - guess.signals)

    @staticmethod
    def _save_arrived(run: Integration, accepted: np.ndarray, save: SaveCallback) -> None:
        """Save accepted trajectories whose step ended at a requested time."""
        times, rows = run.save_times.numpy(), run.working.numpy()
        arrived = accepted & (times[run.next_save[rows]] == run.memory["time"].numpy())
        positions = torch.from_numpy(np.flatnonzero(arrived))
        if len(positions):
            saves = torch.from_numpy(run.next_save[rows[arrived]])
            run.next_save[rows[arrived]] += 1
            save(run.working[positions], saves, run.memory["state"][positions])

    def _save_within(
        self,
        setting: Setting,
        run: Integration,
        guess: Guess,
        arrival: np.ndarray,
        accepted: np.ndarray,
        save: SaveCallback,
    ) -> None:
        """Save accepted trajectories at the requested times before their arrival, exactly."""
        net, times = setting.net, run.save_times.numpy()
        for position in np.flatnonzero(accepted).tolist():
            row = int(run.working[position])
            first = int(run.next_save[row])
            passed = int(np.searchsorted(times, arrival[position], side="left"))
            if passed <= first:
                continue
            run.next_save[row] = passed
            begin = float(run.memory["time"][position])
            taus = ((times[first:passed] - begin) / guess.size[position]).clip(0.0, 1.0)
            chosen = np.array([position])
            row_guess, row_setting = guess.select(chosen), setting.select(chosen)
            path = sweep(
                row_guess,
                row_setting.surfaces,
                row_setting.feedback,
                net.leak,
                np.append(taus, 1.0),
                0,
            )
            state = run.memory["state"][position : position + 1]
            bias = None
            if "c2" in net.layout.shapes:
                moved = integrals(row_guess.polynomial.sum(axis=3), taus[None])[0]
                bias = net.layout.views(state)["c2"].numpy() + guess.size[position] * moved
            count = passed - first
            states = self._states(row_setting, state, path.Y[0, :count], path.v_at[0, :count], bias)
            save(run.working[position].repeat(count), torch.arange(first, passed), states)

    def _retire(self, run: Integration, storm: np.ndarray) -> None:
        """Let trajectories leave that have arrived, or can go no further."""
        time, step = run.memory["time"].numpy(), run.memory["step"].numpy()
        rows = run.working.numpy()
        tried = run.counters["steps"][rows] + run.counters["rejected"][rows]
        leaving: dict[int, tuple[Status, str]] = {}
        for position in np.flatnonzero(tried >= self.max_steps).tolist():
            reached = f"{self.max_steps} trials took it to {time[position]:g}"
            leaving[position] = (Status.MAX_STEPS, reached)
        resolution = 16.0 * np.finfo(np.float64).eps * np.maximum(time, 1e-290)
        for position in np.flatnonzero(step <= resolution).tolist():
            status = Status.EVENT_STORM if storm[position] else Status.STEP_UNDERFLOW
            leaving[position] = (status, f"at t = {time[position]:.9g}")
        for position in np.flatnonzero(time >= run.end).tolist():
            leaving[position] = (Status.OK, "")
        run.retire(leaving)


@SOLVERS.register(HybridSolver.name)
def _make(settings: SolverSettings) -> HybridSolver:
    settings.refuse_step(HybridSolver.name)
    return HybridSolver(settings.tolerance, settings.max_steps)
