"""Arithmetic modulo a prime against Python's whole numbers, sympy and torch's derivatives."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from sympy import GF, isprime
from sympy.polys.matrices import DomainMatrix
from torch.autograd.functional import jvp

from tests.support.laws import HalfFA, dynamics
from theory_checks.laws.arithmetic.elimination import Span, rank
from theory_checks.laws.arithmetic.extended import Extended
from theory_checks.laws.arithmetic.jets import Jet
from theory_checks.laws.arithmetic.modular import PRIMES, Modular
from theory_checks.laws.counting.brackets import nested_bracket
from theory_checks.laws.motion.motion import Motion

NUMBERS = Modular()


def test_the_primes_are_primes_of_26_bits():
    assert all(isprime(prime) and prime.bit_length() == 26 for prime in PRIMES)


@pytest.mark.parametrize(
    "value", [Fraction(1, 2), Fraction(-3, 7), Fraction(0), Fraction(999, 998)]
)
def test_fractions_are_recovered(value):
    assert NUMBERS.as_fraction(NUMBERS.of_fraction(value)) == value


def test_a_residue_of_no_simple_fraction_is_none():
    random = np.random.default_rng(0).integers(0, NUMBERS.prime, 200)
    assert sum(NUMBERS.as_fraction(int(residue)) is None for residue in random) > 190


def test_floats_are_the_fractions_that_they_are():
    assert int(NUMBERS.of(np.array(0.1))) == NUMBERS.of_fraction(Fraction(0.1))


def test_inverse_is_that_of_python():
    values = np.array([2, 3, 12345678])
    assert NUMBERS.inverse(values).tolist() == [pow(v, -1, NUMBERS.prime) for v in values.tolist()]


@pytest.mark.parametrize("shape", [(5, 8), (8, 5), (6, 6)])
def test_rank_and_null_space_are_those_of_sympy(shape):
    source = np.random.default_rng(1)
    rows = source.integers(0, NUMBERS.prime, (shape[0], 3)) @ source.integers(0, 9, (3, shape[1]))
    field = GF(NUMBERS.prime)
    exact = DomainMatrix([[field(int(v)) for v in row] for row in rows], shape, field)
    assert rank(NUMBERS, rows) == exact.rank() == 3
    span = Span(NUMBERS, shape[1])
    span.add(rows)
    vectors, free = span.null_vectors()
    assert len(free) == shape[1] - 3
    products = (rows % NUMBERS.prime).astype(object) @ vectors.T.astype(object)
    assert not (products % NUMBERS.prime).any()


def test_rows_added_in_parts_span_what_they_span_together():
    source = np.random.default_rng(2)
    rows = source.integers(0, 3, (12, 9))
    parts, whole = Span(NUMBERS, 9), Span(NUMBERS, 9)
    grown = [parts.add(piece) for piece in np.split(rows, 4)]
    assert sum(grown) == whole.add(rows) == parts.rank
    order = np.argsort(parts.pivots), np.argsort(whole.pivots)
    assert np.array_equal(parts.rows[order[0]], whole.rows[order[1]])


def floats(jet):
    return torch.tensor(jet.values[0].astype(float))


def torch_field(motion, samples, signs):
    """The field of one sample by torch, the slopes those of the sample."""
    sizes, layout = motion.dynamics.sizes, motion.layout
    x, residual = floats(samples.inputs), floats(samples.residual)
    slopes = [floats(slope) for slope in samples.slopes]
    kept = {name: torch.tensor(matrix)[None] for name, matrix in motion.feedback.kept.items()}

    def field(state):
        weights = {
            n: state[:, layout.slice_of(f"W{n}")].reshape(-1, sizes[n], sizes[n - 1])
            for n in range(1, len(sizes))
        }
        hidden = [x]
        for n in range(1, len(sizes) - 1):
            z = (weights[n] @ hidden[-1][:, :, None])[:, :, 0]
            hidden.append(slopes[n - 1] * z)
        delta, parts = residual, {}
        for n in range(len(sizes) - 1, 0, -1):
            parts[n] = (delta[:, :, None] * hidden[n - 1][:, None, :]).flatten(1)
            if n > 1:
                matrix = motion.dynamics.rule.form(n, weights[n].shape[1:], kept).matrix(weights[n])
                delta = (matrix @ delta[:, :, None])[:, :, 0] * slopes[n - 2]
        return torch.cat([parts[n] for n in sorted(parts)], 1)

    return field


@pytest.mark.parametrize("rule", ["gd", "fa", HalfFA()])
def test_brackets_are_those_of_torch(rule):
    motion = Motion(dynamics(rule, 2, 3, 2, 2), Extended(), np.random.default_rng(3), largest=1)
    points, fields, references = motion.points(1), [], []
    for _ in range(3):
        samples = motion.samples(4)
        fields.append(lambda state, s=samples: motion.field(state, points.signs, s))
        references.append(torch_field(motion, samples, points.signs))
    state = floats(points.state).expand(4, -1)

    def bracket(first, second):
        def value(at):
            along = jvp(second, at, first(at), create_graph=True)[1]
            return along - jvp(first, at, second(at), create_graph=True)[1]

        return value

    expected = bracket(references[0], bracket(references[1], references[2]))(state)
    found = floats(nested_bracket(fields, points.state))
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_gd_field_is_the_gradient_by_autograd():
    motion = Motion(dynamics("gd", 3, 4, 2), Extended(), np.random.default_rng(4), largest=1)
    points, samples = motion.points(1), motion.samples(1)
    state = floats(points.state).requires_grad_()
    first, second = state[0, :12].reshape(4, 3), state[0, 12:].reshape(2, 4)
    hidden = floats(samples.slopes[0])[0] * (first @ floats(samples.inputs)[0])
    (floats(samples.residual)[0] @ (second @ hidden)).backward()
    found = floats(motion.field(points.state, points.signs, samples))
    torch.testing.assert_close(found, state.grad)


def test_products_of_jets_have_mixed_derivatives():
    """(a + e)(a + f) has the coefficient 1 of e f."""
    a = np.array([[5]])
    one = Jet(np.stack([a, a * 0 + 1]), NUMBERS)
    other = Jet(np.stack([a, a * 0, a * 0 + 1, a * 0]), NUMBERS)
    assert (one.padded(4) * other).values.ravel().tolist() == [25, 5, 5, 1]
