"""The test template of observables: subclass it, give `name`, and inherit the tests."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from flowfa.datasets import orthogonally_separable
from flowfa.flow.network_flow import NetworkFlow
from flowfa.flow.observable_registry import OBSERVABLES, Observable
from flowfa.problems import Problem, build_ensemble
from flowfa.problems.starts import NormalStart


class ObservableTestCase(ABC):
    """What every observable must do, on small networks of several rules.

    Attributes
    ----------
    widths : tuple of int
        Hidden widths of the networks it is tested on.
    """

    widths: tuple[int, ...] = (4, 3)

    @abstractmethod
    def name(self) -> str:
        """Return the name that the observable under test is registered under."""

    def observable(self) -> Observable:
        """Return the observable under test."""
        return OBSERVABLES.get(self.name())

    def problem(self) -> Problem:
        """Return a problem on which the observable is a number."""
        data = orthogonally_separable(samples=5, dim=8, lambda_=0.1, seed=0)
        return Problem(data, self.widths, rule=("gd", "fa", "signfa"), initial=NormalStart(0.7))

    def measured(self, flow: NetworkFlow, states: Tensor, rows: Tensor) -> Tensor:
        """Return the observable of some rows."""
        return flow.observe(states, rows, (self.observable(),))[self.name()]

    def flow(self) -> NetworkFlow:
        """Return the flow of `problem`, of six networks."""
        return NetworkFlow(self.problem(), build_ensemble(self.problem(), 2, seed=3))

    def test_has_a_number_for_each_thing_it_speaks_of(self) -> None:
        """Its shape is that of its kind, and the numbers are finite where it applies."""
        flow = self.flow()
        values = self.measured(flow, flow.initial, torch.arange(len(flow)))
        assert len(values) == len(flow) and bool(values.isfinite().any())

    def test_batched_equals_loop(self) -> None:
        """The value of a network does not depend on its companions, bit for bit."""
        flow = self.flow()
        together = self.measured(flow, flow.initial, torch.arange(len(flow)))
        for i in range(len(flow)):
            alone = self.measured(flow, flow.initial[i : i + 1], torch.tensor([i]))
            assert torch.allclose(together[i : i + 1], alone, rtol=0.0, atol=0.0, equal_nan=True)

    def test_what_is_not_a_number_stays_in_its_row(self) -> None:
        """A broken network has no number, and the others have theirs."""
        flow = self.flow()
        rows = torch.arange(len(flow))
        sound = self.measured(flow, flow.initial, rows)
        states = flow.initial.clone()
        states[2] = torch.nan
        values = self.measured(flow, states, rows)
        assert not bool(values[2].isfinite().any())
        other_rows = [i for i in range(len(flow)) if i != 2]
        assert torch.allclose(
            values[other_rows], sound[other_rows], rtol=0.0, atol=0.0, equal_nan=True
        )

    def test_leaves_the_state_as_it_is(self) -> None:
        """The solver goes on from the state that was measured."""
        flow = self.flow()
        states = flow.initial.clone()
        self.measured(flow, states, torch.arange(len(flow)))
        assert torch.equal(states, flow.initial)
