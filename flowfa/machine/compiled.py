"""How the event engines are compiled, and kept."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar, overload

from numba import njit, types
from numba.core.dispatcher import Dispatcher

from flowfa.machine.code_cache import is_kept, keep_on_disk

Function = TypeVar("Function", bound=Callable)


@overload
def compiled(function: Function) -> Function: ...


@overload
def compiled(
    *, allocates: bool = False, reassociates: bool = False, from_python: bool = False
) -> Callable[[Function], Function]: ...


def compiled(
    function: Any = None,
    *,
    allocates: bool = False,
    reassociates: bool = False,
    from_python: bool = False,
) -> Any:
    """Compile a function, once for each combination of types that it is called with.

    Parameters
    ----------
    allocates : bool
        Whether it makes arrays. One that does not runs without reference counts: each costs an
        atomic operation, and together they took a third of the time.
    reassociates : bool
        Whether its sums may be taken in another order, several terms at a time.
    from_python : bool
        Whether Python calls it, and not only compiled functions. To take over records of many
        arrays from Python was a third of what was compiled.
    """

    def compile_it(function: Any) -> Any:
        # No exceptions for division by zero, which would keep loops from being vectorised.
        options: dict[str, Any] = {"error_model": "numpy"}
        if allocates:
            options["nogil"] = True
        else:
            options["_nrt"] = False
        if reassociates:
            options["fastmath"] = {"reassoc", "contract"}
        if not from_python:
            options |= {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
        dispatcher = _kept(njit(**options)(function))
        if not from_python and isinstance(dispatcher, Dispatcher):
            _refuse_calls_from_python(dispatcher)
        return dispatcher

    return compile_it if function is None else compile_it(function)


def inlined(function: Function) -> Function:
    """Make a function part of each compiled function that calls it.

    numba optimises what a function calls once more with each function above it; for the largest
    ones that took most of the time of compiling.
    """
    return _kept(njit(error_model="numpy", nogil=True, inline="always")(function))


def compiling_message(function: Callable, seconds: int = 20) -> str:
    """Return the message while `function` is compiled: it says whether later runs do so again."""
    begin = f"flowfa: compiling the event engine; this takes some {seconds} s"
    if is_kept(function):
        return f"{begin}, and is kept for later runs"
    return f"{begin} in every run: set NUMBA_CACHE_DIR to a folder where it can be kept"


@contextmanager
def announced(message: str, after: float) -> Iterator[None]:
    """Write a message to stderr if the body takes longer than so many seconds."""
    timer = threading.Timer(after, lambda: sys.stderr.write(f"{message}\n"))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _kept(function: Any) -> Any:
    keep_on_disk(function)
    if isinstance(function, Dispatcher):
        _forget_constants(function)
    return function


def _forget_constants(function: Dispatcher) -> None:
    """Let a constant argument have the type of its value.

    numba compiles a function anew for each combination of True and False among the arguments that
    compiled functions call it with.
    """
    template_of = function.get_call_template

    def get_call_template(args: Iterable, kws: Mapping[str, Any]) -> Any:
        values = tuple(types.unliteral(argument) for argument in args)
        return template_of(values, {name: types.unliteral(kws[name]) for name in kws})

    # On this function only, so that numba's class stays as it is.
    function.get_call_template = get_call_template  # type: ignore[method-assign]  # see above


def _refuse_calls_from_python(function: Dispatcher) -> None:
    """Let a call from Python raise TypeError, which without a way in would end the process."""

    def keep(result: Any) -> None:
        # As numba's own method, but Python's calls do not find it.
        function.overloads[tuple(result.signature.args)] = result

    def refuse(*args: Any, **kws: Any) -> Any:
        name = function.py_func.__qualname__
        raise TypeError(f"{name} is called by compiled functions only, see `machine.compiled`")

    # On this function only; numba's stubs do not know the second, which its C code looks up.
    function.add_overload = keep  # type: ignore[method-assign]  # see above
    function._compile_for_args = refuse  # type: ignore[attr-defined]  # see above
