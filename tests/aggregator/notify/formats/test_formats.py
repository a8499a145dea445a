"""What each receiver gets, held to what its documentation accepts."""

import re
from typing import Any

import msgspec
import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from jsonschema import Draft202012Validator
from slack_sdk.models.blocks import Block

from fanin.aggregator.fanin import Notification, Phase, Subject
from fanin.aggregator.notify.formats import FORMATS, Message, load
from fanin.aggregator.notify.formats.text import image

DECIDED_MS = 1_772_323_320_000
NASTY = "te*am_/`a`~p[p](http://x)<!channel>&@everyone|:smile:\\#"


def notify(**changes: Any) -> Notification:
    notification = Notification(
        key="c0ffee",
        operation_id="op-1",
        outcome=Phase.TIMED_OUT,
        subject=Subject(
            action="push", host="demo.azurecr.io", repository="team/app", tag="1.4.2", digest="sha256:1"
        ),
        arrived=("eastus", "northeurope"),
        missing=("westeurope",),
        started_ms=1_772_323_200_000,
        deadline_ms=1_772_323_320_000,
        decided_ms=DECIDED_MS,
    )
    return msgspec.structs.replace(notification, **changes)


def nasty(**changes: Any) -> Notification:
    """A name with everything that a receiver could take for markup."""
    return notify(subject=Subject(action="push", repository=NASTY, tag=NASTY), **changes)


def huge() -> Notification:
    """As long as `aggregator.wire` lets everything be, with five hundred regions, in four-byte characters."""
    long = "\N{SLEEPING FACE}" * 512
    regions = tuple(f"{n:03}-" + "\N{SNAIL}" * 60 for n in range(250))
    return notify(
        operation_id="\N{WHALE}" * 256,
        subject=Subject(action="chart_delete", host=long, repository=long, tag=long, digest=long),
        arrived=regions,
        missing=tuple(f"x{name}" for name in regions),
    )


def written(name: str, notification: Notification) -> Message:
    return load(name).render(notification)


def body(name: str, notification: Notification) -> Any:
    return msgspec.json.decode(written(name, notification).body)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    "notification",
    [
        notify(),
        notify(outcome=Phase.COMPLETED, missing=(), arrived=("eastus",)),
        notify(arrived=(), subject=Subject(action="chart_push", name="redis", version="1")),
        notify(subject=Subject(action="delete", digest="sha256:1")),
        notify(subject=Subject(action="delete")),
        nasty(),
        huge(),
    ],
    ids=["image", "completed", "chart", "digest", "nothing", "nasty", "huge"],
)
def test_whatever_the_operation_every_format_can_say_it(name: str, notification: Notification) -> None:
    """JSON in UTF-8, headers that are headers, the same bytes for the same decision, the operation named."""
    message = written(name, notification)

    assert message == written(name, notification)
    assert msgspec.json.decode(message.body)
    assert "json" in message.headers["content-type"]
    for header, value in message.headers.items():
        assert re.fullmatch(r"[a-z0-9-]+", header)
        assert re.fullmatch(r"[\x20-\x7e]+", value)
    assert notification.operation_id[:50] in message.body.decode()


# --- CloudEvents: specification 1.0.2, its JSON schema reduced to the attributes that we use ---

EVENT = {
    "type": "object",
    "required": ["id", "source", "specversion", "type"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string", "minLength": 1},
        "source": {"type": "string", "minLength": 1, "format": "uri-reference"},
        "specversion": {"const": "1.0"},
        "type": {"type": "string", "minLength": 1},
        "datacontenttype": {"type": "string", "minLength": 1},
        "subject": {"type": "string", "minLength": 1},
        "time": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"},
        "data": {"type": "object"},
    },
}


