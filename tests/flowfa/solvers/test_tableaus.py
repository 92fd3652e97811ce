"""Every Runge-Kutta table keeps what it claims: order, error estimate, dense output."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.integrate import DOP853, RK23, RK45

from flowfa.errors import InputError
from flowfa.solvers.runge_kutta.methods import TABLEAUS, Tableau
from tests.support.rooted_trees import FAILS, gamma, order_of, trees, worst_residual

ALL = [TABLEAUS.get(name) for name in TABLEAUS.names()]
PAIRS = [t for t in ALL if t.error_order is not None]
STAGED = [t for t in ALL if t.stages > 1]
every = pytest.mark.parametrize("tableau", ALL, ids=lambda t: t.name)
every_pair = pytest.mark.parametrize("tableau", PAIRS, ids=lambda t: t.name)
every_staged = pytest.mark.parametrize("tableau", STAGED, ids=lambda t: t.name)

THETAS = np.array([0.05, 0.3, 0.5, 0.77, 1.0])


def all_rows(tableau: Tableau) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and square matrix over the stages, k_{s+1} and the extra stages."""
    s = tableau.stages
    nodes = np.concatenate([tableau.nodes, [1.0], tableau.extra_nodes])
    matrix = np.zeros((len(nodes), len(nodes)))
    matrix[:s, :s] = tableau.matrix
    matrix[s, :s] = tableau.weights
    matrix[s + 1 :] = tableau.extra_matrix
    return nodes, matrix


def dense_weights(tableau: Tableau, theta: float) -> np.ndarray:
    """b_i(theta) over the stages, k_{s+1} and the extra stages."""
    return tableau.interpolant @ theta ** np.arange(1, tableau.interpolant.shape[1] + 1)


def dense_slopes(tableau: Tableau, theta: float) -> np.ndarray:
    """Derivative of b_i(theta)."""
    powers = np.arange(tableau.interpolant.shape[1])
    return tableau.interpolant @ ((powers + 1) * theta**powers)


def rounding(tableau: Tableau) -> float:
    """What rounding may cost in the dense output: dop853's coefficients reach 545."""
    return 10 * np.finfo(float).eps * np.abs(tableau.interpolant).max()


def worst_dense_residual(tableau: Tableau, order: int) -> float:
    _, matrix = all_rows(tableau)
    return max(
        worst_residual(matrix, dense_weights(tableau, theta), order, theta) for theta in THETAS
    )


def embedded_orders(tableau: Tableau) -> list[int]:
    """Order of weights minus error, k_{s+1} included, for each error row."""
    s = tableau.stages
    matrix = all_rows(tableau)[1][: s + 1, : s + 1]
    return [order_of(matrix, np.append(tableau.weights, 0.0) - row) for row in tableau.error]


def row_sums_differ_by(tableau: Tableau) -> float:
    nodes, matrix = all_rows(tableau)
    return float(np.abs(matrix.sum(axis=1) - nodes).max())


# ---- a plain stepper and problems with closed forms --------------------------------------------


def step(tableau: Tableau, f, t, y, h):
    """One step for all columns of y; return y1, the error estimates and all derivatives."""
    s = tableau.stages
    nodes, matrix = all_rows(tableau)
    k = np.zeros((len(nodes), *np.shape(y)))
    for i, c in enumerate(nodes):
        k[i] = f(t + c * h, y + h * np.tensordot(matrix[i], k, 1))
    errors = np.tensordot(tableau.error, k[: s + 1], 1)
    return y + h * np.tensordot(tableau.weights, k[:s], 1), errors, k


def field(t, y):
    """Two equations, not autonomous; the first is not linear."""
    return np.stack([y[0] ** 2 * np.cos(t), np.cos(t) * (y[1] - np.sin(2 * t)) + 2 * np.cos(2 * t)])


def solution(t):
    return np.stack([1 / (2 - np.sin(t)), np.sin(2 * t) + np.exp(np.sin(t))])


def autonomous_field(t, y):
    """y0' = y0 y1, y1' = -y0^2 + y1 / 3: no t on the right-hand side."""
    return np.stack([y[0] * y[1], -(y[0] ** 2) + y[1] / 3])


STARTS = np.linspace(0.0, 6.0, 25)


def fitted_slope(expected: int, error_of) -> float:
    """Order fitted to the largest of the errors that `error_of(h)` returns.

    The steps shrink with the slope to expect: small enough for the leading term to rule, while
    the errors stay far above rounding.
    """
    sizes = 1e-7 ** (1 / expected) * np.array([1.0, 1.3, 1.7, 2.2])
    errors = [np.abs(error_of(h)).max() for h in sizes]
    return float(np.polyfit(np.log(sizes), np.log(errors), 1)[0])


def step_error(tableau: Tableau, h: float) -> np.ndarray:
    end, _, _ = step(tableau, field, STARTS, solution(STARTS), h)
    return end - solution(STARTS + h)


def test_the_generator_finds_all_rooted_trees():
    assert [len(trees(n)) for n in range(1, 10)] == [1, 1, 2, 4, 9, 20, 48, 115, 286]


