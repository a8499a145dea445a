"""Scenarios as text: what is written is read back equal, and reads as if a person had written it."""

from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fanin.simulator.faults.request import UnknownRegion
from fanin.simulator.faults.transport import Drop
from fanin.simulator.language.dump import dump, dumps
from fanin.simulator.language.load import load, loads
from fanin.simulator.language.scenario import Expectation, Operation, Scenario, Sender, Webhook
from fanin.simulator.pack import find, names
from fanin.simulator.shapes import Delay

# What the loader accepts as text that has no further rule: no control characters but tab and newline.
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\n\t"), max_size=60).filter(
    lambda text: "\ufffe" not in text and "\uffff" not in text
)
# What has an exponent of three digits, the loader does not take for a number.
FRACTIONS = st.just(0.0) | st.floats(1e-90, 1)
DURATIONS = st.integers(1, 10 * 365 * 86_400_000)


@pytest.mark.parametrize("name", names())
def test_every_built_in_scenario_survives(name: str) -> None:
    """Whatever the language has, the pack uses."""
    scenario = load(find(name))

    assert loads(dumps(scenario)) == scenario


def test_it_reads_as_if_a_person_had_written_it() -> None:
    """One line for what fits one, the name first, no field that says what it would be anyway."""
    text = dedent("""\
        scenario: by-hand
        title: Written by hand
        description: |
          Two lines.
          Of text.
        timeout: 1m30s
        latency: 0s
        sender: retry
        replication: {westeurope: {median: 3s, sigma: 0.8}}
        operations:
          - {name: push, image: "team/app:1.0.{n}", repeat: 20, every: 500ms}
          - {image: "team/app:2", at: 1s, reaches: {northeurope: 0s, westeurope: never}}
        faults:
          - {fault: drop, region: eastus, operation: push/3}
          - {fault: duplicate, after: [1s, 6d]}
        expect:
          - {operation: push, outcome: completed}
    """)

    assert dumps(loads(text)) == text


def test_what_does_not_fit_a_line_gets_one_for_each_part() -> None:
    """A line that does not fit a screen is no better than a long block."""
    regions = tuple(f"a-region-with-a-long-name-{n}" for n in range(6))
    reaches: dict[str, Delay | None] = {region: Delay(fixed=1_234_567) for region in regions}
    scenario = loads(
        dumps(Scenario("long", "Long", regions=regions, operations=(Operation(reaches=reaches),)))
    )

    lines = dumps(scenario).splitlines()

    assert max(map(len, lines)) <= 200
    assert "      a-region-with-a-long-name-5: 20m34.567s" in lines
    assert loads(dumps(scenario)) == scenario


@pytest.mark.parametrize(
    "operation",
    [
        "{repeat: 1, every: 5s}",
        '{image: "team/app:{n}", repeat: 1}',
        "{name: op2}",
        "{home: eastus}",
        "{id: 'yes'}",
        "{id: '12:30'}",
        "{id: 'null'}",
        "{id: '~'}",
        "{id: '<<'}",
        "{id: '2026-03-01'}",
        "{id: '-'}",
        "{id: '#1 {n}', repeat: 2}",
        '{id: "a\\nb: c"}',
        '{id: " padded "}',
        '{id: "\\u2028"}',
    ],
)
def test_what_is_easily_lost_is_kept(operation: str) -> None:
    """A default that must be said, a name by another position, text that YAML takes for something else."""
    scenario = loads(f"scenario: odd\ntitle: Odd\noperations: [{operation}]\n")

    assert loads(dumps(scenario)) == scenario


@settings(deadline=None, max_examples=60)
@given(description=TEXT, url_region=TEXT, event_id=TEXT.filter(bool))
def test_any_text_survives(description: str, url_region: str, event_id: str) -> None:
    """Quotes, colons, dashes, blank lines, other alphabets: whatever the loader takes, it gets back."""
    scenario = Scenario(
        "texts",
        "Texts",
        description=description,
        operations=(Operation(name="op1", home="northeurope", id=event_id.replace("{", "(")),),
        faults=(UnknownRegion(url_region=url_region),),
    )

    assert loads(dumps(scenario)) == scenario


@settings(deadline=None, max_examples=60)
@given(timeout=DURATIONS, by=DURATIONS, sigma=FRACTIONS, chance=FRACTIONS.filter(bool))
@example(timeout=1, by=1, sigma=0.0, chance=0.0050874710537534016)  # 19 decimals, as `repr` writes it
@example(timeout=1, by=1, sigma=0.0, chance=5e-324)
def test_any_number_survives(timeout: int, by: int, sigma: float, chance: float) -> None:
    """To the millisecond, and to the last digit that the loader reads."""
    scenario = Scenario(
        "numbers",
        "Numbers",
        timeout=timeout,
        latency=Delay(median=by, sigma=sigma),
        sender=Sender(timeout=by),
        operations=(Operation(name="op1", home="northeurope", at=by, repeat=2, every=by),),
        faults=(Drop(operation="op1", chance=chance),),
        expect=(Expectation(operation="op1", outcome="timed_out", at=by, within=by),),
    )

    assert loads(dumps(scenario)) == scenario


def test_a_mapping_keeps_its_keys_whatever_they_look_like() -> None:
    """A header may be called ``on``, and a region ``1.5``."""
    webhook = Webhook(headers={"on": "", "X-Team": "yes", "1": "a: b #c", "x" * 200: "'\""})
    scenario = Scenario(
        "keys", "Keys", regions=("1.5", "no"), webhooks={"1.5": webhook, "no": Webhook(scope="a:*")}
    )

    assert loads(dumps(scenario)) == scenario


def test_a_file_bears_the_name_of_its_scenario(tmp_path: Path) -> None:
    """What is stored can be played by its path."""
    scenario = load(find("storm"))

    dump(scenario, tmp_path / "storm.yaml")

    assert load(tmp_path / "storm.yaml") == scenario
