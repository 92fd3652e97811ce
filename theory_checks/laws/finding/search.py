"""The search for laws: from the most local dictionaries on, until the count is met."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np

from theory_checks.laws.arithmetic.elimination import Span
from theory_checks.laws.arithmetic.modular import PRIMES
from theory_checks.laws.finding.candidates import Candidates, Dictionary
from theory_checks.laws.finding.naming import Names
from theory_checks.laws.finding.rates import Rates
from theory_checks.laws.formulas.law import Coefficient, Law, Monomial, Term
from theory_checks.laws.motion.dynamics import Dynamics
from theory_checks.laws.motion.orthants import has_signs

TRIALS = 40
"""Fields that try a law once more, in every draw."""


@dataclass
class Found:
    """What was found.

    Attributes
    ----------
    laws : list of Law
    independent : int
        How many of them are independent of those before, with those that have no name.
    unnamed : int
        How many independent ones have coefficients without a name.
    """

    laws: list[Law] = field(default_factory=list)
    independent: int = 0
    unnamed: int = 0


class Search:
    """A search for the laws of a training flow.

    Parameters
    ----------
    dynamics : Dynamics
    seed : int
    degree : int
        Largest degree of the monomials.
    known : sequence of Law
        Laws that are found already.
    watch : callable, optional
        Is shown what is found as it grows.
    """

    def __init__(
        self,
        dynamics: Dynamics,
        seed: int = 0,
        degree: int = 2,
        known: Sequence[Law] = (),
        watch: Callable[[Found], None] = lambda _: None,
    ) -> None:
        self.watch = watch
        self.dynamics, self.degree, self.seed = dynamics, degree, seed
        # Coefficients that are numbers: every field has feedback of its own.
        self.fresh = self._draws((PRIMES[0], PRIMES[1]), 1, fresh=True)
        # Coefficients that are made of feedback: the same in all fields of a draw.
        self.fixed = self._draws((PRIMES[0], PRIMES[0], PRIMES[1]), 11)
        first = self.fixed[0]
        self.signed = has_signs(first.motion)
        self.candidates = Candidates(dynamics, self.signed, _given(self.fixed))
        self.span = Span(first.numbers, dynamics.layout.size)
        self.found = Found()
        self.names = Names(self.fixed)
        for law in known:
            self._keep(law)

    def run(self, wanted: int) -> Found:
        """Search until `wanted` independent laws are found, or the dictionaries end.

        A kind of dictionary is searched to its end, so that families are whole.
        """
        if self.dynamics.inputs is not None:
            self._outside_the_data()
        kinds = [
            (self.fresh, self.candidates.entries),
            (self.fresh, self.candidates.neurons),
            (self.fixed, self.candidates.columns),
            (self.fresh, self.candidates.biases),
            (self.fresh, self.candidates.pairs),
            (self.fixed, self.candidates.whole_neurons),
        ]
        linear = self.dynamics.activation.leak == 1.0 and wanted > 0
        for draws, dictionaries in kinds:
            # The laws of pairs are those of linear networks (C-5), also where they follow.
            whole = linear and dictionaries == self.candidates.pairs
            if self.found.independent < wanted or whole:
                self._search(draws, dictionaries())
        for degree in range(2, self.degree + 1):
            if self.found.independent < wanted:
                self._search(self.fixed, self.candidates.whole(degree))
        if self.signed and self.found.independent < wanted:
            signs = self.fixed[0].signs
            orthant = self._draws((PRIMES[0], PRIMES[0], PRIMES[1]), 11, orthant=signs)
            self._search(orthant, self.candidates.columns())
        return self.found

    def _draws(self, primes: tuple[int, ...], shift: int, **kinds: Any) -> list[Rates]:
        return [
            Rates(self.dynamics, prime, self.seed + shift + number, **kinds)
            for number, prime in enumerate(primes)
        ]

    def _search(self, draws: list[Rates], dictionaries: Iterable[Dictionary]) -> None:
        names = self.names if draws is self.fixed else Names(draws)
        for dictionary in dictionaries:
            self.watch(self.found)
            vectors, free = draws[0].null_vectors(dictionary.candidates)
            if not len(free):
                continue
            others = [draw.null_vectors(dictionary.candidates) for draw in draws[1:]]
            if any(not np.array_equal(pattern, free) for _, pattern in others):
                continue
            for place, leading in enumerate(free.tolist()):
                columns = [vectors[place], *(other[place] for other, _ in others)]
                law = _named(names, columns, leading, dictionary)
                if law is not None:
                    kind = law.kind
                    if draws[0].orthant is not None:
                        kind = "while no sign flips"
                    elif kind == "universal" and self.dynamics.inputs is not None:
                        kind = "these data only"
                    self._keep(
                        replace(law, kind=kind), names if draws[0].orthant is not None else None
                    )
                elif draws is self.fixed and self._enters(vectors[place], dictionary.candidates):
                    self.found.independent += 1
                    self.found.unnamed += 1
        self.watch(self.found)

    def _keep(self, law: Law, names: Names | None = None) -> None:
        """Add a law, which says whether it is independent of those before.

        Whatever led to it, no field of any draw may change it.
        """
        names = self.names if names is None else names
        if not all(_conserved(names, number, law) for number in range(len(names.draws))):
            return
        # All gradients are taken at one point, with one draw of the feedback.
        gradient = law_gradient(self.names, law)
        independent = bool(self.span.add(gradient[None]))
        # Of laws that follow from others only whole families are of interest, and none of them that
        # is made of numbers that never move.
        moves = gradient.any() and not self._is_still(law)
        of_pair = len(law.neurons) > 1 and law.kind == "universal"
        if independent or (moves and (of_pair or _is_of_bias(law))):
            self.found.laws.append(replace(law, independent=independent))
        self.found.independent += independent

    def _is_still(self, law: Law) -> bool:
        """Return whether each number of a law is known never to move."""
        still = {one.terms[0].monomial[0].entry for one in self.found.laws if one.kind == "trivial"}
        return all(factor.entry in still for term in law.terms for factor in term.monomial)

    def _outside_the_data(self) -> None:
        """Add the part of each row of W_1, with its bias, that no given sample moves."""
        inputs = self.dynamics.inputs
        assert inputs is not None
        if self.dynamics.has_bias[0]:
            inputs = np.hstack([inputs, np.ones((len(inputs), 1))])
        directions = np.linalg.svd(inputs)[2]
        for dictionary in self.candidates.rows():
            vectors, _ = self.fixed[0].null_vectors(dictionary.candidates)
            for vector, direction in zip(vectors, directions[::-1], strict=False):
                terms = tuple(
                    Term(Coefficient(Fraction(float(entry))), monomial)
                    for entry, monomial in zip(direction, dictionary.candidates, strict=True)
                )
                law = Law(
                    terms,
                    dictionary.layer,
                    dictionary.neurons,
                    "outside the data",
                    tuple(direction.tolist()),
                    self._enters(vector, dictionary.candidates),
                )
                self.found.laws.append(law)
                self.found.independent += law.independent

    def _enters(self, vector: np.ndarray, candidates: tuple[Monomial, ...]) -> bool:
        columns = np.flatnonzero(vector)
        parts = self.fixed[0].gradients([candidates[column] for column in columns])
        total = np.zeros(parts.shape[1], dtype=np.int64)
        for weight, part in zip(vector[columns], parts, strict=True):
            total = self.fixed[0].numbers.reduce(total + weight * part)
        return bool(self.span.add(total[None]))


def _given(draws: list[Rates]) -> dict[str, np.ndarray]:
    """Return where what the rule keeps is not zero, in some draw at least."""
    given = [draw.given for draw in draws]
    return {name: np.any([one[name] != 0 for one in given], axis=0) for name in given[0]}


def law_gradient(names: Names, law: Law) -> np.ndarray:
    """Return the gradient of a law at the first point of the first draw, (number,)."""
    draw = names.draws[0]
    parts = draw.gradients([term.monomial for term in law.terms])
    weights = np.array([names.residue(term.coefficient) for term in law.terms])
    return draw.numbers.reduce(draw.numbers.reduce(weights[:, None] * parts).sum(0))


def _conserved(names: Names, number: int, law: Law) -> bool:
    """Return whether no field of a draw changes a law."""
    draw = names.draws[number]
    weights = np.array([names.residue(term.coefficient, number) for term in law.terms])
    rows = max(TRIALS, draw.least_rows)
    rates = draw.rates([term.monomial for term in law.terms], rows)
    return not draw.numbers.reduce(draw.numbers.reduce(weights * rates).sum(1)).any()


def _named(
    names: Names, vectors: list[np.ndarray], leading: int, dictionary: Dictionary
) -> Law | None:
    """Return a law with names for its coefficients, the leading term first."""
    columns = sorted(set(np.flatnonzero(vectors[0]).tolist()) - {leading}, reverse=True)
    candidates = dictionary.candidates
    coefficients = [names.of([int(vector[column]) for vector in vectors]) for column in columns]
    place = (dictionary.layer, dictionary.neurons)
    # A number that was found on one orthant may have another sign on the next.
    if names.draws[0].orthant is not None or None in coefficients:
        together = sorted((*columns, leading))
        members = [candidates[column] for column in together]
        residues = [vector[together] for vector in vectors]
        components = names.components(members, residues, dictionary.layer)
        if components is None:
            return None
        terms = [Term(one, monomial) for one, monomial in zip(components, members, strict=True)]
        return Law(tuple(terms), *place)
    scale = Fraction(1, 2) if _is_square(candidates[leading]) else Fraction(1)
    terms = [_term(Coefficient(scale), candidates[leading], names)]
    terms += [
        _term(one.times(scale), candidates[column], names)
        for one, column in zip(coefficients, columns, strict=True)
        if one is not None
    ]
    kind = "trivial" if len(terms) == 1 and len(candidates[leading]) == 1 else "universal"
    # abs(w) has no jump where w changes its sign, but the sign of one weight times another has.
    if any(factor.form == "sign" for term in terms for factor in term.monomial):
        kind = "while no sign flips"
    return Law(tuple(terms), *place, kind)


def _term(coefficient: Coefficient, monomial: Monomial, names: Names) -> Term:
    """Return a term in which feedback is part of the coefficient."""
    feedback = tuple((factor.entry, 1) for factor in monomial if factor.name in names.kept)
    moving = tuple(factor for factor in monomial if factor.name not in names.kept)
    return Term(replace(coefficient, entries=coefficient.entries + feedback), moving)


def _is_of_bias(law: Law) -> bool:
    """Return whether a law is of one neuron's bias, and led by it."""
    leading = law.terms[0].monomial[0].name
    return len(law.neurons) == 1 and leading in (f"c{law.layer}", f"Vc{law.layer}")


def _is_square(monomial: Monomial) -> bool:
    factors = [factor for factor in monomial if factor.name != "u"]
    return len(factors) == 2 and factors[0] == factors[1]