def test_the_bushy_tree_has_density_n_and_the_tall_tree_n_factorial():
    assert gamma(((), (), ())) == 4
    assert gamma(((((),),),)) == 24


def test_the_registry_names_every_method():
    assert set(TABLEAUS.names()) >= {"euler", "heun", "rk4", "bosh3", "dopri5", "tsit5", "dop853"}
    assert all(TABLEAUS.get(t.name) is t for t in ALL)


def test_an_unknown_method_is_answered_with_the_nearest_name():
    with pytest.raises(InputError, match="did you mean 'dopri5'"):
        TABLEAUS.get("dopri")


@every
def test_row_sums_equal_nodes_and_the_first_stage_is_the_start(tableau):
    assert tableau.nodes[0] == 0.0
    assert row_sums_differ_by(tableau) < 1e-14


@every
def test_no_stage_uses_itself_or_a_later_one(tableau):
    assert not np.triu(all_rows(tableau)[1]).any()


@every
def test_order_conditions_hold_up_to_the_claimed_order_and_no_further(tableau):
    assert order_of(tableau.matrix, tableau.weights) == tableau.order
    assert worst_residual(tableau.matrix, tableau.weights, tableau.order + 1) > FAILS


@every_pair
def test_error_rows_sum_to_zero(tableau):
    assert np.abs(tableau.error.sum(axis=1)).max() < 1e-15


@every_pair
def test_embedded_solutions_have_the_order_that_the_estimate_claims(tableau):
    orders = embedded_orders(tableau)
    assert max(orders) < tableau.order
    # h e5^2 / e3 with e5 = O(h^q5), e3 = O(h^q3) is O(h^(1 + 2 q5 - q3)).
    claimed = orders[0] if len(orders) == 1 else 2 * orders[0] - orders[1]
    assert claimed == tableau.error_order


@every_pair
def test_the_estimate_shrinks_with_its_order(tableau):
    def estimate(h):
        _, rows, _ = step(tableau, field, STARTS, solution(STARTS), h)
        if len(rows) == 1:
            return h * rows[0]
        five, three = (rows**2).sum(axis=1)
        return h * five / np.sqrt(five + 0.01 * three)

    slope = fitted_slope(tableau.error_order + 1, estimate)
    assert slope == pytest.approx(tableau.error_order + 1, abs=0.25)


@every
def test_one_step_errs_with_the_claimed_order(tableau):
    slope = fitted_slope(tableau.order + 1, lambda h: step_error(tableau, h))
    assert slope == pytest.approx(tableau.order + 1, abs=0.25)


@every
def test_dense_output_errs_with_the_claimed_order(tableau):
    def error(h):
        y = solution(STARTS)
        _, _, k = step(tableau, field, STARTS, y, h)
        return [
            y + h * np.tensordot(dense_weights(tableau, x), k, 1) - solution(STARTS + x * h)
            for x in THETAS
        ]

    slope = fitted_slope(tableau.dense_order + 1, error)
    assert slope == pytest.approx(tableau.dense_order + 1, abs=0.25)


@every
def test_dense_output_ends_in_the_step_with_the_slopes_of_both_ends(tableau):
    # Every method here is C1: continuous in value and in slope across steps.
    s, tolerance = tableau.stages, rounding(tableau)
    unit = np.eye(len(tableau.interpolant))
    end = np.concatenate([tableau.weights, np.zeros(len(unit) - s)])
    np.testing.assert_allclose(dense_weights(tableau, 1.0), end, rtol=0, atol=tolerance)
    np.testing.assert_array_equal(dense_slopes(tableau, 0.0), unit[0])
    np.testing.assert_allclose(dense_slopes(tableau, 1.0), unit[s], rtol=0, atol=tolerance)


@every
def test_dense_order_conditions_hold_up_to_the_claimed_order_and_no_further(tableau):
    for order in range(1, tableau.dense_order + 1):
        assert worst_dense_residual(tableau, order) < rounding(tableau)
    assert worst_dense_residual(tableau, tableau.dense_order + 1) > FAILS


def test_tsit5_dense_output_is_the_factored_form_of_the_paper():
    x = np.linspace(0.0, 1.0, 11)
    paper = [
        -1.0530884977290216
        * x
        * (x - 1.3299890189751412)
        * (x**2 - 1.4364028541716351 * x + 0.7139816917074209),
        0.1017 * x**2 * (x**2 - 2.1966568338249754 * x + 1.2949852507374631),
        2.490627285651252793 * x**2 * (x**2 - 2.38535645472061657 * x + 1.57803468208092486),
        -16.54810288924490272 * (x - 1.21712927295533244) * (x - 0.61620406037800089) * x**2,
        47.37952196281928122 * (x - 1.203071208372362603) * (x - 0.658047292653547382) * x**2,
        -34.87065786149660974 * (x - 1.2) * (x - 0.666666666666666667) * x**2,
        2.5 * (x - 1) * (x - 0.6) * x**2,
    ]
    ours = np.stack([dense_weights(TABLEAUS.get("tsit5"), theta) for theta in x], axis=1)
    np.testing.assert_allclose(ours, paper, rtol=0, atol=5e-14)


