"""Functions that only compiled functions call, and constants among their arguments."""

from __future__ import annotations

import pytest
from numba import njit
from numba.core.dispatcher import Dispatcher

from flowfa.machine.compiled import compiled


@compiled
def doubled(x, negative):
    return -2.0 * x if negative else 2.0 * x


@compiled(from_python=True)
def doubled_both_ways(x):
    return doubled(x, True), doubled(x, False), doubled(x, x > 0.0)


@pytest.mark.skipif(not isinstance(doubled, Dispatcher), reason="numba does not compile")
class TestInnerFunctions:
    def test_compiled_functions_call_them(self):
        assert doubled_both_ways(3.0) == (-6.0, 6.0, -6.0)

    def test_a_call_from_python_is_refused_before_and_after_they_are_compiled(self):
        for _ in range(2):
            with pytest.raises(TypeError, match="doubled is called by compiled functions only"):
                doubled(1.0, True)
            doubled_both_ways(3.0)

    def test_constants_are_no_types_of_their_own(self):
        # Compiled here, because what is loaded from disk asks for no signatures.
        caller = njit(lambda x: (doubled(x, True), doubled(x, False), doubled(x, x > 0.0)))
        assert caller(3.0) == (-6.0, 6.0, -6.0)
        assert len(doubled.signatures) == 1
        # A control: numba's own would compile three.
        plain = njit(doubled.py_func)
        caller = njit(lambda x: (plain(x, True), plain(x, False), plain(x, x > 0.0)))
        assert caller(3.0) == (-6.0, 6.0, -6.0)
        assert len(plain.signatures) == 3
