"""Negative controls: flows that claim to be what they are not."""

from theory_checks.controls.flows import BREAKS, broken, small_flow

__all__ = ["BREAKS", "broken", "small_flow"]
