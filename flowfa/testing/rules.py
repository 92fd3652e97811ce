"""The test template of learning rules: subclass it, give `make`, and inherit the tests."""

from __future__ import annotations

import dataclasses
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from unittest import SkipTest

import numpy as np
import torch
from torch import Tensor

from flowfa.datasets.dataset import Dataset
from flowfa.flow.network_flow import NetworkFlow
from flowfa.flow.observables import conserved
from flowfa.problems import Problem, build_ensemble
from flowfa.problems.rules import Moment, Rule
from flowfa.problems.starts import NormalStart
from flowfa.seeds import generator


class RuleTestCase(ABC):
    """What every rule must do, at random states of random networks.

    The law of C-1 is tested as an instantaneous identity: the derivative of the claimed invariant
    along the field, by autograd, vanishes to rounding.

    Attributes
    ----------
    widths : tuple of int
        Hidden widths of the networks it is tested on.
    has_law : bool
        Whether the rule conserves something of each neuron; False for one whose `conserved` is
        None.
    """

    widths: tuple[int, ...] = (4, 3)
    has_law: bool = True

    @abstractmethod
    def make(self) -> Rule:
        """Return the rule under test."""

    def flow(self, bias: str = "hidden", trajectories: int = 3) -> NetworkFlow:
        """Return a flow of small networks with three classes."""
        random = generator(7, "rule test")
        data = Dataset(random.standard_normal((6, 5)), np.array([0, 1, 2, 2, 1, 0]))
        problem = Problem(
            data, self.widths, leak=0.3, rule=self.make(), bias=bias, initial=NormalStart(0.7)
        )
        return NetworkFlow(problem, build_ensemble(problem, trajectories, seed=3))

    @staticmethod
    def states(flow: NetworkFlow) -> Tensor:
        """Return random states: biases too are away from zero."""
        noise = generator(8, "states").standard_normal(tuple(flow.initial.shape))
        return flow.initial + 0.3 * torch.tensor(noise)

    def law_rate(self, flow: NetworkFlow, states: Tensor, hide_bias: bool = False) -> Tensor:
        """Return dC/dt along the field, (trajectory, hidden neuron); NaN where there is no law."""
        velocity = flow.field(torch.zeros(len(flow)), states)

        def law(at: Tensor) -> Tensor:
            forward = flow.field.forward(at)
            if hide_bias:
                for name in [name for name in forward.parameters if name.startswith("c")]:
                    del forward.parameters[name]
            return conserved(flow.field, forward, flow.span.outside_norm2)

        value, rate = torch.autograd.functional.jvp(law, states, velocity)
        assert isinstance(value, Tensor) and isinstance(rate, Tensor)
        # The derivative of the NaN that stands for no law is 0, as if a law were kept.
        return torch.where(value.isnan(), value, rate)

    def test_conserves_what_it_claims(self) -> None:
        """C-1 and C-2: the claimed invariant of each neuron does not move."""
        flow = self.flow()
        rate = self.law_rate(flow, self.states(flow))
        claimed = rate[~rate.isnan()]
        if not self.has_law:
            assert not len(claimed), "the rule claims a law: leave out `has_law = False`"
            return
        assert len(claimed) >= len(flow) * self.widths[-1], (
            "the rule claims no law: state it in `conserved`, or say `has_law = False`"
        )
        assert float(claimed.abs().max()) < 1e-12

    def test_law_fails_without_the_bias(self) -> None:
        """Negative control: C-2 needs the neuron's own bias."""
        if not self.has_law:
            raise SkipTest("a rule without a law has none that could fail")
        flow = self.flow()
        rate = self.law_rate(flow, self.states(flow), hide_bias=True)
        claimed = rate[~rate.isnan()]
        assert len(claimed), "the rule claims no law: say `has_law = False`, or state it"
        assert float(claimed.abs().max()) > 1e-3

    def test_batched_equals_loop(self) -> None:
        """The velocity of a trajectory does not depend on its companions, bit for bit."""
        flow = self.flow()
        states, time = self.states(flow), torch.zeros(len(flow))
        together = flow.field(time, states)
        for i in range(len(flow)):
            row = torch.tensor([i])
            alone = flow.field.select(row)(time[row], states[row])
            assert torch.equal(together[row], alone)

    def test_start_does_not_depend_on_number_of_trajectories(self) -> None:
        """Trajectory i is the same network however many there are."""
        few, many = self.flow(trajectories=2), self.flow(trajectories=5)
        assert torch.equal(few.initial, many.initial[:2])
        for name, matrix in few.field.groups[0].kept.items():
            assert torch.equal(matrix, many.field.groups[0].kept[name][:2])

    def test_moves_its_feedback_by_its_own_velocity(self) -> None:
        """What the flow integrates behind the weights is what `feedback_velocity` says."""
        flow = self.flow()
        rule = flow.problem.rules[0]
        if not rule.moves:
            raise SkipTest("the rule keeps its feedback as it is")
        states = self.states(flow)
        velocity = flow.layout.views(flow.field(torch.zeros(len(flow)), states))
        forward = flow.field.forward(states)
        later = [f"W{layer}" for layer in range(2, flow.layout.layers + 1)]
        for i in range(len(flow)):
            row = slice(i, i + 1)
            moment = Moment(
                {name: forward.parameters[name][row] for name in later},
                {name: velocity[name][row] for name in later},
                tuple(h[row] for h in forward.activations),
                forward.output[row],
            )
            kept = {name: forward.parameters[name][row] for name in flow.layout.moving}
            expected = rule.feedback_velocity(kept, moment)
            assert expected.keys() == kept.keys(), "feedback_velocity gives dB/dt of each B"
            for name, matrix in expected.items():
                torch.testing.assert_close(velocity[name][row], matrix, rtol=1e-12, atol=1e-14)

    def test_has_no_favourite_neurons(self) -> None:
        """Neurons of a hidden layer in another order move in that order, with their feedback."""
        flow = self.flow()
        states, time = self.states(flow), torch.zeros(len(flow))
        (group,) = flow.field.groups
        order = torch.arange(self.widths[0] - 1, -1, -1)
        if any(re.fullmatch(r"[BDM]\d+", name) is None for name in (*group.kept, *group.moving)):
            raise SkipTest("what the rule keeps under a name of its own may mean anything")

        def permuted(arrays: Mapping[str, Tensor]) -> dict[str, Tensor]:
            """Return arrays with the neurons of layer 1 in another order."""
            result = dict(arrays)
            for name in arrays.keys() & {"W1", "c1", "B2", "M2", "D1"}:
                result[name] = arrays[name][:, order]
            if "W2" in arrays:
                result["W2"] = arrays["W2"][:, :, order]
            return result

        velocity = permuted(flow.layout.views(flow.field(time, states)))
        kept = permuted(group.kept)
        other = flow.field.replace(groups=(dataclasses.replace(group, kept=kept),))
        found = other(time, flow.layout.pack(permuted(flow.layout.views(states))))
        torch.testing.assert_close(found, flow.layout.pack(velocity), rtol=1e-12, atol=1e-14)

    def test_output_layer_follows_its_true_gradient(self) -> None:
        """Feedback changes hidden layers only (docs/theory/statements.md, model)."""
        flow = self.flow(bias="all")
        states = self.states(flow)
        forward = flow.field.forward(states)
        signal = flow.field.output_signal(forward)
        gradient = flow.layout.views(flow.field.descent(forward, signal, flow.field.true_signal))
        velocity = flow.layout.views(flow.field(torch.zeros(len(flow)), states))
        last = flow.layout.layers
        assert torch.equal(velocity[f"W{last}"], gradient[f"W{last}"])
        assert torch.equal(velocity[f"c{last}"], gradient[f"c{last}"])
