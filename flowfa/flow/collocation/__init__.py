"""Gauss-Legendre collocation: implicit methods that keep quadratic invariants, by name."""

from flowfa.flow.collocation.gauss import GaussMethod
from flowfa.registry import Registry

__all__ = ["GAUSS", "GaussMethod"]

GAUSS: Registry[GaussMethod] = Registry("Gauss method")
for _stages in (1, 2, 3):
    GAUSS.register(f"gauss{2 * _stages}")(GaussMethod.with_stages(_stages))
