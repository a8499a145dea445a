"""The texts of a notification for people."""

import msgspec
import pytest

from fanin.aggregator.fanin import Notification, Phase, Subject
from fanin.aggregator.notify.formats.text import cut, facts, headline, image, joined

IMAGE = Subject(action="push", host="demo.azurecr.io", repository="team/app", tag="1.0", digest="sha256:11")
TIMED_OUT = Notification(
    key="k",
    operation_id="op-1",
    outcome=Phase.TIMED_OUT,
    subject=IMAGE,
    arrived=("eastus", "westus"),
    missing=("northeurope",),
    started_ms=0,
    deadline_ms=1_000,
    decided_ms=1_000,
)


def changed(**changes: object) -> Notification:
    return msgspec.structs.replace(TIMED_OUT, **changes)


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        (IMAGE, "team/app:1.0"),
        (Subject(action="push", repository="team/app", digest="sha256:11"), "team/app@sha256:11"),
        (Subject(action="push", repository="team/app"), "team/app"),
        (Subject(action="chart_push", name="redis", version="2"), "redis:2"),
        (Subject(action="delete", digest="sha256:11"), "sha256:11"),
        (Subject(action="delete"), "op-1"),
    ],
)
def test_an_image_is_named_by_what_the_webhook_has(subject: Subject, text: str) -> None:
    """Down to the operation's id."""
    assert image(changed(subject=subject)) == text


def test_the_headline_is_one_sentence() -> None:
    """With the numbers of regions."""
    completed = changed(outcome=Phase.COMPLETED, missing=())

    assert headline(TIMED_OUT) == "team/app:1.0: push timed out, 1 of 3 regions missing"
    assert headline(completed) == "team/app:1.0: push confirmed by all 2 regions"
    assert headline(changed(outcome=Phase.COMPLETED, missing=(), arrived=("eastus",))) == (
        "team/app:1.0: push confirmed by its region"
    )


def test_facts_leave_out_what_the_webhook_lacks() -> None:
    """The missing regions first."""
    assert [label for label, _ in facts(TIMED_OUT)] == [
        "Missing", "Arrived", "Repository", "Tag", "Digest", "Registry", "Deadline", "Operation",
    ]  # fmt: skip
    bare = facts(changed(subject=Subject(action="delete"), missing=()))
    assert bare == [
        ("Arrived", ("eastus", "westus")),
        ("Deadline", ("1970-01-01T00:00:01.000Z",)),
        ("Operation", ("op-1",)),
    ]


@pytest.mark.parametrize(("length_max", "text"), [(6, "eastus"), (7, "eastus"), (5, "east…"), (1, "…")])
def test_a_long_text_is_cut(length_max: int, text: str) -> None:
    """The ellipsis counts."""
    assert cut("eastus", length_max) == text


@pytest.mark.parametrize(
    ("length_max", "text"),
    [
        (17, "eastus and 2 more"),
        (18, "eastus, uk, westus"),
        (20, "eastus, uk, westus"),
        (16, "3 names too long to show"),
    ],
)
def test_names_are_joined_as_far_as_they_fit(length_max: int, text: str) -> None:
    """And the rest is counted."""
    assert joined(("eastus", "uk", "westus"), length_max) == text


def test_markup_counts_for_the_length() -> None:
    """Each name is marked before it is measured."""
    assert joined(("ab", "cd"), 8, mark="`{}`".format) == "2 names too long to show"
    assert joined(("ab", "cd"), 10, mark="`{}`".format) == "`ab`, `cd`"
