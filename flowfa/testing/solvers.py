"""The test template of solvers: subclass it, give `make`, and inherit the tests."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod

import torch
from torch import Tensor

from flowfa.solvers.stepping.integration import Integration, Solver
from flowfa.solvers.stepping.solve import solve
from flowfa.solvers.stepping.status import Status
from flowfa.testing.fields import Explosions, ForcedOscillators

SHORT = 0.6
"""A time of many steps, for what is equal bit for bit from the first step on."""


class Saved:
    """Collects saved states; NaN where nothing was saved."""

    def __init__(self, trajectories: int, saves: int, parameters: int) -> None:
        self.states = torch.full((trajectories, saves, parameters), torch.nan, dtype=torch.float64)

    def __call__(self, rows: Tensor, saves: Tensor, states: Tensor) -> None:
        """Keep the states; see `flowfa.solvers.stepping.integration.SaveCallback`."""
        assert self.states[rows, saves].isnan().all(), "a state was saved twice"
        self.states[rows, saves] = states


class SolverTestCase(ABC):
    """What every solver must do, on smooth problems with closed forms.

    Attributes
    ----------
    tolerance : float
        Error that `make` must reach on `ForcedOscillators` until t = 3.
    recognises_blow_up : bool
        Whether the solver adapts its step, so that it can tell a blow-up from a long step.
    """

    tolerance: float = 1e-6
    recognises_blow_up: bool = True

    @abstractmethod
    def make(self) -> Solver:
        """Return the solver under test."""

    @staticmethod
    def oscillators(trajectories: int = 5) -> tuple[ForcedOscillators, Tensor]:
        """Return a field with unlike trajectories, and initial states."""
        index = torch.arange(trajectories, dtype=torch.float64)
        field = ForcedOscillators(1.0 + 3.0 * index, 0.5 * index)
        return field, torch.stack([index - 1.0, 0.5 + index], dim=1)

    def integrate(
        self, field: ForcedOscillators, initial: Tensor, end: float = 3.0
    ) -> tuple[Integration, Tensor]:
        """Integrate with 13 save times."""
        run = Integration.begin(initial, torch.linspace(0.0, end, 13, dtype=torch.float64))
        saved = Saved(len(initial), 13, initial.shape[1])
        solve(field, run, self.make(), saved)
        return run, saved.states

    def test_solution_is_within_tolerance_at_every_save_time(self) -> None:
        """Compare with the closed form, also between steps."""
        field, initial = self.oscillators()
        run, states = integrated(type(self))
        assert run.status == [Status.OK] * len(initial)
        exact = field.exact(initial, run.save_times)
        assert float((states - exact).abs().max()) < self.tolerance

    def test_last_state_is_the_state_at_the_end(self) -> None:
        """The integration's own state is the last one saved."""
        run, states = integrated(type(self))
        assert torch.equal(run.state, states[:, -1])
        assert run.time.tolist() == [3.0] * len(run.state)

    def test_batched_equals_loop(self) -> None:
        """A trajectory's result does not depend on its companions, bit for bit."""
        field, initial = self.oscillators()
        _, together = self.integrate(field, initial, SHORT)
        for i in range(0, len(initial), 2):
            row = torch.tensor([i])
            _, alone = self.integrate(field.select(row), initial[row], SHORT)
            assert torch.equal(together[i], alone[0])

    def test_broken_start_ends_alone(self) -> None:
        """A NaN start has a status of its own; the others are as without it."""
        field, initial = self.oscillators()
        _, sound = self.integrate(field, initial, SHORT)
        initial[2, 0] = torch.nan
        run, states = self.integrate(field, initial, SHORT)
        assert run.status[2] is Status.NON_FINITE
        other_rows = [0, 1, 3, 4]
        assert torch.equal(states[other_rows], sound[other_rows])

    def test_blow_up_ends_alone_with_its_last_good_state(self) -> None:
        """Two of three trajectories of y' = y^2 explode before the end."""
        lifetimes = torch.tensor([[1.0], [9.0], [2.0]], dtype=torch.float64)
        run = Integration.begin(1.0 / lifetimes, torch.linspace(0.0, 3.0, 4, dtype=torch.float64))
        saved = Saved(3, 4, 1)
        solve(Explosions(), run, self.make(), saved)
        assert run.status[1] is Status.OK
        for i in (0, 2):
            assert run.status[i] not in (Status.OK, Status.RUNNING)
            assert bool(run.state[i].isfinite())
            if self.recognises_blow_up:
                assert run.status[i] is Status.BLOW_UP
                assert abs(float(run.time[i]) - float(lifetimes[i])) < 1e-3

    def test_stored_and_restored_run_continues_bit_for_bit(self) -> None:
        """The stored integration holds everything that the solver needs."""
        field, initial = self.oscillators()
        _, expected = self.integrate(field, initial, SHORT)
        run = Integration.begin(initial, torch.linspace(0.0, SHORT, 13, dtype=torch.float64))
        saved = Saved(len(initial), 13, 2)
        rounds = 0

        class Stop(Exception):
            pass

        def interrupt(run: Integration) -> None:
            nonlocal rounds
            rounds += 1
            if rounds % 3 == 0:
                raise Stop

        while run.working.numel():
            try:
                solve(field, run, self.make(), saved, interrupt)
            except Stop:
                run = Integration.from_arrays(run.to_arrays(), torch.device("cpu"))
        assert torch.equal(saved.states, expected)


@functools.cache
def integrated(case: type[SolverTestCase]) -> tuple[Integration, Tensor]:
    """Return the oscillators as a solver integrates them, once for the tests that only look."""
    return case().integrate(*case.oscillators())
