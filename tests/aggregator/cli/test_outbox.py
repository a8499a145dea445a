"""``fanin outbox``: the table, the objects, and the selection of dead letters."""

import json
from typing import Any

import pytest
import respx
from click.testing import CliRunner

from fanin.aggregator.cli.outbox import outbox, rendered

URL = "http://fanin.example"


def entry(**changes: Any) -> dict[str, Any]:
    return {
        "operation": "op-1",
        "target": "oncall",
        "state": "waiting",
        "outcome": "timed_out",
        "key": "k",
        "attempts": 2,
        "next_attempt": "2026-03-01T00:02:00.123Z",
        "dead_lettered": None,
        "error": "answered 503",
    } | changes


# --- list ---


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "waiting  oncall  op-1  timed_out  2  2026-03-01T00:02:00Z  answered 503"),
        ({"next_attempt": None, "error": None, "attempts": 0}, "waiting  oncall  op-1  timed_out  0  now  -"),
        (
            {"state": "dead", "next_attempt": None, "dead_lettered": "2026-03-01T00:03:00.000Z"},
            "dead  oncall  op-1  timed_out  2  dead-lettered 2026-03-01T00:03:00Z  answered 503",
        ),
    ],
)
def test_a_row_says_what_follows_and_why(changes: dict[str, Any], line: str) -> None:
    """The next attempt, or the time of the dead letter."""
    heading, row = rendered([entry(**changes)])

    assert heading.split() == ["STATE", "TARGET", "OPERATION", "OUTCOME", "ATTEMPTS", "NEXT", "ERROR"]
    assert row.split() == line.split()


def test_an_empty_outbox_is_said() -> None:
    """Instead of a heading over nothing."""
    assert rendered([]) == ["no notifications"]


def test_the_list_may_be_of_one_state_and_one_target() -> None:
    """The service selects the state, the command the target."""
    others = entry(target="deploy")
    with respx.mock as router:
        route = router.get(f"{URL}/outbox").respond(json={"entries": [entry(), others], "next": None})
        options = ["--state", "waiting", "--target", "oncall", "--format", "json"]
        ran = CliRunner().invoke(outbox, ["list", "--url", URL, *options])

    assert [json.loads(line) for line in ran.stdout.splitlines()] == [entry()]
    assert route.calls.last.request.url.params["state"] == "waiting"


# --- retry ---


@pytest.mark.parametrize(
    ("options", "query"),
    [
        (["--all"], {}),
        (["--target", "oncall"], {"target": "oncall"}),
        (["--operation", "op-1"], {"operation": "op-1"}),
        (["--target", "oncall", "--operation", "op-1"], {"target": "oncall", "operation": "op-1"}),
    ],
)
def test_dead_letters_are_selected(options: list[str], query: dict[str, str]) -> None:
    """And their number is printed."""
    with respx.mock as router:
        route = router.post(f"{URL}/outbox/retry").respond(json={"retried": 3})
        ran = CliRunner().invoke(outbox, ["retry", "--url", URL, *options])

    assert (ran.exit_code, ran.stdout) == (0, "3 sent again\n")
    assert dict(route.calls.last.request.url.params) == query


@pytest.mark.parametrize("options", [[], ["--all", "--target", "oncall"], ["--all", "--operation", "op-1"]])
def test_an_unclear_selection_is_a_usage_error(options: list[str]) -> None:
    """Nothing is sent to the service."""
    with respx.mock:
        ran = CliRunner().invoke(outbox, ["retry", "--url", URL, *options])

    assert ran.exit_code == 2
    assert "choose dead letters: --all, or --target, or --operation" in ran.stderr


@pytest.mark.parametrize(
    ("form", "printed"), [("table", "no such dead letters\n"), ("json", '{"retried": 0}\n')]
)
def test_no_dead_letter_is_no_error(form: str, printed: str) -> None:
    """Another operator may have sent them again."""
    with respx.mock as router:
        router.post(f"{URL}/outbox/retry").respond(json={"retried": 0})
        ran = CliRunner().invoke(outbox, ["retry", "--all", "--url", URL, "--format", form])

    assert (ran.exit_code, ran.stdout) == (0, printed)


