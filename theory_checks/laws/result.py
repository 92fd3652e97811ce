"""The conservation laws of a training flow: counted, found, and put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from flowfa.problems.activations.stored import describe_activation
from flowfa.problems.problem import Problem
from theory_checks.laws.arithmetic.modular import PRIMES
from theory_checks.laws.counting.evidence import estimate_count
from theory_checks.laws.counting.rank import Count, count_laws
from theory_checks.laws.finding.search import Found, Search
from theory_checks.laws.formulas.families import Family, families
from theory_checks.laws.formulas.law import Law
from theory_checks.laws.motion.dynamics import Dynamics
from theory_checks.laws.motion.soundness import check_feedback, is_followed, uses_signs
from theory_checks.laws.motion.traced import NotFollowed
from theory_checks.laws.report import lines
from theory_checks.laws.stored import FORMAT


@dataclass(frozen=True)
class Laws:
    """What a training flow conserves, over all data and losses.

    Attributes
    ----------
    dynamics : Dynamics
    counted : Count
        The rank level by level.
    found : tuple of Law
        The laws with a formula.
    independent : int
        How many laws that do not follow from each other were found, with and without a formula.
    unnamed : int
        How many of them have coefficients without a short name, and so no formula.
    degree : int
        Largest degree of the candidates.
    """

    dynamics: Dynamics
    counted: Count
    found: tuple[Law, ...]
    independent: int
    unnamed: int
    degree: int = 2

    @property
    def count(self) -> int:
        """The number of laws that the rank leaves."""
        return self.counted.laws

    @property
    def parameters(self) -> int:
        """How many numbers move."""
        return self.counted.parameters

    @property
    def rank_by_level(self) -> tuple[int, ...]:
        """The rank of the fields, then with brackets of two of them, and so on."""
        return tuple(self.counted.rank_by_level)

    @property
    def complete(self) -> bool:
        """Whether as many laws were found as there can be."""
        known = self.counted.exact and self.counted.finished
        return known and self.independent == self.count

    @cached_property
    def in_one_orthant(self) -> bool:
        """Whether signs of weights are in the feedback: the count is that of a generic orthant."""
        return uses_signs(self.dynamics)

    @property
    def through_sign_flips(self) -> int:
        """How many independent laws with a formula hold in all orthants, and where signs flip."""
        return sum(law.independent for law in self.found if law.kind != "while no sign flips")

    @property
    def families(self) -> tuple[Family, ...]:
        """The laws by formula."""
        return families(self.dynamics, self.found)

    @property
    def formulas(self) -> tuple[str, ...]:
        """The formulas in text, each with what it holds for."""
        return tuple(str(family) for family in self.families)

    @property
    def without_law(self) -> tuple[tuple[int, int], ...]:
        """Hidden neurons without a law of their own, as layer and neuron.

        One whose in-weights never move needs none.
        """
        own = {(law.layer, law.neurons[0]) for law in self.found if len(law.neurons) == 1}
        sizes = self.dynamics.sizes
        trivial = [law.terms[0].monomial[0] for law in self.found if law.kind == "trivial"]
        for layer in range(1, len(sizes) - 1):
            rows = [one.index[0] for one in trivial if one.name == f"W{layer}"]
            own |= {(layer, row) for row in rows if rows.count(row) == sizes[layer - 1]}
        every = [(n, j) for n in range(1, len(sizes) - 1) for j in range(sizes[n])]
        return tuple(place for place in every if place not in own)

    def gradient(self, point: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the gradients of the laws at a point, (law, number), in the order of `found`.

        Parameters
        ----------
        point : mapping
            The arrays that move and those that the rule keeps, by name: ``{"W1": ..., "B2": ...}``.
        """
        from theory_checks.laws.formulas.evaluation import gradients

        return gradients(self.dynamics, self.found, point)

    def to_json_dict(self) -> dict[str, Any]:
        """Return everything ready for JSON."""
        dynamics = self.dynamics
        return {
            "format": FORMAT,
            "rule": dynamics.rule.name,
            "rule_parameters": dynamics.rule.parameters(),
            "sizes": list(dynamics.sizes),
            **describe_activation(dynamics.activation),
            "bias": list(dynamics.has_bias),
            "momentum": dynamics.friction,
            "weight_decay": list(dynamics.weight_decay),
            "rates": list(dynamics.rates),
            "readouts": dynamics.readouts,
            "samples": None if dynamics.inputs is None else len(dynamics.inputs),
            "parameters": self.parameters,
            "rank_by_level": list(self.rank_by_level),
            "laws": self.count,
            "found": self.independent,
            "unnamed": self.unnamed,
            "without_formula": self.count - self.independent + self.unnamed,
            "complete": self.complete,
            "orthant": self._orthant(),
            "proof": self.counted.exact,
            "singular_values": self.counted.gap,
            "prime": self.counted.prime or None,
            "seed": self.counted.seed,
            "formulas": [family.to_json_dict() for family in self.families],
        }

    def _orthant(self) -> dict[str, Any] | None:
        """Return of which orthant of the weights the count is; None if all have the same laws."""
        if not self.in_one_orthant:
            return None
        return {"counted": "one, generic", "through_sign_flips": self.through_sign_flips}

    def __repr__(self) -> str:
        """Return the table that the command line prints."""
        return "\n".join(lines(self))


def laws(
    problem: Problem | Dynamics,
    *,
    degree: int = 2,
    seed: int = 0,
    watch: Callable[[Laws], None] = lambda _: None,
) -> Laws:
    """Count and find the conservation laws of a training flow.

    Parameters
    ----------
    problem : flowfa.Problem or Dynamics
        Of a problem only rule, widths, activation and biases matter: laws are those over all data
        and losses.
    degree : int
        Largest degree of the monomials that are tried in small networks.
    seed : int
        Of the random point and fields.
    watch : callable, optional
        Is shown what is known, as it grows: a lower bound of the rank, then laws.

    Returns
    -------
    Laws

    Raises
    ------
    InputError
        If the network is too large, or the rule has no vector field.

    Examples
    --------
    >>> from theory_checks.laws import Dynamics, laws
    >>> laws(Dynamics("fa", (3, 4, 2)))
    fa, sizes 3-4-2, leaky-relu, no bias: 4 laws of 20 parameters
    rank by level: 16 16 16 (nothing new after level 0, 2 more levels tried)
    modulo 67108859 at a random point, seed 0: there are at most 4 laws
    complete: 4 of 4
      4  1/2 |W1[j,:]|^2 - <W2[:,j], B2[j,:]> for every j of layer 1
    """
    dynamics = problem if isinstance(problem, Dynamics) else Dynamics.of(problem)

    def counting(count: Count) -> None:
        watch(Laws(dynamics, count, (), 0, 0))

    counting(Count(dynamics.layout.size, PRIMES[0], seed))
    check_feedback(dynamics)
    if not is_followed(dynamics):
        return Laws(dynamics, estimate_count(dynamics, seed, counting, opaque=True), (), 0, 0)
    try:
        counted = count_laws(dynamics, seed, counting)
    except NotFollowed:
        return Laws(dynamics, estimate_count(dynamics, seed, counting), (), 0, 0)

    def known_so_far(found: Found) -> Laws:
        return Laws(dynamics, counted, tuple(found.laws), found.independent, found.unnamed, degree)

    universal = ()
    if dynamics.inputs is not None:
        # What holds for all data comes first, so that the rest is of these data.
        universal = laws(replace(dynamics, inputs=None), degree=degree, seed=seed).found
    search = Search(dynamics, seed, degree, universal, lambda found: watch(known_so_far(found)))
    return known_so_far(search.run(counted.laws))
