"""Gauss-Legendre collocation: implicit methods that keep quadratic invariants, by name."""

from flowfa.registry import Registry
from flowfa.solvers.collocation.gauss import GaussMethod

__all__ = ["GAUSS", "GaussMethod"]

GAUSS: Registry[GaussMethod] = Registry("Gauss method")
for _stages in (1, 2, 3):
    GAUSS.register(f"gauss{2 * _stages}")(GaussMethod.with_stages(_stages))
