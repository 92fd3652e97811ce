"""Dictionaries of candidates, from the most local to all monomials of a degree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations, combinations_with_replacement
from math import comb

import numpy as np

from theory_checks.laws.formulas.law import Factor, Monomial
from theory_checks.laws.motion.dynamics import Dynamics

MOST_CANDIDATES = 700


@dataclass(frozen=True)
class Dictionary:
    """Candidates that are tried together.

    Attributes
    ----------
    candidates : tuple of Monomial
        What a law is solved for stands last.
    layer : int or None
    neurons : tuple of int
        What a law of these candidates is of.
    """

    candidates: tuple[Monomial, ...]
    layer: int | None = None
    neurons: tuple[int, ...] = ()


class Candidates:
    """The dictionaries of a training flow.

    Parameters
    ----------
    dynamics : Dynamics
    signed : bool
        Whether the feedback has signs of weights in it, so that abs(w) and sign(w) are candidates.
    kept : dict
        Where each matrix that the rule keeps is not zero, by name.
    """

    def __init__(self, dynamics: Dynamics, signed: bool, kept: dict[str, np.ndarray]) -> None:
        self.dynamics = dynamics
        self.signed = signed
        self.kept = {} if dynamics.rule.redrawn else kept
        self.layout = dynamics.layout

    def entries(self) -> Iterator[Dictionary]:
        """Yield each number alone: one that never moves."""
        yield from (Dictionary(((Factor(*entry),),)) for entry in self._moving())

    def neurons(self) -> Iterator[Dictionary]:
        """Yield numbers and squares of one neuron's weights, the numbers with feedback too."""
        for layer in self._hidden():
            for neuron in range(self.dynamics.sizes[layer]):
                into, out = self._into(layer, neuron), self._out(layer, neuron)
                singles = self._singles(out)
                weighted = [
                    (*monomial, one)
                    for monomial in singles
                    for one in self._feedback(layer, neuron, monomial[0])
                ]
                monomials = [*singles, *weighted, *self._squares(out)]
                # The first in-weight stands last, so that it leads.
                own = [*self._singles(into), *self._squares(into)[::-1]]
                yield from self._timed([*monomials, *own], layer, (neuron,))

    def rows(self) -> Iterator[Dictionary]:
        """Yield the in-weights and the bias of each neuron of the first layer, as they are."""
        for neuron in range(self.dynamics.sizes[1]):
            singles = [(entry,) for entry in self._into(1, neuron)]
            yield Dictionary(tuple(singles), 1, (neuron,))

    def columns(self) -> Iterator[Dictionary]:
        """Yield the entries of one column of a weight matrix, or of a bias."""
        for layer in self._hidden():
            rows = range(self.dynamics.sizes[layer])
            for column in range(self.dynamics.sizes[layer - 1]):
                entries = [Factor(f"W{layer}", (row, column)) for row in rows]
                yield from self._timed(self._singles(entries), layer)
            if self.dynamics.has_bias[layer - 1]:
                entries = [Factor(f"c{layer}", (row,)) for row in rows]
                yield from self._timed(self._singles(entries), layer)

    def biases(self) -> Iterator[Dictionary]:
        """Yield the bias of each hidden neuron with those of a later layer, times feedback.

        Biases move along delta itself: c_l - F_{l+1} c_{l+1} in a linear network.
        """
        biased = [n for n in range(1, self.dynamics.layers + 1) if self.dynamics.has_bias[n - 1]]
        for layer in self._hidden():
            for later in biased if layer in biased else ():
                named = [n for n, m in self.kept.items() if m.shape == self._between(layer, later)]
                for neuron in range(self.dynamics.sizes[layer]) if later > layer else ():
                    own = [(one,) for one in self._and_velocity(Factor(f"c{layer}", (neuron,)))]
                    monomials = [*self._fed(later, neuron, named), *own]
                    yield from self._timed(monomials, layer, (neuron,))

    def pairs(self) -> Iterator[Dictionary]:
        """Yield products of entries of two neurons that stand at the same place, and feedback."""
        for layer in self._hidden():
            for first, second in combinations(range(self.dynamics.sizes[layer]), 2):
                monomials = self._pair(layer, first, second)
                yield from self._timed(monomials, layer, (first, second))

    def whole_neurons(self) -> Iterator[Dictionary]:
        """Yield all monomials of degree 1 and 2 of each neuron's in- and out-weights."""
        for layer in self._hidden():
            for neuron in range(self.dynamics.sizes[layer]):
                own = [*self._out(layer, neuron), *self._into(layer, neuron)]
                if comb(len(own) + 2, 2) <= MOST_CANDIDATES:
                    monomials = [*self._singles(own), *_monomials(own, 2)]
                    yield from self._timed(monomials, layer, (neuron,))

    def whole(self, degree: int) -> Iterator[Dictionary]:
        """Yield all monomials up to a degree, unless these are too many."""
        entries = [Factor(*entry) for entry in self._moving()]
        if comb(len(entries) + degree, degree) > MOST_CANDIDATES:
            return
        monomials = [*self._singles(entries)]
        for power in range(2, degree + 1):
            monomials += _monomials(entries, power)
        for dictionary in self._timed(monomials):
            if len(dictionary.candidates) <= MOST_CANDIDATES:
                yield dictionary

    def _hidden(self) -> range:
        return range(1, self.dynamics.layers)

    def _moving(self) -> list[tuple[str, tuple[int, ...]]]:
        return [entry for entry in self.layout.entries if entry[0] != "u"]

    def _into(self, layer: int, neuron: int) -> list[Factor]:
        """Return in-weights and bias of a neuron."""
        width = self.dynamics.sizes[layer - 1]
        entries = [Factor(f"W{layer}", (neuron, column)) for column in range(width)]
        if self.dynamics.has_bias[layer - 1]:
            entries.append(Factor(f"c{layer}", (neuron,)))
        return entries

    def _out(self, layer: int, neuron: int) -> list[Factor]:
        """Return out-weights and virtual readouts of a neuron."""
        after = layer + 1
        out = [Factor(f"W{after}", (row, neuron)) for row in range(self.dynamics.sizes[after])]
        if f"A{layer}" in self.layout.shapes:
            outputs = range(self.dynamics.sizes[-1])
            out += [Factor(f"A{layer}", (row, neuron)) for row in outputs]
        return out

    def _feedback(self, layer: int, neuron: int, out: Factor) -> Iterator[Factor]:
        """Yield feedback into a neuron that stands where one of its out-weights does."""
        for name, given in self.kept.items():
            shape = (self.dynamics.sizes[layer], self.layout.shapes[out.name][0])
            if given.shape == shape and given[neuron, out.index[0]]:
                yield Factor(name, (neuron, out.index[0]))

    def _between(self, layer: int, later: int) -> tuple[int, int]:
        return self.dynamics.sizes[layer], self.dynamics.sizes[later]

    def _fed(self, later: int, neuron: int, named: list[str]) -> Iterator[Monomial]:
        """Yield biases of a layer times feedback into a neuron, and times signs of weights."""
        for row in range(self.dynamics.sizes[later]):
            sign = Factor(f"W{later}", (row, neuron), "sign")
            given = [Factor(name, (neuron, row)) for name in named if self.kept[name][neuron, row]]
            in_shape = neuron < self.dynamics.sizes[later - 1]
            for bias in self._and_velocity(Factor(f"c{later}", (row,))):
                yield from ((bias, one) for one in given)
                if self.signed and in_shape:
                    yield (bias, sign)
                    yield from ((bias, sign, one) for one in given)

    def _and_velocity(self, entry: Factor) -> list[Factor]:
        """Return a number, and with momentum its velocity."""
        velocity = Factor(f"V{entry.name}", entry.index)
        return [entry] if self.dynamics.friction is None else [entry, velocity]

    def _singles(self, entries: Iterable[Factor]) -> list[Monomial]:
        """Return monomials of degree 1, absolute values and velocities beside the numbers."""
        entries = list(entries)
        singles: list[Monomial] = [(entry,) for entry in entries]
        if self.signed:
            singles += [(Factor(one.name, one.index, "abs"),) for one in entries]
        if self.dynamics.friction is not None:
            singles += [
                (Factor(f"V{one.name}", one.index),) for one in entries if one.name[0] != "V"
            ]
        return list(dict.fromkeys(singles))

    def _squares(self, entries: list[Factor]) -> list[Monomial]:
        squares: list[Monomial] = [(entry, entry) for entry in entries]
        if self.signed:
            # Positive and negative parts have the potentials w^2 and w |w|.
            squares += [(one, Factor(one.name, one.index, "abs")) for one in entries]
        if self.dynamics.friction is not None:
            velocities = [Factor(f"V{one.name}", one.index) for one in entries]
            squares += [(one, one) for one in velocities]
            squares += list(zip(entries, velocities, strict=True))
        return squares

    def _pair(self, layer: int, first: int, second: int) -> list[Monomial]:
        """Return products of entries of two neurons that stand at the same place."""
        out = (self._out(layer, first), self._out(layer, second))
        into = (self._into(layer, first), self._into(layer, second))
        crossed: list[Monomial] = []
        for one, other in zip(*out, strict=True):
            moving = [(entry, *self._and_velocity(entry)[1:]) for entry in (one, other)]
            crossed += [(entry,) for both in moving for entry in both]
            if self.signed:
                crossed += [(entry, replace(one, form="sign")) for entry in moving[1]]
                crossed += [(entry, replace(other, form="sign")) for entry in moving[0]]
        weighted = [
            (*monomial, feedback)
            for monomial in crossed
            for neuron in (first, second)
            for feedback in self._feedback(layer, neuron, monomial[0])
        ]
        products = [*zip(*out, strict=True), *reversed(list(zip(*into, strict=True)))]
        return [*crossed, *weighted, *self._with_velocity(products)]

    def _with_velocity(self, products: list[Monomial]) -> list[Monomial]:
        """Return products of two entries, and with momentum those of one and a velocity."""
        if self.dynamics.friction is None:
            return products
        moving = [(one, Factor(f"V{two.name}", two.index)) for one, two in products]
        moving += [(two, Factor(f"V{one.name}", one.index)) for one, two in products]
        return [*products, *moving]

    def _timed(
        self, monomials: list[Monomial], layer: int | None = None, neurons: tuple[int, ...] = ()
    ) -> Iterator[Dictionary]:
        """Yield dictionaries, each monomial with the exponential of time that may belong to it.

        Where there are no data a monomial decays as exp(-k unit t), k the sum over its factors, so
        that no other exponential can make a law of it. Velocities mix with weights: under friction
        mu combinations of degree 2 decay as exp(-k mu t), k from 0 to 2, all monomials together.
        """
        dynamics = self.dynamics
        if dynamics.friction:
            unit = dynamics.in_units(dynamics.friction)
            for power in (0, unit, 2 * unit):
                timed = [(*monomial, *_growing(power)) for monomial in monomials]
                yield Dictionary(tuple(timed), layer, neurons)
            return
        timed = [
            (
                *monomial,
                *_growing(sum(self._decay(one.name) for one in monomial if one.form != "sign")),
            )
            for monomial in monomials
        ]
        yield Dictionary(tuple(timed), layer, neurons)

    def _power(self, monomial: Monomial) -> int:
        return sum(self._decay(one.name) for one in monomial if one.form != "sign")

    def _decay(self, name: str) -> int:
        if not self.dynamics.decays or name not in self.layout.shapes or name[0] not in "Wc":
            return 0
        return self.dynamics.in_units(self.dynamics.weight_decay[int(name[1:]) - 1])


def _growing(power: int) -> Monomial:
    """Return the exponential of time that a monomial is multiplied by; none for power 0."""
    return (Factor("u", (), "value", power),) if power else ()


def _monomials(entries: list[Factor], degree: int) -> list[Monomial]:
    return list(combinations_with_replacement(entries, degree))
