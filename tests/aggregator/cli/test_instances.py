"""``fanin instances``: the table, the objects, and what is asked of the service."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
import respx
from click.testing import CliRunner

from fanin.aggregator.cli.instances import instances, rendered

URL = "http://fanin.example"
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def instance(**changes: Any) -> dict[str, Any]:
    return {
        "id": "op-1",
        "state": "waiting",
        "missing": ["westus"],
        "deadline": "2026-03-01T00:02:00.000Z",
        "decided": None,
        "repository": "team/app",
        "tag": "1.0",
        "digest": None,
    } | changes


def row(**changes: Any) -> list[str]:
    """The one line of a table, in its columns."""
    heading, line = rendered([instance(**changes)], now=NOW)
    begins = [heading.index(name) for name in heading.split()]
    return [line[begin:end].strip() for begin, end in zip(begins, [*begins[1:], None], strict=True)]


# --- the table ---


def test_a_row_names_image_deadline_and_missing_regions() -> None:
    """And how long it is until the deadline."""
    assert row() == ["op-1", "team/app:1.0", "waiting", "2026-03-01T00:02:00Z (in 2m)", "westus"]


@pytest.mark.parametrize(
    ("changes", "image"),
    [
        ({"tag": None, "digest": "sha256:" + "a" * 64}, "team/app@sha256:aaaaaaaaaaaa…"),
        ({"tag": None}, "team/app"),
        ({"tag": None, "repository": None}, "-"),
    ],
)
def test_an_image_is_named_by_what_the_webhook_has(changes: dict[str, Any], image: str) -> None:
    """A digest is cut."""
    assert row(**changes)[1] == image


@pytest.mark.parametrize(
    ("deadline", "until"),
    [
        ("2026-03-01T00:00:30.000Z", "2026-03-01T00:00:30Z (in 30s)"),
        ("2026-03-01T00:01:59.000Z", "2026-03-01T00:01:59Z (in 119s)"),
        ("2026-03-01T03:30:00.000Z", "2026-03-01T03:30:00Z (in 3h)"),
        ("2026-03-04T00:00:00.000Z", "2026-03-04T00:00:00Z (in 3d)"),
        ("2026-02-28T23:50:00.000Z", "2026-02-28T23:50:00Z (10m ago)"),
    ],
)
def test_the_time_until_a_deadline_has_one_unit(deadline: str, until: str) -> None:
    """A deadline that has just passed may still wait for its decision."""
    assert row(deadline=deadline)[3] == until


def test_a_decided_operation_has_the_time_of_its_decision() -> None:
    """And perhaps no missing region."""
    decided = row(state="completed", decided="2026-03-01T00:01:00.123Z", missing=[])

    assert decided[2:] == ["completed", "decided 2026-03-01T00:01:00Z", "-"]


def test_columns_are_as_wide_as_their_content() -> None:
    """So every column begins at one place."""
    lines = rendered([instance(), instance(id="a-longer-id", state="timed_out")], now=NOW)

    assert (
        len({line.index(state) for line, state in zip(lines[1:], ["waiting", "timed_out"], strict=True)}) == 1
    )


# --- the command ---


def test_the_command_asks_for_a_state_and_prints_objects() -> None:
    """One per line, unchanged."""
    with respx.mock as router:
        route = router.get(f"{URL}/instances").respond(json={"instances": [instance()], "next": None})
        ran = CliRunner().invoke(instances, ["--url", URL, "--state", "waiting", "--format", "json"])

    assert (ran.exit_code, [json.loads(line) for line in ran.stdout.splitlines()]) == (0, [instance()])
    assert route.calls.last.request.url.params["state"] == "waiting"


@pytest.mark.parametrize(("option", "rows"), [(["--limit", "1"], 1), (["--all"], 2), ([], 2)])
def test_a_limit_is_said_beside_the_table(option: list[str], rows: int) -> None:
    """On stderr, so that stdout has only the table."""
    found = [instance(), instance(id="op-2")]
    with respx.mock as router:
        router.get(f"{URL}/instances").respond(json={"instances": found, "next": None})
        ran = CliRunner().invoke(instances, ["--url", URL, *option])

    assert len(ran.stdout.splitlines()) == 1 + rows
    assert ran.stderr == ("" if rows == 2 else "these are the first 1; --all lists the rest\n")


def test_a_limit_and_all_contradict_each_other() -> None:
    """Neither of them wins without a word, not even a limit that is the default."""
    with respx.mock:
        ran = CliRunner().invoke(instances, ["--limit", "100", "--all", "--url", URL])

    assert ran.exit_code == 2
    assert "--limit and --all contradict each other" in ran.stderr


@pytest.mark.parametrize("options", [["--url", "foo"], ["--url", "ftp://fanin.example"], ["--limit", "0"]])
def test_an_option_that_cannot_be_right_is_a_usage_error(options: list[str]) -> None:
    """Exit code 1 is for a service that does not respond, or refuses."""
    ran = CliRunner().invoke(instances, options)

    assert ran.exit_code == 2


def test_an_empty_list_is_said() -> None:
    """Instead of a heading over nothing."""
    assert rendered([], now=NOW) == ["no operations"]
