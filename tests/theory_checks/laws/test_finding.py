"""Laws found without a hint against the table of C-1 and its relatives."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from sympy import Matrix

from flowfa.errors import InputError
from flowfa.problems.activations import SquaredReLU, Tanh
from flowfa.problems.rules import FeedbackAlignment, SignFeedbackAlignment
from tests.support.laws import LEAKY, LINEAR, HalfFA, WithFeedback, dynamics, one_entry_drifts
from theory_checks.controls import small_flow
from theory_checks.laws import laws
from theory_checks.laws.arithmetic.modular import Modular
from theory_checks.laws.finding.search import Search, _conserved
from theory_checks.laws.formulas.law import Factor, Law
from theory_checks.laws.motion.products import with_products

NEURON = "1/2 |W1[j,:]|^2"
EVERY = " for every j of layer 1"


@pytest.mark.parametrize(
    ("rule", "more", "formula"),
    [
        ("gd", {}, f"{NEURON} - 1/2 |W2[:,j]|^2"),
        ("fa", {}, f"{NEURON} - <W2[:,j], B2[j,:]>"),
        ("adafa", {}, f"{NEURON} - <W2[:,j], B2[j,:]>"),
        ("signfa", {}, f"{NEURON} - |W2[:,j]|_1"),
        (SignFeedbackAlignment(0.5), {}, f"{NEURON} - 1/2 |W2[:,j]|_1"),
        (SignFeedbackAlignment("xavier"), {}, f"{NEURON} - 0.534522 |W2[:,j]|_1"),
        ("frsf", {}, f"{NEURON} - <|W2[:,j]|, M2[j,:]>"),
        ("dfa", {}, f"{NEURON} - <W2[:,j], D1[j,:]>"),
        ("low-rank-fa", {}, f"{NEURON} - <W2[:,j], B2[j,:]>"),
        ("kolen-pollack", {}, f"{NEURON} - 1/2 |W2[:,j]|^2 - <W2[:,j], B2[j,:]>"),
        (HalfFA(), {}, f"{NEURON} - 1/4 |W2[:,j]|^2 - 1/2 <W2[:,j], B2[j,:]>"),
        ("fa", {"has_bias": (True, True)}, f"{NEURON} + 1/2 c1[j]^2 - <W2[:,j], B2[j,:]>"),
        ("fa", {"rates": (1.0, 0.5)}, f"{NEURON} - 2 <W2[:,j], B2[j,:]>"),
        ("fa", {"activation": SquaredReLU()}, f"{NEURON} - 2 <W2[:,j], B2[j,:]>"),
        ("gd", {"weight_decay": 0.1}, f"exp(0.2 t) ({NEURON} - 1/2 |W2[:,j]|^2)"),
        ("fa", {"weight_decay": (0.1, 0.2)}, f"exp(0.2 t) ({NEURON} - <W2[:,j], B2[j,:]>)"),
    ],
    # The formula tells the case; an object without a text of its own has an address in its place.
    ids=lambda value: "" if isinstance(value, dict) else str(value),
)
def test_the_law_of_each_neuron_is_found(rule, more, formula):
    found = laws(dynamics(rule, 2, 3, 4, **more))
    assert found.formulas == (formula + EVERY,)
    assert found.complete
    assert found.count == len(found.found) == 3


@pytest.mark.parametrize(
    ("rule", "more"),
    [
        ("fa", {"activation": Tanh()}),
        ("brsf", {}),
        ("gd", {"friction": 0.1}),
        ("fa", {"weight_decay": 0.1}),
        ("gd", {"weight_decay": (0.1, 0.2)}),
    ],
)
def test_nothing_is_found_where_there_is_nothing(rule, more):
    found = laws(dynamics(rule, 2, 2, 2, **more))
    assert (found.count, found.found, found.complete) == (0, (), True)


def test_earlier_layers_of_dfa_have_laws_with_virtual_readouts_only():
    bare, with_readouts = (laws(dynamics("dfa", 2, 2, 2, 2, readouts=r)) for r in (False, True))
    assert bare.formulas == ("1/2 |W2[j,:]|^2 - <W3[:,j], D2[j,:]> for every j of layer 2",)
    assert bare.without_law == ((1, 0), (1, 1))
    assert with_readouts.formulas[0] == f"{NEURON} - <A1[:,j], D1[j,:]>{EVERY}"


def test_the_matrix_law_of_linear_networks_is_found():
    found = laws(dynamics("gd", 3, 3, 3, activation=LINEAR))
    assert found.formulas[1] == "<W1[j,:], W1[k,:]> - <W2[:,j], W2[:,k]> for all j < k of layer 1"
    assert (found.count, found.complete) == (6, True)


def test_the_22_laws_of_linear_fa():
    found = laws(dynamics("fa", 3, 4, 3, 2, activation=LINEAR))
    assert [(family.independent, family.text, family.condition) for family in found.families] == [
        (4, f"{NEURON} - <W2[:,j], B2[j,:]>", ""),
        (3, "1/2 |W2[j,:]|^2 - <W3[:,j], B3[j,:]>", ""),
        (6, "<n, W1[:,k]>", "n^T B2 B3 = 0"),
        (4, "<n, W2[:,k]>", "n^T B3 = 0"),
        (3, "<W1[j,:], W1[k,:]> - <W2[:,k], B2[j,:]> - <W2[:,j], B2[k,:]>", ""),
        (2, "<W2[j,:], W2[k,:]> - <W3[:,k], B3[j,:]> - <W3[:,j], B3[k,:]>", ""),
    ]
    assert found.complete


def test_scalar_outputs_of_linear_fa_share_one_drive():
    found = laws(dynamics("fa", 2, 2, 1, activation=LINEAR))
    assert "W1[1,k] - B2[1,0]/B2[0,0] W1[0,k] for every k of layer 1" in found.formulas


def test_signs_have_a_matrix_law_with_signs():
    found = laws(dynamics("frsf", 3, 2, 2, activation=LINEAR))
    # The sign of one weight times another jumps where it flips.
    assert [family.kind for family in found.families] == ["universal", "while no sign flips"]
    assert found.families[1].text == (
        "<W1[j,:], W1[k,:]> - <W2[:,j], M2[k,:] * sign(W2[:,k])> "
        "- <W2[:,k], M2[j,:] * sign(W2[:,j])>"
    )
    assert found.complete


@pytest.mark.parametrize("rule", ["signfa", "frsf"])
def test_combinations_that_no_signal_reaches_are_laws_of_one_orthant(rule):
    """The feedback M * sign(W)^T has null vectors, until a sign flips; they are no numbers."""
    found = laws(dynamics(rule, 3, 4, 2, activation=LINEAR))
    assert (found.count, found.complete) == (13, True)
    last = found.families[-1]
    assert (last.text, last.condition) == ("<n, W1[:,k]>", "n^T F2 = 0")
    assert last.kind == "while no sign flips"


def test_the_neuron_without_a_law_is_named():
    found = laws(dynamics(WithFeedback(one_entry_drifts), 2, 3, 2))
    assert (found.count, found.complete) == (2, True)
    assert found.without_law == ((1, 0),)
    assert "without a law of its own: neuron 0 of layer 1" in repr(found)


@pytest.mark.parametrize("rule", ["gd", "fa", "signfa", "frsf"])
def test_a_law_with_one_coefficient_changed_is_rejected(rule):
    search = Search(dynamics(rule, 2, 2, 2))
    law = search.run(2).laws[0]
    assert _conserved(search.names, 0, law)
    for place, term in enumerate(law.terms):
        wrong = replace(term, coefficient=term.coefficient.times(Fraction(11, 10)))
        changed = replace(law, terms=(*law.terms[:place], wrong, *law.terms[place + 1 :]))
        assert not _conserved(search.names, 0, changed)


def test_a_wrong_law_is_never_kept():
    search = Search(dynamics("fa", 2, 2, 2))
    law = search.run(2).laws[0]
    before = search.found.independent
    search._keep(replace(law, terms=law.terms[:-1]))
    assert search.found.independent == before


def test_laws_of_given_samples_are_told_apart():
    inputs = np.random.default_rng(0).normal(size=(2, 4))
    found = laws(dynamics("fa", 4, 3, 1, inputs=inputs))
    assert [family.kind for family in found.families] == ["universal", "outside the data"]
    assert [family.independent for family in found.families] == [3, 6]
    assert found.complete
    for law in found.families[1].laws:
        np.testing.assert_allclose(inputs @ np.array(law.vector), 0.0, atol=1e-12)


def test_no_law_is_found_that_one_sample_among_many_breaks():
    inputs = np.repeat([[1.0, 0.0]], 200, axis=0)
    inputs[-1] = [0.0, 1.0]
    found = laws(dynamics("fa", 2, 2, 1, inputs=inputs))
    assert [family.kind for family in found.families] == ["universal"]
    assert (found.count, found.complete) == (2, True)


def test_the_law_of_a_layer_is_the_sum_of_those_of_its_neurons():
    """C-3: 1/2 ||W_1||^2 - <W_2, B_2^T>, by torch."""
    found, source = laws(dynamics("fa", 3, 4, 2)), np.random.default_rng(0)
    point = {"W1": source.normal(size=(4, 3)), "W2": source.normal(size=(2, 4))}
    point["B2"] = source.normal(size=(4, 2))
    expected = np.concatenate([point["W1"].ravel(), -point["B2"].T.ravel()])
    np.testing.assert_allclose(found.gradient(point).sum(0), expected)


def test_rates_of_decay_without_a_common_measure_are_no_obstacle():
    found = laws(dynamics("fa", 2, 2, 1, weight_decay=(0.123457, 0.246914)))
    assert found.formulas[0].startswith("exp(0.246914 t) (")


def test_an_input_that_no_sample_has_never_moves_its_weights():
    inputs = np.array([[1.0, 0.0], [2.0, 0.0]])
    found = laws(dynamics("fa", 2, 2, 1, inputs=inputs))
    assert found.complete
    assert found.count == 4


def test_degree_four_finds_the_law_of_cubic_feedback():
    cubic = WithFeedback(lambda weight, fixed: weight.mT**3)
    few, more = (laws(dynamics(cubic, 1, 2, 1), degree=degree) for degree in (2, 4))
    assert (few.count, few.complete) == (2, False)
    assert more.complete


@pytest.mark.parametrize("rule", ["gd", "fa", "signfa", "frsf", "dfa", HalfFA()], ids=str)
def test_gradients_are_orthogonal_to_the_field_of_flowfa(rule):
    """The field is flowfa's own, in floating point, on data; the laws were found without it."""
    flow = small_flow(rule)
    found = laws(flow.problem)
    velocity = flow.field(torch.zeros(len(flow)), flow.initial)
    for row in range(len(flow)):
        point = {
            name: array[row].numpy()
            for name, array in flow.parameters(flow.initial, torch.arange(len(flow))).items()
        }
        point |= {name: matrix[row].numpy() for name, matrix in flow.field.groups[0].kept.items()}
        moved = flow.layout.views(velocity)
        along = np.concatenate([moved[name][row].numpy().ravel() for name in flow.layout.shapes])
        products = found.gradient(point) @ along
        assert np.abs(products).max() < 1e-12
        assert np.abs(along).max() > 1e-3


