"""Whatever a file holds: a scenario, or one clear error."""

import json
import random
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fanin.simulator.language import yaml_nodes
from fanin.simulator.language.load import ScenarioError, load, loads
from fanin.simulator.language.scenario import Scenario
from fanin.simulator.language.schema import schema
from fanin.simulator.pack import find, names

# How long an example takes is the machine's business.
fuzz = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
VALIDATOR = jsonschema.Draft202012Validator(schema())
PACK = [find(name).read_text(encoding="utf-8") for name in names()]

# Words that the language knows beside words that it does not, so that arbitrary documents come near.
FIELDS = (
    "scenario title regions timeout latency sender key webhooks operations faults expect image reaches repeat"
)
FAULTS = (
    "every fault region operation chance min max median sigma by after at step until uri scope status missing"
)
VALUES = "eastus never drop delay crash before-response completed team/app:{n} 3s 0.5 retry acr yes 010 12:30"
WORDS = st.sampled_from(f"{FIELDS} {FAULTS} {VALUES}".split())
TEXT = st.text(alphabet="aZ09äß\u20ac\n\t '\"{}[]:,#-", max_size=8)
LEAVES = st.one_of(WORDS, st.none(), st.booleans(), st.integers(), st.floats(), TEXT)
DOCUMENTS = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | TEXT, inner, max_size=6),
    max_leaves=30,
)


def read(text: str) -> Scenario | ScenarioError:
    """A scenario, or the error that refuses it; anything else that is raised fails the test."""
    try:
        return loads(text, "fuzz")
    except ScenarioError as error:
        refusal = error
    assert refusal.problems
    assert str(refusal).encode().count(b"\n") == len(refusal.problems) - 1
    assert all(line.startswith("fuzz:") for line in str(refusal).split("\n"))
    return refusal


@pytest.fixture(params=["libyaml", "python"])
def _parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "python":
        monkeypatch.setattr(yaml_nodes, "_Loader", yaml.SafeLoader)


@fuzz
@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_a_scenario_or_an_error(tmp_path: Path, content: bytes) -> None:
    """No other exception leaves the loader."""
    file = tmp_path / "fuzz.yaml"
    file.write_bytes(content)

    with pytest.raises(ScenarioError):  # no draw is valid
        load(file)


@pytest.mark.usefixtures("_parser")
@fuzz
@given(st.text(alphabet="{}[]:,-&*!|>'\"#%@`?\\ \n\tabn019~\x07\ud800\ufeff\u2028<=", max_size=60))
def test_arbitrary_text_in_the_letters_of_yaml_is_read_or_refused(text: str) -> None:
    """Syntax of every kind, right and wrong."""
    read(text)
    read(f"scenario: example\ntitle: An example\nteaches: {text}")


@fuzz
@given(st.dictionaries(WORDS, DOCUMENTS, max_size=8))
def test_arbitrary_documents_are_read_or_refused(document: dict[str, Any]) -> None:
    """Right YAML of wrong shapes."""
    read(yaml.safe_dump(document, allow_unicode=True))


@fuzz
@given(st.sampled_from(PACK), st.randoms(use_true_random=False), st.integers(min_value=1, max_value=4))
def test_a_slip_of_the_finger_is_read_or_refused(text: str, rng: random.Random, slips: int) -> None:
    """Scenarios with characters, words and lines removed, doubled, or changed."""
    for _ in range(slips):
        start = rng.randrange(len(text) or 1)
        end = start + rng.choice((0, 1, 1, 5, 40))
        text = (
            text[:start]
            + rng.choice(("", text[start:end] * 2, "\t", ":", "- ", "120", "no", "{", "'"))
            + text[end:]
        )

    read(text)


def shapes(value: Any) -> Any:
    """Values of a document with another one put in the place of one of them."""
    return st.one_of(
        LEAVES,
        st.just([value]),
        st.just({"fixed": value}),
        st.just(f"{value}s"),
    )


@fuzz
@given(st.data())
def test_the_schema_and_the_shape_agree(data: st.DataObject) -> None:
    """What the schema refuses, the loader refuses: change one value somewhere in a scenario, and ask both.

    The other way round is the loader's right: it knows meanings and spellings.
    """
    scenario = yaml.safe_load(data.draw(st.sampled_from(PACK)))
    inner = scenario
    while True:
        step = data.draw(st.sampled_from(sorted(inner) if isinstance(inner, dict) else range(len(inner))))
        if not isinstance(inner[step], dict | list) or not inner[step] or data.draw(st.booleans()):
            break
        inner = inner[step]
    inner[step] = data.draw(shapes(inner[step]))

    text = json.dumps(scenario)  # JSON is YAML with quoted strings, nearly: Infinity and 1e+16 become text

    if not VALIDATOR.is_valid(yaml.safe_load(text)):
        assert isinstance(read(text), ScenarioError)
