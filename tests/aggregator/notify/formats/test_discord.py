"""Discord: embeds, held to the limits that its documentation states."""

import re
from typing import Any

from fanin.aggregator.fanin import Notification, Subject
from tests.aggregator.notify.formats.samples import body, huge, nasty, notify


def embed(notification: Notification) -> Any:
    message = body("discord", notification)
    assert message["allowed_mentions"] == {"parse": []}
    (found,) = message["embeds"]
    assert 1 <= len(found["title"]) <= 256
    assert 1 <= len(found["fields"]) <= 25
    for field in found["fields"]:
        assert 1 <= len(field["name"]) <= 256
        assert 1 <= len(field["value"]) <= 1_024
    total = len(found["title"]) + sum(len(it["name"]) + len(it["value"]) for it in found["fields"])
    assert total <= 6_000
    return found


def test_discord_gets_an_embed() -> None:
    """Title, facts, and when it was decided."""
    found = embed(notify())

    assert found["title"].replace("\\", "") == "team/app:1.4.2: push timed out, 1 of 3 regions missing"
    assert found["timestamp"] == "2026-03-01T00:02:00.000Z"
    assert (found["fields"][1]["name"], found["fields"][1]["value"]) == ("Arrived", "`eastus`, `northeurope`")


def test_discord_reads_no_markup_out_of_a_name() -> None:
    """Every sign of its Markdown has a backslash before it, or stands in a code span."""
    found = embed(nasty())

    disarmed = re.sub(r"\\[\\`*_~|<>\[\](){}#@:+\-!]", "", found["title"])
    assert not set(disarmed) & set("\\`*_~|<>[]@#")
    (repository,) = (field["value"] for field in found["fields"] if field["name"] == "Repository")
    assert re.fullmatch(r"`[^`]+`", repository)


def test_discord_takes_it_even_at_its_longest() -> None:
    """Each limit, and the sum; no title ends in a lone backslash."""
    found = embed(huge())
    dashes = embed(notify(subject=Subject(action="push", repository="-" * 512)))

    assert re.search(r" and \d+ more$", found["fields"][0]["value"])
    assert re.fullmatch(r"(\\-|[^\\])+…", dashes["title"])