def test_documents_give_the_laws_back():
    found = laws(dynamics("fa", 3, 4, 3, 2, activation=LINEAR))
    for law in found.found:
        assert Law.from_json_dict(law.to_json_dict()) == law


def test_a_step_adds_what_c11_says():
    fa, gd = laws(dynamics("fa", 2, 3, 2)), laws(dynamics("gd", 2, 3, 2))
    assert fa.families[0].step == "eta^2 (1/2 |U1[j,:]|^2)"
    assert gd.families[0].step == "eta^2 (1/2 |U1[j,:]|^2 - 1/2 |U2[:,j]|^2)"
    linear = laws(dynamics("fa", 3, 4, 3, 2, activation=LINEAR))
    assert linear.families[2].step == "nothing"


def test_formulas_are_latex_too():
    assert laws(dynamics("fa", 2, 3, 2)).families[0].latex == (
        r"\frac{1}{2}\,\lVert W_{1}[j,:] \rVert^2 - \langle W_{2}[:,j], B_{2}[j,:] \rangle"
    )


class Partly(FeedbackAlignment):
    """Feedback of which a part is zero."""

    def __init__(self, given):
        self.given = np.array(given, dtype=float)

    def draw_feedback(self, weights, draw):
        kept = super().draw_feedback(weights, draw)
        return {name: matrix * self.given for name, matrix in kept.items()}


