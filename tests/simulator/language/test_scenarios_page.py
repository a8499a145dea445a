"""The page that explains the scenario language: complete, and its examples work."""

import re
from collections.abc import Iterator

import jsonschema
import pytest
import yaml
from msgspec import inspect

from fanin.simulator.language.field_types import FieldType, field_names, shape_of, tags
from fanin.simulator.language.load import loads
from fanin.simulator.language.scenario import Scenario
from fanin.simulator.language.schema import schema
from tests.paths import DOCS

PAGE = (DOCS / "scenarios.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def whole(example: str) -> str:
    """A scenario of its own: a fragment gets what every one has, and an operation unless it has some."""
    if "\nscenario: " in f"\n{example}":
        return example
    operations = "" if "\noperations:" in f"\n{example}" else "operations: [{}]\n"
    return f"scenario: example\ntitle: An example\n{operations}{example}"


def spoken_of(wanted: inspect.Type) -> Iterator[str]:
    """Everything that one has to know to write such a value: fields, faults, choices, words."""
    want = FieldType.of(wanted)
    if want.word:
        yield want.word
    match want.type:
        case inspect.StructType():
            yield from field_names(want.type)
            yield from (str(want.type.tag),) if want.type.tag else ()
            for field in want.type.fields:
                yield from spoken_of(field.type)
        case inspect.UnionType():
            for shape in tags(want.type).values():
                yield from spoken_of(shape)
        case inspect.VarTupleType():
            yield from spoken_of(want.type.item_type)
        case inspect.DictType():
            yield from spoken_of(want.type.value_type)
        case inspect.LiteralType():
            yield from map(str, want.type.values)


def test_there_are_examples() -> None:
    """The pattern that finds them finds them."""
    assert len(EXAMPLES) > 30
    assert sum(example != whole(example) for example in EXAMPLES) > 20


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_loads(example: str) -> None:
    """What the page shows can be copied; the schema agrees."""
    text = whole(example)

    loads(text, "docs/scenarios.md")
    jsonschema.Draft202012Validator(schema()).validate(yaml.safe_load(text))


@pytest.mark.parametrize("name", sorted(set(spoken_of(shape_of(Scenario)))))
def test_every_field_fault_and_choice_has_an_example_or_a_row(name: str) -> None:
    """Each stands as code in a table or a heading, or is used in an example; in passing is not enough."""
    rows = "\n".join(line for line in PAGE.splitlines() if line.startswith(("|", "###")))
    code = "\n".join([*re.findall(r"`([^`\n]+)`", rows), *EXAMPLES])

    assert re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", code)


def test_it_states_the_defaults_that_hold() -> None:
    """A table's defaults are those of the shapes."""
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| `?([^|`]+)`? \|$", PAGE, re.MULTILINE))

    stated = {
        name: rows[name] for name in ("regions", "timeout", "registry", "correlation", "ids", "uri", "image")
    }
    default = loads("scenario: x\ntitle: x\noperations: [{}]\nwebhooks: {eastus: {}}\n")
    assert stated == {
        "regions": f"[{', '.join(default.regions)}]",
        "timeout": f"{default.timeout // 1000}s",
        "registry": default.registry,
        "correlation": default.correlation,
        "ids": default.ids,
        "uri": default.webhooks["eastus"].uri,
        "image": default.operations[0].image,
    }
