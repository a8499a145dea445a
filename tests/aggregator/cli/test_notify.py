"""`fanin notify --test`: what is asked of the service, and what is sent from here."""

import json
from pathlib import Path

import pytest
import respx
from click.testing import CliRunner

from fanin.aggregator.cli.notify import notify

URL = "http://fanin.example:8080"
ANSWER = {
    "targets": [
        {"target": "deploy", "accepted": True, "error": None, "took_ms": 12},
        {"target": "oncall", "accepted": False, "error": "answered 404", "took_ms": 7},
    ]
}


def test_the_service_sends_it_and_each_answer_is_shown() -> None:
    """One that is refused is the command's failure."""
    with respx.mock as router:
        route = router.post(f"{URL}/outbox/test").respond(json=ANSWER)
        ran = CliRunner().invoke(notify, ["--test", "--url", URL])

    assert ran.stdout.splitlines() == [
        "TARGET  RESULT",
        "deploy  accepted in 12 ms",
        "oncall  refused: answered 404",
    ]
    assert ran.exit_code == 1
    assert dict(route.calls.last.request.url.params) == {}


def test_one_target_in_a_format_for_programs() -> None:
    """One line for each."""
    with respx.mock as router:
        route = router.post(f"{URL}/outbox/test").respond(json={"targets": ANSWER["targets"][:1]})
        ran = CliRunner().invoke(notify, ["--test", "deploy", "--url", URL, "--format", "json"])

    assert [json.loads(line) for line in ran.stdout.splitlines()] == ANSWER["targets"][:1]
    assert ran.exit_code == 0
    assert dict(route.calls.last.request.url.params) == {"target": "deploy"}


@pytest.mark.parametrize("name", ["", " "])
def test_an_empty_name_does_not_test_all_targets(name: str) -> None:
    """A variable that is not set is a usage error."""
    with respx.mock:
        ran = CliRunner().invoke(notify, ["--test", name, "--url", URL])

    assert ran.exit_code == 2
    assert "is empty; give a name, or leave it out" in ran.stderr


def test_from_here_no_service_is_needed(tmp_path: Path) -> None:
    """The port "discard", where nothing listens, refuses."""
    path = tmp_path / "targets.yaml"
    path.write_text("targets: [{name: a, url: 'http://127.0.0.1:9/hunter2'}]", encoding="utf-8")

    by_file = CliRunner().invoke(notify, ["--test", "a", "--notify-file", str(path)])
    by_url = CliRunner().invoke(notify, ["--test", "--notify-url", "http://127.0.0.1:9/hunter2"])

    assert (by_file.exit_code, by_url.exit_code) == (1, 1)
    assert by_file.stdout.splitlines()[1] == "a       refused: Connection refused"
    assert by_url.stdout.splitlines()[1] == "default  refused: Connection refused"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "say --test: nothing but a test message is sent by hand"),
        (["--test", "--url", URL, "--notify-url", "http://a/"], "leave out --notify-file and --notify-url"),
        (["--test", "b", "--notify-url", "http://a/"], "no such target 'b'; there are default"),
        (["--test", "--notify-file", "nowhere.yaml"], "--notify-file: nowhere.yaml: No such file"),
    ],
)
def test_a_mistake_is_a_usage_error(arguments: list[str], message: str) -> None:
    """Nothing is sent."""
    with respx.mock:
        ran = CliRunner().invoke(notify, arguments)

    assert ran.exit_code == 2
    assert message in " ".join(ran.stderr.split())