@pytest.mark.parametrize(
    ("given", "count"),
    [([[1, 0]] * 3, 7), ([[0, 0], [1, 1], [1, 1]], 7), ([[1, 0], [0, 1], [1, 0]], 7)],
)
def test_zeros_of_the_feedback_make_no_laws_of_zeros(given, count):
    found = laws(dynamics(Partly(given), 2, 3, 2, activation=LINEAR))
    assert (found.count, found.complete) == (count, True)
    source = np.random.default_rng(0)
    point = {"W1": source.normal(size=(3, 2)), "W2": source.normal(size=(2, 3))}
    point["B2"] = source.normal(size=(3, 2)) * np.array(given)
    assert np.abs(found.gradient(point)).max(axis=1).min() > 0.0
    # Whatever has feedback in it has some that is not zero.
    for law in found.found:
        entries = [entry for term in law.terms for entry, _ in term.coefficient.entries]
        assert all(given[index[0]][index[1]] for _, index in entries)


def test_neurons_whose_weights_never_move_are_trivial_and_lack_no_law():
    found = laws(dynamics(Partly([[0, 0], [1, 1], [1, 1]]), 2, 3, 2))
    assert [family.kind for family in found.families] == ["trivial", "trivial", "universal"]
    assert found.without_law == ()
    still = laws(dynamics(Partly([[0, 0]] * 3), 2, 3, 2, activation=LINEAR))
    assert {law.kind for law in still.found} == {"trivial"}


