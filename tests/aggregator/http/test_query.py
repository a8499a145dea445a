"""Query parameters: parsed, or refused with what is accepted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from fanin.aggregator.errors import MalformedError
from fanin.aggregator.fanin import Phase
from fanin.aggregator.http.query import (
    PAGE_DEFAULT,
    parse_dead,
    parse_limit,
    parse_phase,
    parse_selection,
    read_query,
    refuse_unknown,
)
from tests.aggregator.services import PUSH, service


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (parse_phase, None, None),
        (parse_phase, "timed_out", Phase.TIMED_OUT),
        (parse_limit, None, PAGE_DEFAULT),
        (parse_limit, "1", 1),
        (parse_limit, "1000", 1_000),
        (parse_dead, None, None),
        (parse_dead, "dead", True),
        (parse_dead, "waiting", False),
    ],
)
def test_a_parameter_is_parsed(parse: Callable[[str | None], Any], text: str | None, value: object) -> None:
    """A missing one has a default."""
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (parse_phase, "done", "state='done' is none of waiting, completed, timed_out"),
        (parse_dead, "lost", "state='lost' is none of waiting, dead"),
        (parse_limit, "0", "limit='0' is not a number from 1 to 1000"),
        (parse_limit, "1001", "limit='1001' is not a number from 1 to 1000"),
        (parse_limit, "²", "limit='²' is not a number from 1 to 1000"),
        (parse_limit, "9" * 5_000, "limit='99999999"),
        (parse_limit, "", "limit='' is not a number"),
    ],
)
def test_an_invalid_parameter_is_refused(parse: Callable[[str | None], Any], text: str, message: str) -> None:
    """With its value, and what is accepted."""
    with pytest.raises(MalformedError) as refusal:
        parse(text)

    assert str(refusal.value).startswith(message)


@pytest.mark.parametrize(
    ("query", "selection"),
    [
        ({}, (None, None)),
        ({"target": "oncall"}, ("oncall", None)),
        ({"operation": "op-1"}, (None, "op-1")),
        ({"target": "oncall", "operation": "op-1"}, ("oncall", "op-1")),
    ],
)
def test_dead_letters_are_selected(query: dict[str, str], selection: tuple[str | None, str | None]) -> None:
    """By target, by operation, or by both."""
    assert parse_selection(query, ["oncall"]) == selection


@pytest.mark.parametrize(
    ("query", "targets", "message"),
    [
        ({"target": "oncal"}, ["oncall"], "no such target 'oncal'; did you mean 'oncall'?"),
        ({"target": "oncall"}, [], "no such target 'oncall'; no target is configured"),
        ({"target": ""}, ["oncall"], "target= is empty; there are oncall"),
        ({"target": " "}, [], "target= is empty; no target is configured"),
        ({"operation": ""}, [], "operation= is empty; name an operation, or leave the parameter out"),
        ({"target": "oncall", "operation": " "}, ["oncall"], "operation= is empty; name an operation"),
    ],
)
def test_a_misspelt_selection_is_refused(query: dict[str, str], targets: list[str], message: str) -> None:
    """Nor is an empty one: it must not select all dead letters."""
    with pytest.raises(MalformedError) as refusal:
        parse_selection(query, targets)

    assert str(refusal.value).startswith(message)


# --- the names of parameters ---


def test_names_are_read_in_any_letter_case() -> None:
    """As Azure Functions reads them; what the endpoint does not know may be there more than once."""
    assert read_query(b"Region=eastus&x=1&x=2", ("region",)) == {"region": "eastus", "x": "2"}


@pytest.mark.parametrize(
    ("query", "name"),
    [
        (b"region=eastus&region=westus", "region"),
        (b"region=eastus&region=eastus", "region"),
        (b"region=eastus&REGION=westus", "region"),
        (b"region=&region=eastus", "region"),
        (b"code=a&region=eastus&code=a", "code"),
    ],
)
def test_a_parameter_that_is_given_more_than_once_is_refused(query: bytes, name: str) -> None:
    """Two values contradict each other, and two equal ones are no less a mistake."""
    with pytest.raises(MalformedError, match=f"^{name}= is given more than once; give it once$"):
        read_query(query, ("region",))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("state", "limit"), "no such parameter 'stat'; did you mean 'state'?"),
        (("limit", "after"), "no such parameter 'stat'; there are limit, after"),
        ((), "no such parameter 'stat'; there are none here"),
    ],
)
def test_an_unknown_parameter_is_refused(names: tuple[str, ...], message: str) -> None:
    """It might be meant to narrow what is done."""
    with pytest.raises(MalformedError) as refusal:
        refuse_unknown({"code": "key", "stat": "waiting"}, names)

    assert str(refusal.value) == message


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("method", "path", "message"),
    [
        ("GET", "/instances?state=waiting&state=completed", "state= is given more than once"),
        ("GET", "/instances?stat=waiting", "no such parameter 'stat'; did you mean 'state'?"),
        ("GET", "/outbox?after=1.1&After=1.2", "after= is given more than once"),
        ("GET", "/outbox?target=deploy", "no such parameter 'target'; there are state, limit, after"),
        ("GET", "/outbox/targets?target=deploy", "no such parameter 'target'; there are none here"),
        ("POST", "/outbox/retry?operation=i4&operation=i5", "operation= is given more than once"),
        ("POST", "/outbox/retry?operation=", "operation= is empty"),
        ("POST", "/outbox/test?target=", "target= is empty"),
        ("POST", "/outbox/discard?operation=i4&operation=i5", "operation= is given more than once"),
        ("POST", "/outbox/discard?operation=", "operation= is empty"),
        ("POST", "/outbox/discard?operation=i4&foo=bar", "no such parameter 'foo'"),
        ("POST", "/outbox/pause?operation=", "operation= is empty"),
        ("POST", "/outbox/resume?target=", "target= is empty"),
        ("GET", "/runtime/webhooks/durabletask/instances/x?showInput=a&showInput=b", "showinput= is given"),
        ("GET", "/metrics?code=a&code=b", "code= is given more than once"),
        ("POST", "/api/ImagePush?region=eastus&region=westeurope", "region= is given more than once"),
        ("POST", "/webhooks/eastus?code=a&code=a", "code= is given more than once"),
        ("POST", "/api/EventGrid?region=eastus&region=westus", "region= is given more than once"),
    ],
)
async def test_every_endpoint_refuses_an_ambiguous_query(
    tmp_path: Path, method: str, path: str, message: str
) -> None:
    """With 400, and nothing is done."""
    async with service(tmp_path) as client:
        answer = await client.request(method, path, json=PUSH)

    assert (answer.status_code, answer.json()["error"]) == (400, "malformed")
    assert answer.json()["message"].startswith(message)


@pytest.mark.anyio
async def test_a_status_may_be_asked_for_with_parameters_of_durable_functions(tmp_path: Path) -> None:
    """Its clients send some that mean nothing here."""
    async with service(tmp_path) as client:
        await client.post("/api/ImagePush?region=eastus&code=unused", json=PUSH)
        status = "/runtime/webhooks/durabletask/instances/5b7c?taskHub=a&connection=b&showHistory=true"
        answer = await client.get(status)

    assert answer.status_code == 202


# Too large for SQLite, too long for an integer, digits of another script, and no numbers at all.
TOKENS = (
    "9223372036854775808.1",
    "1." + "9" * 5_000,
    "\u0661.\u0661",
    "",
    "x",
    "1",
    "1.",
    ".1",
    "-1.1",
    "1.1.1",
)


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/instances", "/instances?state=waiting", "/outbox"])
@pytest.mark.parametrize("token", TOKENS)
async def test_a_token_that_no_page_gave_is_refused_in_a_sentence(
    tmp_path: Path, path: str, token: str
) -> None:
    """Not a traceback, whatever it is."""
    async with service(tmp_path) as client:
        address = httpx.URL(path).copy_merge_params({"after": token})
        answer = await client.get(address)

    assert answer.status_code == 400
    assert "is not what a page gave as its next" in answer.json()["message"]
