"""A law as a sum of terms: a coefficient, of numbers and feedback, and a monomial."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from flowfa.errors import InputError
from theory_checks.laws.motion.layout import Entry

FORMS = ("value", "abs", "sign")


@dataclass(frozen=True)
class Factor:
    """A number that moves, in a monomial.

    Attributes
    ----------
    name : str
        W1, c1, A1 (readout), VW1 (velocity), or u, exp of the time unit times t.
    index : tuple of int
    form : str
        ``"value"``, ``"abs"`` or ``"sign"``.
    power : int
        Of u alone.
    """

    name: str
    index: tuple[int, ...] = ()
    form: str = "value"
    power: int = 1

    @property
    def entry(self) -> Entry:
        """Its name and indices."""
        return self.name, self.index


Monomial = tuple[Factor, ...]


@dataclass(frozen=True)
class Component:
    """The entry `row` of the vector n on some rows with n^T (product of `matrices`) = 0.

    It is one for the last of the rows.

    Attributes
    ----------
    matrices : tuple of str
    rows : tuple of int
    row : int
    """

    matrices: tuple[str, ...]
    rows: tuple[int, ...]
    row: int


@dataclass(frozen=True)
class Coefficient:
    """A rational number times entries of what the rule keeps, or a component of a null vector.

    Attributes
    ----------
    number : Fraction
    entries : tuple
        Pairs of an entry, such as ``("B2", (0, 1))``, and its power, 1 or -1.
    scalar : tuple or None
        A number of the rule that is no simple fraction: its name and value.
    component : Component or None
    """

    number: Fraction = Fraction(1)
    entries: tuple[tuple[Entry, int], ...] = ()
    scalar: tuple[str, float] | None = None
    component: Component | None = None

    def times(self, factor: Fraction) -> Coefficient:
        """Return it times a rational number."""
        return Coefficient(self.number * factor, self.entries, self.scalar, self.component)


@dataclass(frozen=True)
class Term:
    """A coefficient and a monomial."""

    coefficient: Coefficient
    monomial: Monomial


@dataclass(frozen=True)
class Law:
    """A function of the weights that no data and no loss can change.

    Attributes
    ----------
    terms : tuple of Term
        The first is the leading one.
    layer : int or None
        The hidden layer that it is of, from 1 on.
    neurons : tuple of int
        The neurons that it is of, from 0 on; empty if of no single ones.
    kind : str
        ``"universal"``; ``"trivial"`` for a number that never moves; ``"while no sign flips"``;
        ``"outside the data"``, or ``"these data only"``.
    vector : tuple of float
        For a law outside the data: the entries of the vector v with X v = 0 of `W1[j,:] v`.
    independent : bool
        Whether it does not follow from the laws before it.
    """

    terms: tuple[Term, ...]
    layer: int | None = None
    neurons: tuple[int, ...] = ()
    kind: str = "universal"
    vector: tuple[float, ...] = ()
    independent: bool = True

    def to_json_dict(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        return {
            "layer": self.layer,
            "neurons": list(self.neurons),
            "kind": self.kind,
            "vector": list(self.vector),
            "independent": self.independent,
            "terms": [_term_to_json(term) for term in self.terms],
        }

    @classmethod
    def from_json_dict(cls, document: Any) -> Law:
        """Return the law of a document.

        Raises
        ------
        InputError
            If the document is no law.
        """
        try:
            return cls(
                tuple(_term_from_json(term) for term in document["terms"]),
                None if document["layer"] is None else int(document["layer"]),
                tuple(int(neuron) for neuron in document["neurons"]),
                str(document["kind"]),
                tuple(float(entry) for entry in document["vector"]),
                bool(document["independent"]),
            )
        except (
            AttributeError,
            IndexError,
            KeyError,
            OverflowError,
            TypeError,
            ValueError,
            ZeroDivisionError,
        ) as error:
            raise InputError(
                f"a law of the file cannot be read ({type(error).__name__}: {error}): write it "
                "with flowfa laws"
            ) from None


def _term_to_json(term: Term) -> dict[str, Any]:
    coefficient = term.coefficient
    document: dict[str, Any] = {"number": str(coefficient.number)}
    if coefficient.entries:
        document["feedback"] = [
            {"name": name, "index": list(index), "power": power}
            for (name, index), power in coefficient.entries
        ]
    if coefficient.scalar is not None:
        document["scalar"] = list(coefficient.scalar)
    if coefficient.component is not None:
        part = coefficient.component
        document["null_vector"] = {
            "matrices": list(part.matrices),
            "rows": list(part.rows),
            "row": part.row,
        }
    document["monomial"] = [
        {"name": one.name, "index": list(one.index), "form": one.form, "power": one.power}
        for one in term.monomial
    ]
    return document


def _term_from_json(document: Any) -> Term:
    entries = tuple(
        ((str(one["name"]), tuple(one["index"])), int(one["power"]))
        for one in document.get("feedback", ())
    )
    scalar, null = document.get("scalar"), document.get("null_vector")
    component = (
        None
        if null is None
        else Component(tuple(null["matrices"]), tuple(null["rows"]), int(null["row"]))
    )
    monomial = tuple(
        Factor(str(one["name"]), tuple(one["index"]), str(one["form"]), int(one["power"]))
        for one in document["monomial"]
    )
    if any(one.form not in FORMS for one in monomial):
        raise ValueError("a form that is none of value, abs, sign")
    if any(one.power != 1 for one in monomial if one.name != "u"):
        raise ValueError("a power of another number than u")
    coefficient = Coefficient(
        Fraction(document["number"]),
        entries,
        None if scalar is None else (str(scalar[0]), float(scalar[1])),
        component,
    )
    return Term(coefficient, monomial)