@pytest.mark.parametrize("rule", ["signfa", "frsf", WithFeedback(lambda w, b: w.sign().mT)])
@pytest.mark.parametrize(("activation", "through"), [(LINEAR, 4), (LEAKY, 4)])
def test_it_is_said_that_the_count_is_of_one_orthant(rule, activation, through):
    found = laws(dynamics(rule, 3, 4, 2, activation=activation))
    document = found.to_json_dict()
    assert document["orthant"] == {"counted": "one, generic", "through_sign_flips": through}
    assert "counted in one generic orthant" in repr(found)
    rest = "4 of these laws are known to hold through flips, and other orthants may have more"
    assert (rest in repr(found)) == (activation is LINEAR)


def test_orthants_of_less_rank_have_more_laws():
    """A column of equal signs in all rows: the feedback of signfa has rank one there."""
    from theory_checks.laws.finding.rates import Rates

    of = dynamics("signfa", 3, 2, 2, activation=LINEAR)
    candidates = [(Factor("W1", (row, 0)),) for row in range(2)]
    numbers = {}
    for name, second in (("rank 2", -1), ("rank 1", 1)):
        orthant = np.ones((1, of.layout.size), dtype=np.int64)
        orthant[0, -1] = second
        numbers[name] = len(Rates(of, 67108859, 0, orthant=orthant).null_vectors(candidates)[1])
    assert numbers == {"rank 2": 0, "rank 1": 1}


@pytest.mark.parametrize("rule", ["gd", "fa", "dfa", "kolen-pollack", WithFeedback(lambda w, b: b)])
def test_rules_without_signs_have_the_same_laws_in_every_orthant(rule):
    found = laws(dynamics(rule, 2, 2, 1))
    assert found.to_json_dict()["orthant"] is None
    assert "orthant" not in repr(found)


def test_the_22_laws_of_linear_dfa():
    found = laws(dynamics("dfa", 3, 4, 3, 2, activation=LINEAR))
    product = "(D1 D2^+)"
    assert [(family.independent, family.text, family.condition) for family in found.families] == [
        (4, f"{NEURON} - <W2[:,j], {product}[j,:]>", ""),
        (3, "1/2 |W2[j,:]|^2 - <W3[:,j], D2[j,:]>", ""),
        (6, "<n, W1[:,k]>", "n^T D1 = 0"),
        (4, "<n, W2[:,k]>", "n^T D2 = 0"),
        (3, f"<W1[j,:], W1[k,:]> - <W2[:,k], {product}[j,:]> - <W2[:,j], {product}[k,:]>", ""),
        (2, "<W2[j,:], W2[k,:]> - <W3[:,k], D2[j,:]> - <W3[:,j], D2[k,:]>", ""),
    ]
    assert found.complete
    assert r"(D_{1} D_{2}^+)[j,:]" in found.families[0].latex


