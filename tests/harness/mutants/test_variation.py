"""Variants of the real aggregator use what it offers for that, and change nothing else."""

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType

import pytest

import fanin.harness.mutants
from fanin.harness.mutants.variation import vary
from fanin.harness.world.play import play
from fanin.harness.world.target import reference_aggregator
from fanin.simulator.language.load import load
from fanin.simulator.pack import find

# Public in spite of their names, so that they cannot be fields' names.
OF_NAMED_TUPLES = {"_replace"}
MODULES = [it.name for it in pkgutil.iter_modules(fanin.harness.mutants.__path__, "fanin.harness.mutants.")]


def test_exchanging_nothing_changes_nothing() -> None:
    """Everything that a mutant does wrong is its own doing: the way it is built adds no behaviour."""
    storm = load(find("storm"))

    ours = play(storm, seed=3, factory=vary()).trace_hash()

    assert ours == play(storm, seed=3, factory=reference_aggregator).trace_hash()


@pytest.mark.parametrize("name", MODULES)
def test_no_private_name_of_the_aggregator_is_imported(name: str) -> None:
    """A change of the aggregator's internals must not disarm a mutant silently."""
    tree = ast.parse(inspect.getsource(importlib.import_module(name)))

    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fanin.aggregator")
        for alias in node.names
    }

    assert {it for it in imported if it.startswith("_")} == set()


@pytest.mark.parametrize("name", MODULES)
def test_no_private_name_of_another_object_is_used(name: str) -> None:
    """A mutant may have private attributes of its own."""
    tree = ast.parse(inspect.getsource(importlib.import_module(name)))

    used = {
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
        and node.attr not in OF_NAMED_TUPLES
        and ast.unparse(node.value) not in ("self", "super()")
    }

    assert used == set()


@pytest.mark.parametrize("name", MODULES)
def test_no_private_name_of_a_base_class_of_the_aggregator_is_used(name: str) -> None:
    """Subclasses override and use public methods and attributes only."""
    module = importlib.import_module(name)

    used = {
        f"{cls.__name__}.{private}"
        for cls in _classes(module)
        for base in cls.__mro__
        if base.__module__.startswith("fanin.aggregator")
        for private in _private_names(base) & _private_names(cls)
    }

    assert used == set()


def _classes(module: ModuleType) -> Iterator[type]:
    return (it for it in vars(module).values() if isinstance(it, type) and it.__module__ == module.__name__)


def _private_names(cls: type) -> set[str]:
    """Names with one underscore that the body of a class defines, or uses as attributes."""
    nodes = list(ast.walk(ast.parse(inspect.cleandoc("\n" + inspect.getsource(cls)))))
    defined = {it.name for it in nodes if isinstance(it, ast.FunctionDef | ast.AsyncFunctionDef)}
    names = defined | {it.attr for it in nodes if isinstance(it, ast.Attribute)}
    return {it for it in names if it.startswith("_") and not it.startswith("__")}
