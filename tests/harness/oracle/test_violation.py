"""What a rule sees of an operation, and what it reports."""

from typing import Any

import pytest

from fanin.harness.oracle.allowances import Allowances
from fanin.harness.oracle.evidence import collect
from fanin.harness.oracle.generations import generations
from fanin.harness.oracle.violation import OperationView, Violation, names_each_region_once
from fanin.harness.verdict import Finding, Rule
from tests.harness.oracle.histories import EAST, NORTH, WEST, Line, history, notified, sent, unsent


def view_of(*lines: Line, **played: Any) -> OperationView:
    """The first operation of a run."""
    evidence = collect(history(*lines, **played))
    operation = evidence.operations[0]
    had_key = generations(operation, evidence, Allowances(evidence))
    return OperationView(operation, had_key, evidence, Allowances(evidence), evidence.scenario)


def test_a_violation_of_no_operation_is_a_finding_with_nothing_but_its_message() -> None:
    """Its kind is for counting, and no line is about a region."""
    violation = Violation(Rule.CONTENT, "names no operation", "the notification has no id", (3,))

    assert violation.finding() == Finding(Rule.CONTENT, "the notification has no id", evidence=(3,))


def test_a_violation_of_an_operation_names_it_and_shows_its_regions() -> None:
    """Its records are in order and named once, its bugs one by one."""
    view = view_of(sent(EAST, 0), notified("timed_out", 120, WEST))
    (notification,) = view.operation.notifications

    finding = view.violation(
        Rule.DEADLINE, "kind", "is wrong", records=[4, 2, 4], notification=notification, looks_like="B01 B02"
    ).finding()

    assert finding == Finding(
        Rule.DEADLINE,
        "op1 is wrong",
        op="op1",
        evidence=(2, 4),
        by_region=(
            "eastus  sent +0s    acked +0.003s  counted      named arrived",
            "westus  never sent                 not counted  named missing",
        ),
        looks_like=("B01", "B02"),
    )


def test_a_violation_may_be_measured_by_the_bounds_of_a_later_operation() -> None:
    """By default by those of the first."""
    view = view_of(sent(EAST, 0), unsent(WEST, 1))
    later = view_of(sent(EAST, 0, ok=None)).first.bounds

    def counted(**measured_by: Any) -> str:
        violation = view.violation(Rule.OUTCOME, "", "", records=[], absence=True, **measured_by)
        assert violation.absence
        return violation.by_region()[0]

    assert counted().endswith("  counted")
    assert counted(bounds=later).endswith("  may count")


@pytest.mark.parametrize(
    ("region", "records"),
    [
        pytest.param(EAST, [2, 4, 6, 7], id="one that may have counted before one that did"),
        pytest.param(WEST, [8, 9, 8, 9], id="one that did"),
        pytest.param(NORTH, [], id="none"),
    ],
)
def test_records_decide_when_a_region_may_have_and_certainly_had_counted(
    region: str, records: list[int]
) -> None:
    """Of those that may have, and of those that did, the one that was sent first."""
    view = view_of(
        sent(EAST, 1, error="reset", after=2), sent(EAST, 1.001, status=400), sent(EAST, 2), sent(WEST, 3),
        sent(EAST, 4),
    )  # fmt: skip

    assert view.deciding([region]) == records


NAMES: dict[str, tuple[dict[str, Any], bool]] = {
    "each once": ({}, True),
    "in other letter case": ({"arrived": [" EASTUS "]}, True),
    "another one besides": ({"arrived": [EAST, "mars"]}, True),
    "one twice": ({"arrived": [EAST, EAST]}, False),
    "one on both sides": ({"arrived": [EAST, WEST]}, False),
    "one not": ({"arrived": []}, False),
    "no arrived": ({"arrived": None}, False),
    "no missing": ({"missing": 7}, False),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_notification_names_each_region_once_or_does_not(name: str) -> None:
    """Other names in its lists do not change that."""
    body, once = NAMES[name]
    view = view_of(sent(EAST, 0), notified("timed_out", 120, WEST, **body))

    assert names_each_region_once(view.first.notifications[0], view.first.bounds) is once


def test_a_view_has_the_tolerance_of_its_run() -> None:
    """And may be of an operation that cannot be judged."""
    view = view_of(sent(EAST, 0), run={"tolerance": 77})

    assert (view.tolerance, view.undecidable) == (77, False)


def test_what_was_sent_after_a_notification_came_late_or_again() -> None:
    """Until an instant; what was refused changed nothing."""
    view = view_of(
        sent(EAST, 0), notified("timed_out", 120, WEST), sent(WEST, 121), sent(EAST, 122, status=400),
        sent(EAST, 130),
    )  # fmt: skip

    assert view.deliveries_between(120_000, 125_000) == [121_000]
