"""C-1 of rules without a law in the weights: feedback that moves, and targets for the error."""

from __future__ import annotations

import pytest
import torch

import flowfa
import theory_checks
from flowfa.errors import InputError
from flowfa.flow.field import NetworkField
from flowfa.problems.rules import KolenPollackWithDecay, Rule, WeightMirror
from theory_checks import Verdict, check_evidence, chosen
from theory_checks.controls import broken, small_flow
from theory_checks.evidence.from_flow import evidence_of_flow
from theory_checks.evidence.rungs import build_ladder
from theory_checks.laws.counting.rank import count_laws
from theory_checks.laws.motion.dynamics import Dynamics


class MovingDirect(Rule):
    """Direct feedback that moves: the readout is virtual, and what pairs with it moves too."""

    name = "moving-direct"
    keeps = "D"
    feedback_from = "output"

    def draw_feedback(self, weights, draw):
        return flowfa.problems.rules.drawn_from_output("D", weights, draw)

    def feedback(self, layer, weight, kept):
        return kept[f"D{layer - 1}"]

    def feedback_velocity(self, kept, moment):
        return {name: 0.3 - 0.5 * matrix for name, matrix in kept.items()}

    def conserved(self, layer, incoming, out_weight, kept):
        return None


class HalfMirror(WeightMirror):
    """The mean of the weights and a mirror of them: its feedback is not what it keeps."""

    name = "half-mirror"

    def feedback(self, layer, weight, kept):
        return 0.5 * (weight.mT + kept[f"B{layer}"])


SETTINGS = {"t_end": 0.5, "rtol": 1e-4, "saves": 5}
RULES = {
    "weight-mirror": WeightMirror(0.8, 0.3),
    "kolen-pollack-decay": KolenPollackWithDecay(0.4),
    "drtp": "drtp",
    "low-rank-dfa": "low-rank-dfa",
    "moving direct feedback": MovingDirect(),
    "a mirror that is not the feedback": HalfMirror(),
}


def verdict(evidence):
    return check_evidence(evidence, chosen(("C-1",))).findings[0].verdict


@pytest.mark.parametrize("name", RULES)
def test_it_holds_with_what_is_integrated_along(name):
    # Under direct feedback some of these neurons slide, where the verdict is inconclusive.
    direct = "direct" in name or "dfa" in name
    flow = small_flow(RULES[name], bias="hidden", leak=1.0 if direct else 0.3)
    evidence = evidence_of_flow(flow, **SETTINGS)
    assert verdict(evidence.select(torch.tensor([0]))) is Verdict.HOLDS


@pytest.mark.parametrize("name", ["weight-mirror", "kolen-pollack-decay", "moving direct feedback"])
def test_feedback_that_stands_still_is_caught(name):
    evidence = broken(RULES[name], "frozen feedback")()
    assert verdict(evidence.select(torch.tensor([0]))) is Verdict.VIOLATED


@pytest.mark.parametrize("rule", [WeightMirror, KolenPollackWithDecay])
def test_a_wrong_velocity_in_flowfa_itself_is_caught(rule, monkeypatch):
    """The flow that is claimed has the mistake too: the table of the checks is another one."""
    right = rule.feedback_velocity

    def wrong(self, kept, moment):
        return {name: 1.1 * velocity for name, velocity in right(self, kept, moment).items()}

    monkeypatch.setattr(rule, "feedback_velocity", wrong)
    evidence = evidence_of_flow(small_flow(rule()), **SETTINGS)
    assert verdict(evidence.select(torch.tensor([0]))) is Verdict.VIOLATED


def test_wrong_targets_in_flowfa_itself_are_caught(monkeypatch):
    right = NetworkField.target_signal
    monkeypatch.setattr(NetworkField, "target_signal", lambda self, rows: 1.1 * right(self, rows))
    evidence = evidence_of_flow(small_flow("drtp"), **SETTINGS)
    assert verdict(evidence.select(torch.tensor([0]))) is Verdict.VIOLATED


@pytest.mark.parametrize("by_rule", [{}, {"dfa": "event", "drtp": "bosh3"}])
def test_readouts_are_integrated_by_a_solver_of_any_field(by_rule):
    """The event solver follows networks alone, and a check of dfa ended with its refusal."""
    rungs, _ = build_ladder("event", rungs=2, rtol=1e-5, by_rule=by_rule)
    general = [rung.of_any_field() for rung in rungs]
    assert [rung.label for rung in general] == ["bosh3, rtol 1e-05", "bosh3, rtol 1e-06"]
    assert general[0].make().name == "bosh3" and general[0].closer().label == "bosh3, rtol 1e-06"
    (plain, _), _ = build_ladder("dopri5", rungs=2, rtol=1e-5)
    assert plain.of_any_field is None


def test_drtp_has_no_law_with_kinks_and_low_rank_dfa_those_of_dfa():
    sizes = (3, 4, 2)
    assert count_laws(Dynamics("drtp", sizes)).laws == 0
    # D reaches two of four neurons' directions, and the others keep their three in-weights.
    linear = Dynamics("drtp", sizes, flowfa.problems.activations.Identity())
    assert count_laws(linear).laws == (4 - 2) * 3
    assert count_laws(Dynamics("low-rank-dfa", sizes)).laws == 4


@pytest.mark.parametrize("rule", ["weight-mirror", "kolen-pollack-decay"])
def test_laws_of_feedback_that_moves_are_not_counted(rule):
    with pytest.raises(InputError, match="moves its feedback, and laws are counted of") as refused:
        Dynamics(rule, (3, 4, 2))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("rule", ["weight-mirror", "drtp"])
def test_layers_of_torch_models_refuse_what_they_cannot_feed_back(rule):
    from flowfa.torch_layers import convert

    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
    with pytest.raises(
        InputError, match="which a layer of a torch model cannot: take another rule"
    ):
        convert(model, rule)


def test_a_file_of_rules_side_by_side_is_checked():
    """Rules that keep their feedback have no states of the other's, which no margin is of."""
    data = flowfa.datasets.gaussian(samples=5, dim=4, seed=1)
    problem = flowfa.Problem(data, (3,), leak=1.0, rule=("fa", "weight-mirror"), initial="xavier")
    run = flowfa.simulate(problem, 1, t_end=0.5, rtol=1e-5, save=5)
    found = theory_checks.check(run, only=("C-1", "record")).findings
    assert [finding.verdict for finding in found] == [Verdict.HOLDS] * 2
