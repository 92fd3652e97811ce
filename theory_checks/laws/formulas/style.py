"""How the parts of a formula look: in plain text and in LaTeX."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from fractions import Fraction


class Style(ABC):
    """A notation."""

    dot: str = " "

    @abstractmethod
    def array(self, name: str, index: Sequence[str]) -> str:
        """Return an array with its indices: ``W1[j,:]``."""

    @abstractmethod
    def square(self, vector: str) -> str:
        """Return a squared Euclidean norm."""

    @abstractmethod
    def one_norm(self, vector: str) -> str:
        """Return the sum of absolute values."""

    @abstractmethod
    def inner(self, first: str, second: str) -> str:
        """Return an inner product."""

    @abstractmethod
    def absolute(self, number: str) -> str:
        """Return an absolute value, entry by entry."""

    @abstractmethod
    def sign(self, number: str) -> str:
        """Return a sign, entry by entry."""

    @abstractmethod
    def quotient(self, above: str, below: str) -> str:
        """Return a quotient."""

    @abstractmethod
    def number(self, value: Fraction) -> str:
        """Return a positive rational number."""

    @abstractmethod
    def growth(self, rate: str, inner: str, alone: bool = False) -> str:
        """Return exp(rate t) times a sum, or times one term."""

    @abstractmethod
    def annihilated(self, matrices: Sequence[str]) -> str:
        """Return that n^T times a product of matrices is zero."""


class PlainText(Style):
    """Text of ASCII, as the command line prints it."""

    def array(self, name: str, index: Sequence[str]) -> str:
        """Return ``W1[j,:]``; velocities are ``dW1/dt``, products ``(D1 D2^+)``."""
        if " " in name:
            return f"({name})[{','.join(index)}]"
        shown = f"d{name[1:]}/dt" if name[0] == "V" else name
        return f"{shown}[{','.join(index)}]" if index else shown

    def square(self, vector: str) -> str:
        """Return ``|v|^2``."""
        return f"|{vector}|^2"

    def one_norm(self, vector: str) -> str:
        """Return ``|v|_1``."""
        return f"|{vector}|_1"

    def inner(self, first: str, second: str) -> str:
        """Return ``<v, w>``."""
        return f"<{first}, {second}>"

    def absolute(self, number: str) -> str:
        """Return ``|v|``."""
        return f"|{number}|"

    def sign(self, number: str) -> str:
        """Return ``sign v``."""
        return f"sign({number})"

    def quotient(self, above: str, below: str) -> str:
        """Return ``a/b``."""
        return f"{above}/{below}"

    def number(self, value: Fraction) -> str:
        """Return ``1/2``."""
        return str(value)

    def growth(self, rate: str, inner: str, alone: bool = False) -> str:
        """Return ``exp(0.2 t) (...)``."""
        return f"exp({rate} t) {inner}" if alone else f"exp({rate} t) ({inner})"

    def annihilated(self, matrices: Sequence[str]) -> str:
        """Return ``n^T B2 B3 = 0``."""
        return f"n^T {' '.join(matrices)} = 0"


class Latex(Style):
    """LaTeX, without the dollars."""

    dot = r"\,"

    def array(self, name: str, index: Sequence[str]) -> str:
        """Return ``W_{1}[j,:]``; velocities have a dot, products are in brackets."""
        if " " in name:
            first, second = name.removesuffix("^+").split()
            product = f"{self.array(first, ())} {self.array(second, ())}^+"
            return rf"({product})[{','.join(index)}]"
        moving = name[0] == "V"
        letter, layer = (name[1], name[2:]) if moving else (name[0], name[1:])
        shown = rf"\dot {letter}_{{{layer}}}" if moving else f"{letter}_{{{layer}}}"
        return f"{shown}[{','.join(index)}]" if index else shown

    def square(self, vector: str) -> str:
        r"""Return ``\lVert v \rVert^2``."""
        return rf"\lVert {vector} \rVert^2"

    def one_norm(self, vector: str) -> str:
        r"""Return ``\lVert v \rVert_1``."""
        return rf"\lVert {vector} \rVert_1"

    def inner(self, first: str, second: str) -> str:
        r"""Return ``\langle v, w \rangle``."""
        return rf"\langle {first}, {second} \rangle"

    def absolute(self, number: str) -> str:
        r"""Return ``\lvert v \rvert``."""
        return rf"\lvert {number} \rvert"

    def sign(self, number: str) -> str:
        r"""Return ``\operatorname{sign}(v)``."""
        return rf"\operatorname{{sign}}({number})"

    def quotient(self, above: str, below: str) -> str:
        r"""Return ``\frac{a}{b}``."""
        return rf"\frac{{{above}}}{{{below}}}"

    def number(self, value: Fraction) -> str:
        r"""Return ``\frac{1}{2}``."""
        if value.denominator == 1:
            return str(value)
        return self.quotient(str(value.numerator), str(value.denominator))

    def growth(self, rate: str, inner: str, alone: bool = False) -> str:
        """Return ``e^{0.2 t} (...)``."""
        return rf"e^{{{rate} t}}\,{inner}" if alone else rf"e^{{{rate} t}} \left({inner}\right)"

    def annihilated(self, matrices: Sequence[str]) -> str:
        r"""Return ``n^\top B_{2} B_{3} = 0``."""
        return rf"n^\top {' '.join(self.array(name, ()) for name in matrices)} = 0"


TEXT, LATEX = PlainText(), Latex()