def test_products_of_residues_are_those_of_rational_numbers():
    source = np.random.default_rng(0)
    kept = {name: source.integers(-9, 9, (rows, 2)) for name, rows in (("D1", 4), ("D2", 3))}
    of, numbers = dynamics("dfa", 3, 4, 3, 2, activation=LINEAR), Modular()
    found = with_products(of, numbers, kept)["D1 D2^+"]
    exact = Matrix(kept["D1"]) * Matrix(kept["D2"]).pinv()
    expected = [numbers.of_fraction(Fraction(int(q.p), int(q.q))) for q in exact]
    assert found.ravel().tolist() == expected
    assert "D1 D2^+" not in with_products(dynamics("dfa", 3, 4, 3, 2), numbers, kept)


@pytest.mark.parametrize("rule", ["fa", "dfa", "signfa", "frsf", "low-rank-fa", "kolen-pollack"])
@pytest.mark.parametrize("sizes", [(2, 3, 2), (3, 4, 3, 2)])
def test_every_law_of_linear_networks_with_biases_has_a_formula(rule, sizes):
    layers = len(sizes) - 1
    found = laws(dynamics(rule, *sizes, activation=LINEAR, has_bias=(True,) * layers))
    assert found.complete
    assert found.unnamed == 0


def test_biases_of_linear_networks_move_along_the_feedback():
    found = laws(dynamics("fa", 2, 2, 1, activation=LINEAR, has_bias=(True, True)))
    assert any(text.startswith("c1[j] - B2[j,0] c2[0]") for text in found.formulas)


@pytest.mark.parametrize("rule", ["fa", "dfa", "kolen-pollack"])
def test_gradients_of_linear_laws_are_orthogonal_to_the_field_of_flowfa(rule):
    flow = small_flow(rule, "hidden", leak=1.0)
    found = laws(flow.problem)
    velocity = flow.field(torch.zeros(len(flow)), flow.initial)
    point = {
        name: array[0].numpy()
        for name, array in flow.parameters(flow.initial, torch.arange(len(flow))).items()
    }
    point |= {name: matrix[0].numpy() for name, matrix in flow.field.groups[0].kept.items()}
    moved = flow.layout.views(velocity)
    along = np.concatenate([moved[name][0].numpy().ravel() for name in flow.layout.shapes])
    assert np.abs(found.gradient(point) @ along).max() < 1e-11
    assert np.linalg.matrix_rank(found.gradient(point), tol=1e-8) == found.independent


def test_the_bias_law_that_follows_from_others_completes_its_family():
    """It holds for every neuron, though some of these laws follow from combinations of rows."""
    found = laws(dynamics("fa", 1, 3, 2, activation=LINEAR, has_bias=(True, True)))
    family = next(each for each in found.families if each.text.startswith("c1[j]"))
    assert [law.neurons for law in family.laws] == [(0,), (1,), (2,)]
    assert family.independent == 2
    assert found.without_law == ()


def linear_under_signs(parallel):
    """Laws under signfa, and a point where the two rows of F_2 that n is on are parallel or not.

    Of three rows of two signs two are always equal or opposite.
    """
    found = laws(dynamics("signfa", 2, 3, 2, activation=LINEAR))
    parts = [law.terms[0].coefficient.component for law in found.found]
    rows = list(next(part.rows for part in parts if part is not None))
    signs = np.ones((2, 3))
    signs[1, rows[0]] = -1.0
    if parallel:
        signs[:, rows[1]] = -signs[:, rows[0]]
    source = np.random.default_rng(0)
    point = {"W1": source.normal(size=(3, 2)), "W2": source.uniform(1, 2, (2, 3)) * signs}
    return found, point


def test_gradients_of_laws_that_hold_while_no_sign_flips_annihilate_the_field():
    found, point = linear_under_signs(parallel=True)
    gradient, source = found.gradient(point), np.random.default_rng(1)
    assert np.linalg.matrix_rank(gradient) == found.count
    for _ in range(20):
        x, residual = source.normal(size=2), source.normal(size=2)
        first = np.outer(np.sign(point["W2"]).T @ residual, x)
        field = np.concatenate([first.ravel(), np.outer(residual, point["W1"] @ x).ravel()])
        np.testing.assert_allclose(gradient @ field, 0.0, atol=1e-12)


def test_gradients_at_a_point_of_another_orthant_are_refused():
    found, point = linear_under_signs(parallel=False)
    with pytest.raises(InputError, match=r"weights of other signs than the law with n\^T F2 = 0"):
        found.gradient(point)