@pytest.mark.parametrize("form", ["table", "json"])
@pytest.mark.parametrize(
    ("options", "whose"),
    [
        (["--operation", "nosuch"], "the operation 'nosuch'"),
        (["--operation", "nosuch", "--target", "a"], "the operation 'nosuch' for the target 'a'"),
    ],
)
def test_an_operation_without_dead_letters_is_an_error(options: list[str], whose: str, form: str) -> None:
    """Its id may be misspelt."""
    with respx.mock as router:
        router.post(f"{URL}/outbox/retry").respond(json={"retried": 0})
        ran = CliRunner().invoke(outbox, ["retry", *options, "--url", URL, "--format", form])

    assert (ran.exit_code, ran.stderr) == (1, f"Error: there is no dead letter of {whose}\n")


@pytest.mark.parametrize(
    "command",
    [
        ["list", "--target", ""],
        *([it, "--target", " "] for it in ("retry", "pause", "resume", "discard")),
        *([it, "--target", "oncall", "--operation", ""] for it in ("retry", "pause", "resume", "discard")),
    ],
)
def test_an_empty_name_is_a_usage_error(command: list[str]) -> None:
    """A variable that is not set must not make a selection wider."""
    with respx.mock:
        ran = CliRunner().invoke(outbox, [*command, "--url", URL])

    assert ran.exit_code == 2
    assert "is empty; give a name, or leave it out" in ran.stderr


# --- targets ---


def test_targets_are_listed_with_their_state() -> None:
    """A target that was removed from the file has no breaker."""
    found = [
        {"target": "oncall", "configured": True, "state": "open", "waiting": 12, "dead": 0},
        {"target": "old", "configured": False, "state": None, "waiting": 0, "dead": 3},
    ]
    with respx.mock as router:
        router.get(f"{URL}/outbox/targets").respond(json={"targets": found})
        ran = CliRunner().invoke(outbox, ["targets", "--url", URL])
        objects = CliRunner().invoke(outbox, ["targets", "--url", URL, "--format", "json"])

    assert [line.split() for line in ran.stdout.splitlines()] == [
        ["TARGET", "STATE", "WAITING", "DEAD"],
        ["oncall", "open", "12", "0"],
        ["old", "removed", "0", "3"],
    ]
    assert [json.loads(line) for line in objects.stdout.splitlines()] == found


@pytest.mark.parametrize(
    ("command", "printed"), [("pause", "oncall is paused\n"), ("resume", "oncall is resumed\n")]
)
def test_a_target_is_paused_and_resumed(command: str, printed: str) -> None:
    """By its name."""
    with respx.mock as router:
        route = router.post(f"{URL}/outbox/{command}").respond(json={"paused": True, "notifications": None})
        ran = CliRunner().invoke(outbox, [command, "--target", "oncall", "--url", URL])

    assert (ran.exit_code, ran.stdout) == (0, printed)
    assert dict(route.calls.last.request.url.params) == {"target": "oncall"}


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_an_operation_of_which_nothing_changes_is_said(command: str) -> None:
    """There is none, or all of it was paused, or resumed, before; so it is no error."""
    with respx.mock as router:
        router.post(f"{URL}/outbox/{command}").respond(json={"paused": True, "notifications": 0})
        ran = CliRunner().invoke(outbox, [command, "--operation", "op-1", "--url", URL])

    assert (ran.exit_code, ran.stdout) == (0, f"there is nothing to {command} of the operation 'op-1'\n")


@pytest.mark.parametrize(
    ("selected", "number", "ended"),
    [
        ({"operation": "op-1"}, 3, (0, "3 discarded\n", "")),
        ({"target": "oncall"}, 0, (0, "nothing to discard\n", "")),
        (
            {"operation": "op-1"}, 0,
            (1, "", "Error: there is nothing to discard of the operation 'op-1'\n"),
        ),
    ],
)  # fmt: skip
def test_entries_are_discarded_by_selection(
    selected: dict[str, str], number: int, ended: tuple[int, str, str]
) -> None:
    """Of a target, an operation, or both; never all. An operation that has none may be misspelt."""
    options = [word for name, value in selected.items() for word in (f"--{name}", value)]
    with respx.mock as router:
        route = router.post(f"{URL}/outbox/discard").respond(json={"discarded": number})
        ran = CliRunner().invoke(outbox, ["discard", *options, "--url", URL])
        unclear = CliRunner().invoke(outbox, ["discard", "--url", URL])

    assert (ran.exit_code, ran.stdout, ran.stderr) == ended
    assert dict(route.calls.last.request.url.params) == selected
    assert unclear.exit_code == 2
    assert "choose what to discard" in unclear.stderr
