"""A file with several things wrong: all of them are reported at once, in the order in which they stand."""

import pytest

from fanin.simulator.language.load import ScenarioError, loads

HEAD = "scenario: example\ntitle: An example\n"  # rows begin on line 3


def reported(text: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        loads(text, "e.yaml")

    return [line.split("; ")[0] for line in str(caught.value).splitlines()]


def test_every_wrong_shape_is_reported_in_file_order() -> None:
    """One reading is enough for all that is wrong whatever the names mean."""
    text = """\
scenario: example
title: An example
tmeout: 60s
operations:
  - {name: build, at: 120}
  - {image: Team/App, action: psuh}
faults:
  - {fault: dorp}
  - {fault: malform, how: nicely, regin: eastus}
expect:
  - {operation: deploy, outcome: done}
"""

    assert reported(text) == [
        "e.yaml:3:1: no field 'tmeout'",
        "e.yaml:5:23: at: '120' has no unit",
        "e.yaml:6:13: image: 'Team/App' is not accepted",
        "e.yaml:6:31: action: 'psuh' is no choice",
        "e.yaml:8:13: fault: 'dorp' is no fault",
        "e.yaml:9:27: how: 'nicely' is no choice",
        "e.yaml:9:35: malform: no field 'regin'",
        "e.yaml:11:34: outcome: 'done' is no choice",
    ]


def test_every_wrong_meaning_is_reported_in_file_order() -> None:
    """And so for what names and values mean together, once the whole file could be read."""
    text = """\
scenario: example
title: An example
regions: [eastus, westus, EastUS]
operations:
  - {name: build}
  - {name: deploy, home: mars}
faults:
  - {fault: drop, region: estus}
  - {fault: drop, operation: biuld}
  - {fault: crash}
expect:
  - {operation: deplyo, outcome: completed}
"""

    assert reported(text) == [
        "e.yaml:3:27: regions: 'EastUS' is listed twice, first on line 3",
        "e.yaml:6:26: no region 'mars'",
        "e.yaml:8:27: no region 'estus'",
        "e.yaml:9:30: no operation 'biuld'",
        "e.yaml:10:5: crash: neither at nor step",
        "e.yaml:12:17: no operation 'deplyo'",
    ]


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        (
            "regions: [mars, no]\noperations: [{nam: x}]\nfaults: [{fault: drop, region: venus}]\n",
            [(3, 17), (4, 15)],
        ),
        ("operation: [{name: x}]\nfaults: [{fault: drop, operation: x}]\n", [(3, 1)]),
        ("operations: [{nam: x}, {name: op2}, {}]\n", [(3, 15)]),
        ("operations: [{imag: x}]\nfaults: [{fault: drop}, {fault: sink-down}]\n", [(3, 15)]),
    ],
    ids=["broken lists", "a misspelt list", "positions after a broken one", "faults of broken operations"],
)
def test_meaning_is_not_asked_of_a_file_that_cannot_be_read(text: str, marks: list[tuple[int, int]]) -> None:
    """While the regions cannot be read, no region is called unknown; likewise for operations."""
    with pytest.raises(ScenarioError) as caught:
        loads(HEAD + text)

    assert [problem.mark for problem in caught.value.problems] == marks


def test_reading_stops_after_a_hundred_problems() -> None:
    """A file of another kind altogether does not fill the screen for minutes."""
    text = HEAD + "".join(f"zebra{number}: 1\n" for number in range(1_000))

    with pytest.raises(ScenarioError) as caught:
        loads(text)

    assert len(caught.value.problems) == 101
    assert caught.value.problems[-1].message == "100 problems; reading stopped here"
