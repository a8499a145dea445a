"""What is offered while a scenario is typed."""

import pytest

from fanin.harness.demo.completion import complete

HEAD = "scenario: a\ntitle: A\nregions: [east, west]\noperations:\n  - image: a\n    name: first\n"


def offered(text: str) -> list[str]:
    """At the sign ``^`` in the text."""
    return [it.text for it in complete(text.replace("^", ""), text.index("^")).offers]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sce^", ["scenario: "]),
        (HEAD + "tim^", ["timeout: "]),
        (HEAD + "    rea^", ["reaches: "]),
        (HEAD + "  - ima^", ["image: "]),
        (HEAD + "sender:\n  pro^", ["profile: "]),
        (HEAD + "sender:\n  profile: stand^", ["standard-webhooks"]),
        (HEAD + "faults:\n  - {fault: cra^", ["crash"]),
        (HEAD + "faults:\n  - {fault: crash, down^", ["down_for: "]),
        (HEAD + "faults:\n  - {fault: crash, step: before-n^", ["before-notify"]),
        (HEAD + "faults:\n  - {fault: drop, region: e^", ["east"]),
        (HEAD + "faults:\n  - {fault: drop, operation: f^", ["first"]),
        (HEAD + "faults:\n  - fault: pau^", ["pause"]),
        (HEAD + "expect:\n  - {operation: first, outcome: comp^", ["completed"]),
        (HEAD + "verdict: inv^", ["invalid"]),
    ],
)
def test_what_fits_is_offered(text: str, expected: list[str]) -> None:
    """Fields of the place, values of the field, names of the scenario's own."""
    assert offered(text) == expected


def test_a_field_that_is_there_is_not_offered_again() -> None:
    """Of a fault, only what it has not got yet."""
    fields = offered(HEAD + "faults:\n  - {fault: drop, region: east, ^")

    assert "region: " not in fields
    assert {"operation: ", "chance: "} <= set(fields)


def test_the_offer_replaces_what_was_typed() -> None:
    """From the first letter of the word to the cursor."""
    text = HEAD + "tim"

    assert complete(text, len(text)).start == len(HEAD)


@pytest.mark.parametrize("text", ["", ":", "- - -", "{", "a: {b: [", "\t", "operations:\n- - x: {y"])
def test_no_text_makes_it_fail(text: str) -> None:
    """Whatever is typed, at every place of it."""
    for cursor in range(-1, len(text) + 2):
        complete(text, cursor)