# ---- scipy as oracle ---------------------------------------------------------------------------

SCIPY = {"bosh3": RK23, "dopri5": RK45, "dop853": DOP853}


@pytest.mark.parametrize("name", SCIPY)
def test_coefficients_equal_those_of_scipy(name):
    tableau, oracle = TABLEAUS.get(name), SCIPY[name]
    np.testing.assert_allclose(tableau.nodes, oracle.C, rtol=1e-15)
    columns = oracle.A.shape[1]  # scipy leaves a last column of zeros out for RK45
    np.testing.assert_allclose(tableau.matrix[:, :columns], oracle.A, rtol=1e-15)
    assert not tableau.matrix[:, columns:].any()
    np.testing.assert_allclose(tableau.weights, oracle.B, rtol=1e-15)
    # scipy's single rows are embedded minus weights, its E5 and E3 the other way round.
    error = np.stack([oracle.E5, oracle.E3]) if name == "dop853" else -oracle.E[None]
    np.testing.assert_allclose(tableau.error, error, rtol=0, atol=1e-15)


@pytest.mark.parametrize("name", SCIPY)
@pytest.mark.parametrize("start", [0.3, 1.7])
def test_one_step_and_its_dense_output_equal_those_of_scipy(name, start):
    tableau, h, y = TABLEAUS.get(name), 0.4, solution(start)
    oracle = SCIPY[name](field, start, y, start + 9.0, first_step=h, rtol=1e3, atol=1e3)
    oracle.step()
    assert oracle.t == start + h
    end, _, k = step(tableau, field, start, y, h)
    np.testing.assert_allclose(end, oracle.y, rtol=1e-15, atol=0)
    theta = np.linspace(0.0, 1.0, 21)
    weights = np.stack([dense_weights(tableau, x) for x in theta], axis=1)
    ours = y[:, None] + h * np.tensordot(k, weights, (0, 0))
    scipys = oracle.dense_output()(start + theta * h)
    assert np.abs(ours - scipys).max() < 1e-13 * np.abs(scipys).max()


# ---- negative controls: a wrong table does not pass --------------------------------------------


def with_a_wrong_node(tableau: Tableau, stage: int) -> Tableau:
    nodes = tableau.nodes.copy()
    nodes[stage] += 0.01
    return dataclasses.replace(tableau, nodes=nodes)


@every_staged
def test_every_wrong_node_is_seen_by_the_row_sums(tableau):
    for stage in range(tableau.stages):
        assert row_sums_differ_by(with_a_wrong_node(tableau, stage)) > 1e-3


@every_staged
def test_a_wrong_node_is_invisible_without_time_and_costs_the_order_with_it(tableau):
    wrong = with_a_wrong_node(tableau, tableau.stages - 1)
    y = solution(STARTS)
    right_end, _, _ = step(tableau, autonomous_field, STARTS, y, 0.1)
    wrong_end, _, _ = step(wrong, autonomous_field, STARTS, y, 0.1)
    np.testing.assert_array_equal(wrong_end, right_end)
    assert order_of(wrong.matrix, wrong.weights) == tableau.order
    assert fitted_slope(tableau.order + 1, lambda h: step_error(wrong, h)) < tableau.order + 0.5


@every_staged
def test_every_wrong_matrix_entry_is_seen_by_the_order_conditions(tableau):
    for i, j in np.argwhere(tableau.matrix):
        matrix = tableau.matrix.copy()
        matrix[i, j] += 1e-5
        assert order_of(matrix, tableau.weights) < tableau.order


@every
def test_every_wrong_dense_coefficient_is_seen_by_the_dense_conditions(tableau):
    for index in np.ndindex(tableau.interpolant.shape):
        interpolant = tableau.interpolant.copy()
        interpolant[index] += 1e-5
        wrong = dataclasses.replace(tableau, interpolant=interpolant)
        assert worst_dense_residual(wrong, 1) > FAILS


@every_pair
def test_the_weights_themselves_do_not_pass_as_an_embedded_solution(tableau):
    wrong = dataclasses.replace(tableau, error=np.zeros((1, tableau.stages + 1)))
    assert embedded_orders(wrong) == [tableau.order]


@pytest.mark.parametrize(
    ("field_name", "value"),
    [
        ("nodes", np.zeros(2)),
        ("matrix", np.zeros((3, 4))),
        ("weights", np.zeros((3, 1))),
        ("error", np.zeros((1, 3))),
        ("error", np.zeros((3, 4))),
        ("error", np.zeros((0, 4))),
        ("error", np.zeros(4)),
        ("error_order", None),
        ("extra_nodes", np.zeros(1)),
        ("extra_matrix", np.zeros((1, 4))),
        ("interpolant", np.zeros((3, 3))),
        ("interpolant", np.array(1.0)),
    ],
)
def test_fields_that_do_not_belong_together_are_refused_by_name(field_name, value):
    with pytest.raises(InputError, match="tableau 'bosh3'"):
        dataclasses.replace(TABLEAUS.get("bosh3"), **{field_name: value})
