"""Which branches of the oracle a judgement took: what a run reached that others did not.

Rules of this file: only the oracle's own code is watched, so nothing else is slower for it; where the
interpreter has no tool left to watch with, no judgement seems to take one.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pkgutil import walk_packages
from types import CodeType, FunctionType
from typing import Any, Self

_PACKAGE = "fanin.harness.oracle"
# A branch that goes the same way more often than this in one judgement is not looked at any more until the
# watch ends: to look at all of them in each judgement takes as long as to judge.
_ENOUGH = 1
_TOOLS = range(5, -1, -1)  # numbers that `sys.monitoring` has; debuggers and coverage take 0 and 1


class BranchWatch:
    """Counts the oracle's branches that were taken for the first time since the watch began.

    To be used in a ``with``: until its end the oracle is a little slower, watched or not.
    """

    def __init__(self) -> None:
        self._seen: set[tuple[int, int, int]] = set()
        self._places: set[tuple[int, int]] = set()
        self._both: set[tuple[int, int]] = set()  # places of which a further event tells nothing new
        self._tool = _tool()

    def __enter__(self) -> Self:
        if self._tool is not None:
            sys.monitoring.set_events(self._tool, 0)
            self._set_events(sum(_branch_events()))
            sys.monitoring.restart_events()
        return self

    def __exit__(self, *_: object) -> None:
        if self._tool is not None:
            self._set_events(0)

    def new_branches[Result](self, work: Callable[[], Result]) -> tuple[Result, int]:
        """Do some work; return its result, and how many branches it took that none before it took."""
        if self._tool is None:
            return work(), 0
        known = len(self._seen)
        with self._watching(self._tool):
            result = work()
        return result, len(self._seen) - known

    @contextmanager
    def _watching(self, tool: int) -> Iterator[None]:
        monitoring, seen, places, both = sys.monitoring, self._seen, self._places, self._both
        numbers = _numbers()
        taken: Counter[tuple[int, int]] = Counter()

        def take(code: CodeType, offset: int, destination: int) -> Any:
            place = numbers[id(code)], offset
            branch = (*place, destination)
            if branch in seen:
                taken[place] += 1
                tired = place in both or taken[place] > _ENOUGH
                return monitoring.DISABLE if tired else None
            if place in places:
                both.add(place)
            seen.add(branch)
            places.add(place)
            return None

        for event in _branch_events():
            monitoring.register_callback(tool, event, take)
        try:
            yield
        finally:
            for event in _branch_events():
                monitoring.register_callback(tool, event, None)

    def _set_events(self, events: int) -> None:
        for code in _codes():
            sys.monitoring.set_local_events(self._tool or 0, code, events)


@cache
def _numbers() -> Mapping[int, int]:
    """The number of each code object by its identity: to hash one, Python goes through its instructions."""
    return {id(code): number for number, code in enumerate(_codes())}


def _branch_events() -> tuple[int, ...]:
    events: Any = sys.monitoring.events
    if hasattr(events, "BRANCH_LEFT"):  # Python 3.14
        return events.BRANCH_LEFT, events.BRANCH_RIGHT
    return (events.BRANCH,)


@cache
def _tool() -> int | None:
    for tool in _TOOLS:
        try:
            sys.monitoring.use_tool_id(tool, "fanin")
        except ValueError:
            continue
        return tool
    return None


@cache
def _codes() -> tuple[CodeType, ...]:
    """The code of every function of the oracle."""
    package = import_module(_PACKAGE)
    names = sorted(it.name for it in walk_packages(package.__path__, f"{_PACKAGE}."))
    found = (code for name in names for code in _functions(vars(import_module(name)), name))
    return tuple(dict.fromkeys(found))


def _functions(members: dict[str, Any], module: str) -> Iterator[CodeType]:
    for member in members.values():
        inner = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        inner = getattr(inner, "__wrapped__", inner)
        if isinstance(inner, FunctionType) and inner.__module__ == module:
            yield from _nested(inner.__code__)
        elif isinstance(inner, type) and inner.__module__ == module:
            yield from _functions(dict(vars(inner)), module)


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)
