"""Query parameters: parsed, or refused with what is accepted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from fanin.aggregator.errors import MalformedError
from fanin.aggregator.fanin import Phase
from fanin.aggregator.http.query import PAGE_DEFAULT, parse_dead, parse_limit, parse_phase, parse_selection
from tests.aggregator.services import service


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
        ({"operation": "op-1", "code": "key"}, (None, "op-1")),
        ({"target": "oncall", "operation": "op-1"}, ("oncall", "op-1")),
    ],
)
def test_dead_letters_are_selected(query: dict[str, str], selection: tuple[str | None, str | None]) -> None:
    """The key is not part of it."""
    assert parse_selection(query, ["oncall"]) == selection


@pytest.mark.parametrize(
    ("query", "targets", "message"),
    [
        ({"target": "oncal"}, ["oncall"], "no such target 'oncal'; did you mean 'oncall'?"),
        ({"target": "oncall"}, [], "no such target 'oncall'; no target is configured"),
        ({"targt": "oncall"}, ["oncall"], "no such parameter 'targt'; did you mean 'target'?"),
    ],
)
def test_a_misspelt_selection_is_refused(query: dict[str, str], targets: list[str], message: str) -> None:
    """It must not select all dead letters."""
    with pytest.raises(MalformedError) as refusal:
        parse_selection(query, targets)

    assert str(refusal.value) == message


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
