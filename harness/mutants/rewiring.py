"""Changes one thing inside a function without copying it: the same code finds something else under a name.

A copy of the real code would drift from it, and then be wrong in more ways than the one that it is about.
"""

from collections.abc import Callable, Iterator
from types import CodeType, FunctionType
from typing import Any, cast


def rewired[**P, R](function: Callable[P, R], **names: Any) -> Callable[P, R]:
    """The same function, which finds these things under the names of its module.

    Functions that it defines inside itself find them, too; functions that it calls do not.

    Raises:
        LookupError: the function does not use such a name, so the change would have no effect.
    """
    assert isinstance(function, FunctionType)  # noqa: S101 - nothing else has code of ours
    unused = set(names) - set(_used(function.__code__))
    if unused:
        raise LookupError(f"{function.__qualname__} does not use {', '.join(sorted(unused))}")
    changed = FunctionType(
        function.__code__,
        {**function.__globals__, **names},
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    changed.__kwdefaults__ = function.__kwdefaults__
    return cast("Callable[P, R]", changed)


def _used(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _used(constant)
