"""What docs/architecture.md promises about the code: where a thing is known by its name, and where not."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from fanin.aggregator.engine_registry import ENGINES
from fanin.aggregator.notify import formats
from fanin.aggregator.notify.formats import FORMATS
from fanin.simulator.faults.fault import Fault
from fanin.simulator.faults.registry import kinds
from tests.paths import DOCS, ROOT

PARTS = ("simulator", "aggregator", "harness")


def names(path: Path) -> Iterator[str]:
    """Every name that a module imports, reads or defines, and every module that it imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.ImportFrom(module=str(module), names=imported):
                yield module
                yield from (f"{module}.{it.name}" for it in imported)
                yield from (it.name for it in imported)
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.ClassDef(name=name):
                yield name


KNOWN = {path: frozenset(names(path)) for part in PARTS for path in (ROOT / part).rglob("*.py")}


def users(*wanted: str, beside: Path) -> list[str]:
    """The modules outside one place that know one of these names. Broken variants may know all parts."""
    return [
        str(path.relative_to(ROOT))
        for path, known in KNOWN.items()
        if beside not in (path, *path.parents)
        and "mutants" not in path.parts
        and not known.isdisjoint(wanted)
    ]


@pytest.mark.parametrize("kind", kinds(Fault), ids=lambda it: it.__name__)
def test_a_fault_is_known_in_its_own_module_only(kind: type[Fault]) -> None:
    """The loader, the sink, the nemesis, the judge, reports, scaling and the explorer ask the class."""
    module = ROOT / (kind.__module__.removeprefix("fanin.").replace(".", "/") + ".py")

    assert users(kind.__name__, beside=module) == []


@pytest.mark.parametrize("kind", kinds(Fault), ids=lambda it: it.__name__)
def test_every_fault_has_its_line_in_the_docs(kind: type[Fault]) -> None:
    """By its tag, as it is written in YAML."""
    assert f"`{kind.__struct_config__.tag}`" in (DOCS / "scenarios.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(FORMATS.keys() - {"json"}))
def test_a_format_is_known_by_its_name_in_its_entry_only(name: str) -> None:
    """Its module is imported when a target uses it. JSON is what the contract and the commands speak."""
    module = f"{formats.__name__}.{FORMATS[name][0]}"

    assert users(module, beside=ROOT / "aggregator" / "notify" / "formats") == []


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_is_imported_by_its_entry_only(name: str) -> None:
    """Its own package, the commands that look at its data, and the page that replays its orchestration."""
    package = ENGINES[name].module.rpartition(".")[0]
    folder = ROOT / package.removeprefix("fanin.").replace(".", "/")
    inside = {package, *(f"{package}.{path.stem}" for path in folder.glob("*.py"))}

    found = [
        it for it in users(*inside, beside=folder) if "/cli/" not in it and it != "harness/demo/replay.py"
    ]

    assert found == []
