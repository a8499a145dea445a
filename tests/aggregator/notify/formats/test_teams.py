"""Teams: cards for its workflows, held to the schema of Adaptive Cards."""

from typing import Any

from jsonschema import Draft202012Validator

from fanin.aggregator.fanin import Notification
from tests.aggregator.notify.formats.samples import body, huge, nasty, notify, written

# Of the schema of Adaptive Cards 1.4: what may be in these elements.
RUN = {
    "type": "object",
    "required": ["type", "text"],
    "additionalProperties": False,
    "properties": {
        "type": {"const": "TextRun"},
        "text": {"type": "string", "minLength": 1},
        "color": {"enum": ["default", "dark", "light", "accent", "good", "warning", "attention"]},
        "fontType": {"enum": ["default", "monospace"]},
        "size": {"enum": ["default", "small", "medium", "large", "extraLarge"]},
        "weight": {"enum": ["default", "lighter", "bolder"]},
    },
}
BLOCK = {
    "type": "object",
    "required": ["type", "inlines"],
    "additionalProperties": False,
    "properties": {
        "type": {"const": "RichTextBlock"},
        "inlines": {"type": "array", "items": RUN, "minItems": 1},
        "spacing": {"enum": ["default", "none", "small", "medium", "large", "extraLarge", "padding"]},
    },
}
CARD = {
    "type": "object",
    "required": ["type", "version"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"const": "http://adaptivecards.io/schemas/adaptive-card.json"},
        "type": {"const": "AdaptiveCard"},
        "version": {"const": "1.4"},
        "fallbackText": {"type": "string"},
        "msteams": {"const": {"width": "Full"}},
        "body": {"type": "array", "items": BLOCK},
    },
}


def card(notification: Notification) -> Any:
    message = body("teams", notification)
    (attachment,) = message["attachments"]
    assert (message["type"], attachment["contentType"]) == (
        "message",
        "application/vnd.microsoft.card.adaptive",
    )
    Draft202012Validator(CARD).validate(attachment["content"])
    return attachment["content"]


def test_teams_gets_an_adaptive_card() -> None:
    """The headline in its colour, then a line per fact."""
    title, *lines = card(notify())["body"]

    assert title["inlines"][0]["text"] == "team/app:1.4.2: push timed out, 1 of 3 regions missing"
    assert title["inlines"][0]["color"] == "attention"
    assert ["".join(run["text"] for run in line["inlines"]) for line in lines[:2]] == [
        "Missing: westeurope",
        "Arrived: eastus, northeurope",
    ]


def test_teams_reads_no_markup_out_of_a_name() -> None:
    """Only text runs hold names: of all elements with text, they alone are not read as Markdown."""
    for element in card(nasty())["body"]:
        assert element["type"] == "RichTextBlock"
        assert {run["type"] for run in element["inlines"]} == {"TextRun"}


def test_teams_takes_it_even_at_its_longest() -> None:
    """28 KB is the limit of a message."""
    assert len(written("teams", huge()).body) < 28_000
