"""Which branches of the oracle a judgement took: what a run reached that others did not.

Rules of this file: only the oracle's own code is watched, so nothing else is slower for it; where the
interpreter has no tool left to watch with, no judgement seems to take one.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pkgutil import walk_packages
from types import CodeType, FunctionType
from typing import Any

_PACKAGE = "fanin.harness.oracle"
# A branch that goes the same way so often in one judgement is not looked at any more in it.
_ENOUGH = 32
_TOOLS = range(5, -1, -1)  # numbers that `sys.monitoring` has; debuggers and coverage take 0 and 1


class BranchWatch:
    """Counts the oracle's branches that were taken for the first time since the watch began."""

    def __init__(self) -> None:
        self._seen: set[tuple[int, int, int]] = set()
        self._both: set[tuple[int, int]] = set()  # places of which a further event tells nothing new

    def new_branches[Result](self, work: Callable[[], Result]) -> tuple[Result, int]:
        """Do some work; return its result, and how many branches it took that none before it took."""
        tool = _tool()
        if tool is None:
            return work(), 0
        known = len(self._seen)
        with self._watching(tool, _codes()):
            result = work()
        return result, len(self._seen) - known

    @contextmanager
    def _watching(self, tool: int, watched: Sequence[CodeType]) -> Iterator[None]:
        monitoring, seen = sys.monitoring, self._seen
        # By identity: to hash a code object Python goes through all of its instructions.
        codes = {id(code): number for number, code in enumerate(watched)}
        taken: Counter[tuple[int, int]] = Counter()
        places: set[tuple[int, int]] = {(code, offset) for code, offset, _ in seen}

        def take(code: CodeType, offset: int, destination: int) -> Any:
            place = codes[id(code)], offset
            branch = (*place, destination)
            if branch in seen:
                taken[place] += 1
                tired = place in self._both or taken[place] > _ENOUGH
                return monitoring.DISABLE if tired else None
            if place in places:
                self._both.add(place)
            seen.add(branch)
            places.add(place)
            return None

        events = _branch_events()
        for event in events:
            monitoring.register_callback(tool, event, take)
        monitoring.set_events(tool, 0)
        for code in watched:
            monitoring.set_local_events(tool, code, sum(events))
        monitoring.restart_events()
        try:
            yield
        finally:
            for code in watched:
                monitoring.set_local_events(tool, code, 0)


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
