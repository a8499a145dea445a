"""The JSON Schema: valid itself, up to date in the repository, and of one mind with the loader."""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import yaml

from fanin.simulator.faults.aggregator import Crash
from fanin.simulator.faults.sink import SinkHangs
from fanin.simulator.language.scenario import Scenario
from fanin.simulator.language.schema import attributes, schema, summary, text
from fanin.simulator.pack import find, names
from tests.paths import DOCS

FILE = DOCS / "scenario.schema.json"
HEAD = {"scenario": "example", "title": "An example"}


def objects(part: Any) -> Iterator[dict[str, Any]]:
    """Every schema of an object inside a schema."""
    if isinstance(part, dict):
        if "properties" in part:
            yield part
        for value in part.values():
            yield from objects(value)
    elif isinstance(part, list):
        for value in part:
            yield from objects(value)


def test_it_is_a_valid_schema() -> None:
    """Editors refuse a schema that is not."""
    jsonschema.Draft202012Validator.check_schema(schema())


def test_the_file_in_the_docs_is_up_to_date() -> None:
    """``python -m fanin.simulator.language.schema > docs/scenario.schema.json`` makes it so."""
    assert FILE.read_text(encoding="utf-8") == text()
    assert json.loads(text()) == schema()


@pytest.mark.parametrize("name", names())
def test_the_pack_is_valid_by_it(name: str) -> None:
    """In an editor, nothing of a built-in scenario is underlined."""
    document = yaml.safe_load(find(name).read_text(encoding="utf-8"))

    jsonschema.Draft202012Validator(schema()).validate(document)


def test_every_field_is_explained_and_no_other_is_let_in() -> None:
    """Completion shows a description for each field; a misspelt one is underlined."""
    for each in objects(schema()):
        assert each["additionalProperties"] is False
        assert each["description"]
        assert all(field["description"] for field in each["properties"].values())


def test_descriptions_come_from_docstrings() -> None:
    """A field that a shape inherits is described where it was declared."""
    assert summary(SinkHangs) == "The sink reads the notification and never answers."
    assert attributes(SinkHangs)["until"] == "When it ends; never, when left out."
    assert attributes(Crash)["down_for"] == "How long it stays down."
    assert set(attributes(Scenario)) == set(schema()["properties"])


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"timeout": "1m30s", "latency": "0.5 timeout"},
        {"latency": 0},
        {"latency": {"min": "1s", "max": "2s"}},
        {"sender": "retry"},
        {"sender": {"profile": "retry", "attempts": 2}},
        {"operations": [{"reaches": {"eastus": "never", "westeurope": {"median": "3s", "sigma": 1}}}]},
        {"faults": [{"fault": "duplicate", "after": "3s"}, {"fault": "duplicate", "after": ["3s", "4s"]}]},
        {"faults": [{"fault": "drop", "chance": 1}, {"fault": "unknown-region", "as": ""}]},
        {"webhooks": {"eastus": {"scope": ""}}},
    ],
)
def test_it_accepts_what_the_language_has(fields: dict[str, Any]) -> None:
    """Short forms included."""
    jsonschema.Draft202012Validator(schema()).validate(HEAD | fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"title": None},
        {"timeout": 120},
        {"timeout": 0},
        {"timeout": "0.5 timeout"},
        {"timeout": "1 hour"},
        {"latency": "never"},
        {"latency": {"fixed": "1s", "min": "1s", "max": "2s"}},
        {"sender": "retri"},
        {"operations": {}},
        {"operations": [{"every": "3s"}]},
        {"faults": ["drop"]},
        {"faults": [{"fault": "drop", "by": "3s"}]},
        {"faults": [{"fault": "delay"}]},
        {"faults": [{"fault": "crash", "at": "3s", "step": "before-response"}]},
        {"faults": [{"fault": "duplicate", "after": []}]},
        {"expect": [{"operation": "op1"}]},
    ],
)
def test_it_refuses_what_the_language_has_not(fields: dict[str, Any]) -> None:
    """What the loader says of each is in the tables of the loading tests."""
    assert not jsonschema.Draft202012Validator(schema()).is_valid(HEAD | fields)
