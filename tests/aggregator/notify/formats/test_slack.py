"""Slack: messages, held to the reference of Block Kit."""

import re

import pytest
from slack_sdk.models.blocks import Block

from fanin.aggregator.fanin import Notification
from tests.aggregator.notify.formats.samples import body, huge, nasty, notify


def slack_texts(notification: Notification) -> tuple[str, str, list[str]]:
    """Text, header and fields of a message, after their shape was checked."""
    message = body("slack", notification)
    assert set(message) == {"text", "mrkdwn", "blocks"}
    header, section = message["blocks"]
    assert header["type"] == "header"
    assert header["text"]["type"] == "plain_text"
    assert 1 <= len(header["text"]["text"]) <= 150
    assert section["type"] == "section"
    assert 1 <= len(section["fields"]) <= 10
    for field in section["fields"]:
        assert field["type"] == "mrkdwn"
        assert 1 <= len(field["text"]) <= 2_000
    return message["text"], header["text"]["text"], [field["text"] for field in section["fields"]]


@pytest.mark.parametrize("notification", [notify(), nasty(), huge()], ids=["image", "nasty", "huge"])
def test_slacks_own_library_finds_no_fault_with_the_blocks(notification: Notification) -> None:
    """It knows the limits of every block."""
    for block in Block.parse_all(body("slack", notification)["blocks"]):
        block.validate_json()


def test_slack_gets_blocks() -> None:
    """A header that says it all, and the facts as fields."""
    text, header, fields = slack_texts(notify())

    assert text == "⚠️ team/app:1.4.2: push timed out, 1 of 3 regions missing"
    assert header == text
    assert fields[:4] == [
        "*Missing*\n`westeurope`",
        "*Arrived*\n`eastus`, `northeurope`",
        "*Repository*\n`team/app`",
        "*Tag*\n`1.4.2`",
    ]


def test_slack_reads_no_markup_out_of_a_name() -> None:
    """Control characters are entities, emphasis is quoted by a code span, which nothing in it can end."""
    text, _, fields = slack_texts(nasty())

    for said in (text, *fields):
        assert "<" not in said
        assert ">" not in said
        assert "&" not in re.sub(r"&(amp|lt|gt);", "", said)
    (repository,) = (field for field in fields if field.startswith("*Repository*"))
    assert re.fullmatch(r"\*Repository\*\n`[^`]+`", repository)
    assert body("slack", nasty())["mrkdwn"] is False


def test_slack_gets_as_many_regions_as_fit() -> None:
    """And how many more there are."""
    _, _, fields = slack_texts(huge())

    assert re.search(r"` and \d+ more$", fields[0])
