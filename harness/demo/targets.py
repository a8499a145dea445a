"""The aggregators that the page offers: those of the zoo, with their wrong lines beside the right ones.

Rules of this file: source text is read from the modules themselves, so it is what runs.
"""

import ast
import inspect
import sys
import textwrap
from collections.abc import Collection, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from fanin.harness.demo.playable import Playable, TargetSource
from fanin.harness.lessons.course import LESSONS, Lesson, difference, earlier
from fanin.harness.mutants import registry
from fanin.harness.mutants.mutant import Mutant
from fanin.harness.world.target import ModuleFactory
from fanin.simulator.text import hint

# Modules that build mutants, and are not wrong themselves.
_TOOLS = (
    "fanin.harness.mutants.variation",
    "fanin.harness.mutants.middleware",
    "fanin.harness.mutants.mutant",
)
_ZOO = "fanin.harness.mutants."


def bug(name: str) -> Playable:
    """The aggregator with this bug.

    Raises:
        LookupError: there is none of that name.
    """
    found = registry.MUTANTS.get(name)
    if found is None:
        raise LookupError(f"there is no bug {name!r}; `fanin bug` lists them{hint(name, registry.MUTANTS)}")
    return Playable(f"the bug {name}", found.factory, found.capabilities, source_of(found))


def lesson(number: str) -> tuple[Lesson, TargetSource]:
    """A chapter of the course, and its code beside what the next one changes.

    Raises:
        LookupError: there is none of that number.
    """
    found = next((it for it in LESSONS if str(it.number) == number), None)
    if found is None:
        raise LookupError(f"there is no lesson {number!r}; there are 1 to {len(LESSONS)}")
    where = f"harness/lessons/chapter_{number}.py"
    change = "\n".join(difference(found)) if found.fails else ""
    part = {"where": where, "wrong": found.source.rstrip(), "right": change}
    return found, TargetSource(f"chapter {number}: {found.title.lower()}", found.idea, (part,))


def course() -> list[dict[str, Any]]:
    """The lessons in their order.

    JSON: ``[{target, title, idea, scenario, fails, survives, why, mend}]``; ``scenario`` comes first.
    """
    return [
        {
            "target": f"lesson:{it.number}",
            "title": f"{it.number}. {it.title}",
            "idea": it.idea,
            "scenario": it.fails or earlier(it)[-1],
            "fails": it.fails,
            "survives": earlier(it),
            "why": it.why,
            "mend": it.mend,
        }
        for it in LESSONS
    ]


def variant_with(capabilities: Collection[str]) -> Playable:
    """A right aggregator that has capabilities beyond the contract.

    Raises:
        LookupError: there is none.
    """
    for name, healthy in registry.HEALTHY.items():
        if set(capabilities) <= healthy.capabilities:
            return Playable(f"the healthy variant {name}", healthy.factory, healthy.capabilities)
    needs = ", ".join(capabilities)
    raise LookupError(f"this scenario needs {needs}, which no aggregator here has")


def catalogue() -> list[dict[str, Any]]:
    """The bugs by family. JSON: ``[{family, bugs: [{name, what, scenario}]}]``."""
    return [
        {
            "family": heading.partition(":")[0],
            "bugs": [{"name": it.name, "what": it.what, "scenario": it.scenario} for it in mutants],
        }
        for heading, mutants in registry.families()
    ]


def source_of(mutant: Mutant) -> TargetSource:
    """The definitions that make this mutant, each beside what it stands in for."""
    parts = []
    for definition in _definitions(mutant.factory):
        wrong = _source(definition)
        if wrong:
            module = sys.modules[definition.__module__]
            parts.append({"where": _where(module), "wrong": wrong, "right": _right(definition)})
    parts += _entry(mutant)
    return TargetSource(mutant.name, mutant.what, tuple(parts))


def _where(module: ModuleType) -> str:
    return "/".join(Path(module.__file__ or "").parts[-3:])


def _entry(mutant: Mutant) -> list[dict[str, str]]:
    """How the mutant is put together: for some, that is the whole difference."""
    for family in registry.FAMILIES:
        text = inspect.getsource(family)
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            first = node.args[0]
            if isinstance(first, ast.Constant) and first.value == mutant.name:
                wrong = " " * node.col_offset + (ast.get_source_segment(text, node) or "")
                return [{"where": _where(family), "wrong": textwrap.dedent(wrong), "right": ""}]
    return []


def _definitions(factory: Any) -> list[Any]:
    """The classes and functions of the zoo that a factory leads to, in the order of their lines."""
    seen: dict[int, Any] = {}
    waiting: list[Any] = [factory]
    while waiting:
        it = waiting.pop()
        if id(it) not in seen:
            seen[id(it)] = it
            waiting += _inside(it)
    found = [it for it in seen.values() if _is_of_zoo(it)]
    return sorted(found, key=lambda it: inspect.getsourcelines(it)[1])


def _is_of_zoo(it: Any) -> bool:
    module = getattr(it, "__module__", None) or ""
    named = isinstance(it, type) or (isinstance(it, FunctionType) and "<locals>" not in it.__qualname__)
    return named and module.startswith(_ZOO) and module not in _TOOLS


def _inside(it: Any) -> list[Any]:
    """What a factory, a class or a function is made of, as far as it may be of the zoo."""
    if isinstance(it, ModuleFactory):
        return [import_module(it.module).create_app]
    if isinstance(it, partial):
        return [it.func, *it.args, *it.keywords.values()]
    if isinstance(it, FunctionType):
        cells = [cell.cell_contents for cell in it.__closure__ or () if _filled(cell)]
        module = sys.modules.get(it.__module__)
        own = [] if it.__module__ in _TOOLS else [getattr(module, name, None) for name in _names(it.__code__)]
        return [*cells, *(each for each in own if _is_of_zoo(each) and each.__module__ == it.__module__)]
    if isinstance(it, type) and _is_of_zoo(it):
        members = [each for each in vars(it).values() if isinstance(each, FunctionType)]
        bases = [base for base in it.__bases__ if _is_of_zoo(base) and base.__module__ == it.__module__]
        values = [each for each in vars(it).values() if isinstance(each, type) and _is_of_zoo(each)]
        return [*bases, *values, *(found for member in members for found in _inside(member))]
    return []


def _filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - raises where it is empty
    except ValueError:
        return False
    return True


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _source(definition: Any) -> str:
    return textwrap.dedent(inspect.getsource(definition)).rstrip()


def _right(definition: Any) -> str:
    """What a class's methods stand in for; empty where there is nothing to compare."""
    if not isinstance(definition, type):
        return _right_function(definition)
    parts = []
    for name, member in vars(definition).items():
        if not isinstance(member, FunctionType) or (name.startswith("__") and name != "__init__"):
            continue
        for base in definition.__mro__[1:]:
            right = vars(base).get(name)
            if isinstance(right, FunctionType) and not _is_of_zoo(base):
                if name != "__init__":
                    parts.append(
                        f"# {base.__module__.removeprefix('fanin.')}.{base.__name__}\n{_source(right)}"
                    )
                break
    return "\n\n".join(parts)


def _right_function(function: Any) -> str:
    """The state machine's own function, for one that stands in for it."""
    from fanin.aggregator import fanin

    parameters = list(inspect.signature(function).parameters)
    if parameters[:2] == ["state", "event"]:
        functions = (fanin.step, fanin._arrive, fanin._expire)  # noqa: SLF001 - shown
        return "# aggregator.fanin\n" + "\n\n".join(map(_source, functions))
    return ""