def test_a_structured_cloud_event_is_one_document() -> None:
    """Attributes beside the data, which is the plain notification; the key is the event's id."""
    message = written("cloudevents", notify())
    event = msgspec.json.decode(message.body)

    Draft202012Validator(EVENT).validate(event)
    assert message.headers == {"content-type": "application/cloudevents+json; charset=utf-8"}
    assert event["data"] == body("json", notify())
    assert {name: event[name] for name in ("id", "source", "type", "subject", "time")} == {
        "id": "c0ffee",
        "source": "/fanin",
        "type": "fanin.operation.timed_out",
        "subject": "team/app:1.4.2",
        "time": "2026-03-01T00:02:00.000Z",
    }


def test_a_binary_cloud_event_has_its_attributes_in_headers() -> None:
    """The body is the plain notification; what no header may hold is percent-encoded (binding, 3.1.3.2)."""
    notification = notify(subject=Subject(action="push", repository='Euro "€" 100%', tag="ü 😀"))
    message = written("cloudevents-binary", notification)

    assert message.body == written("json", notification).body
    assert message.headers == {
        "content-type": "application/json",
        "ce-specversion": "1.0",
        "ce-id": "c0ffee",
        "ce-source": "/fanin",
        "ce-type": "fanin.operation.timed_out",
        # The binding's own example: Euro, a space, the sign in three bytes, the smile in four.
        "ce-subject": "Euro%20%22%E2%82%AC%22%20100%25:%C3%BC%20%F0%9F%98%80",
        "ce-time": "2026-03-01T00:02:00.000Z",
    }


@pytest.mark.parametrize("name", ["cloudevents", "cloudevents-binary"])
@pytest.mark.parametrize("notification", [notify(), nasty(), huge()], ids=["image", "nasty", "huge"])
def test_a_library_of_the_receivers_reads_the_event(name: str, notification: Notification) -> None:
    """The SDK of CloudEvents finds every attribute and the data as they were meant, in either mode."""
    message = written(name, notification)

    event = from_http_event(HTTPMessage(dict(message.headers), message.body))

    assert (event.get_id(), event.get_source(), event.get_specversion()) == ("c0ffee", "/fanin", "1.0")
    assert event.get_subject() == image(notification)
    assert event.get_datacontenttype() == "application/json"
    assert event.get_data() == body("json", notification)


def test_brigade_gets_a_structured_event() -> None:
    """Its gateway reads CloudEvents 1.0; source and type become qualifiers, the data the payload."""
    assert written("brigade", notify()) == written("cloudevents", notify())


def test_a_source_of_ones_own() -> None:
    """Receivers route by it."""
    event = msgspec.json.decode(load("cloudevents").render(notify(), source="/demo").body)

    assert event["source"] == "/demo"


# --- Slack: the Block Kit reference ---


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


# --- Teams: Workflows, Adaptive Cards ---


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


# --- Discord ---


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


# --- GitHub ---


def test_github_gets_a_dispatch() -> None:
    """The outcome is the event's type, which a workflow chooses by; the payload is the plain notification."""
    message = written("github", notify())

    assert msgspec.json.decode(message.body) == {
        "event_type": "fanin-timed-out",
        "client_payload": body("json", notify()),
    }
    assert message.headers["accept"] == "application/vnd.github+json"
    assert message.headers["x-github-api-version"] == "2022-11-28"


@pytest.mark.parametrize("notification", [notify(), huge()], ids=["short", "huge"])
def test_github_takes_it_even_at_its_longest(notification: Notification) -> None:
    """A type of at most 100 characters, at most ten properties, less than 64 KB; what was cut says so."""
    dispatch = body("github", notification)
    payload = dispatch["client_payload"]

    assert len(dispatch["event_type"]) <= 100
    assert len(payload) <= 10
    assert len(msgspec.json.encode(payload)) < 64_000
    cut = len(payload["missing"]) < len(notification.missing)
    assert payload.get("truncated", False) is cut
    assert payload["missing"] == list(notification.missing[: len(payload["missing"])])
    assert payload["missing"]
