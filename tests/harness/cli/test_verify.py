"""``fanin verify``: its options, what it prints, and how it ends."""

import html
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from fanin.harness.cli.main import main
from fanin.harness.targets.first_push import FIRST_PUSH
from fanin.harness.verify import verification
from fanin.harness.world.play import play_foreign_app
from fanin.simulator.language.scenario import Scenario
from tests.paths import FOREIGN_APPS

APP = ("--app", "unmodified:create_app", "--app-dir", str(FOREIGN_APPS))


BROKEN = """
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

async def accept(request):
    return Response(status_code=202)

async def fail(request):
    raise KeyError("nothing")

def app(handler, path="/api/ImagePush"):
    return Starlette(routes=[Route(path, handler, methods=["POST"])])

def elsewhere():
    return app(accept, "/hooks")

def raises():
    return app(fail)

async def coroutine():
    return app(accept)

def silent():
    return app(accept)

def refuses_copies():
    from unmodified import create_app

    inner, seen = create_app(), set()

    async def app(scope, receive, send):
        if scope["type"] == "http":
            if scope["query_string"] in seen:
                raise KeyError("a copy")
            seen.add(scope["query_string"])
        await inner(scope, receive, send)

    return app

def busy_at_first():
    import time
    from unmodified import create_app

    inner, began = create_app(), time.monotonic()

    async def app(scope, receive, send):
        if scope["type"] == "http" and time.monotonic() < began + 3:
            await Response(status_code=503, headers={"Retry-After": "3"})(scope, receive, send)
        else:
            await inner(scope, receive, send)

    return app

def nothing():
    return None
"""


def verify(*words: str | Path) -> Result:
    return CliRunner().invoke(main, ["verify", *map(str, words)], prog_name="fanin")


def test_an_application_is_judged_by_what_it_declares() -> None:
    """Without a word the scenario is skipped; with it, the application is judged, and found wanting."""
    silent = verify(*APP, "envelopes")
    declared = verify(*APP, "envelopes", "--capability", "envelopes")

    assert "needs envelopes" in silent.stdout
    assert declared.exit_code == 1
    assert declared.stdout.endswith("INVALID  unmodified:create_app: 1 invalid\n")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ((), "say what to judge: --app MODULE:APP, --command CMD, or --url URL"),
        (("--app", "a:b", "--command", "x"), "app is given as well; a target is one of app, command, url"),
        (
            ("--app", "a:b", "--jobs", "3"),
            "--jobs: it has no meaning for a target given by app, only by command",
        ),
        (("--app", "nothing"), "--app: 'nothing' is not accepted; write"),
        (("--command", "x", "--tolerance", "soon"), "Invalid value for '--tolerance'"),
        (("--url", "https://h/{region}"), "say which regions the deployment is configured with"),
        (("--url", "https://h/{region}", "--regions", "a,,b"), "--regions: 'a,,b' is not accepted; write"),
        ((*APP, "slow-region", "slow-regoin"), "slow-regoin: neither a built-in scenario nor a file"),
        (("--target", "nowhere.yaml"), "does not exist"),
        ((*APP, "slow-region", "slow-region"), "'slow-region' is named 2 times"),
        ((*APP, "nowhere.yaml"), "Error: nowhere.yaml: there is no such file"),
        ((*APP, "--seed", "1", "--seed", "2"), "--seed is given 2 times; it takes one value"),
        (
            (*APP, "--lacks", "replicas", "--capability", "replicas"),
            "--lacks: replicas is among its capabilities as well; it has it or lacks it",
        ),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(words: tuple[str, ...], complaint: str) -> None:
    """2, and the message names the option."""
    result = verify(*words)

    assert result.exit_code == 2
    assert complaint in " ".join(result.stderr.split())
    assert result.stdout == ""


def test_two_scenarios_of_one_name_cannot_be_quoted_apart_on_a_card(tmp_path: Path) -> None:
    """A copy of a built-in one is given another name first."""
    copy = tmp_path / "copy.yaml"
    copy.write_text("scenario: slow-region\ntitle: A copy\noperations: [{}]\n", encoding="utf-8")

    result = verify(*APP, "slow-region", copy)

    assert result.exit_code == 2
    assert "two of these scenarios are called 'slow-region'" in result.stderr


def test_the_card_in_json_is_one_object_and_nothing_else_is_printed() -> None:
    """Programs read stdout; progress would be in their way."""
    result = verify(*APP, "slow-region", "--format", "json")

    card = json.loads(result.stdout)
    assert (card["target"], card["exit_code"]) == ("unmodified:create_app", 0)
    assert [it["scenario"] for it in card["scenarios"]] == ["slow-region"]
    assert result.stderr == ""


def test_one_scenario_tells_the_whole_story() -> None:
    """Timeline, finding, evidence, what the bug means, and the command that plays it again."""
    result = verify(*APP, "crash-after-ack")

    assert result.exit_code == 1
    assert result.stdout.startswith("crash-after-ack: ")
    assert "\n  5-acknowledgement  op1 was reported timed_out" in result.stdout
    assert "looks like B50: 2xx was answered before the arrival was durable" in result.stdout
    assert f"  replay: fanin verify --app unmodified:create_app --app-dir {FOREIGN_APPS}" in result.stdout
    assert "and the contract (docs/contract.md)" not in result.stdout


def test_many_scenarios_end_in_the_command_to_begin_with() -> None:
    """The failure that is the shortest to read, in full."""
    result = verify(*APP, "slow-region", "crash-after-ack")

    assert result.stdout.splitlines()[-1] == (
        f"next: fanin verify --app unmodified:create_app --app-dir {FOREIGN_APPS} --seed 0 crash-after-ack"
    )
    assert "begin with crash-after-ack" in result.stdout
    assert "…" not in result.stdout


def test_what_it_seems_to_lack_is_no_cause_and_the_next_command_says_so() -> None:
    """Another failure comes first; if there is none, all is played again without what needs it."""
    alone = verify(*APP, "slow-region", "wrong-key")
    among_others = verify(*APP, "crash-after-ack", "wrong-key")

    assert "note: wrong-key: it accepts any key: if it has none, say --lacks function-keys" in alone.stdout
    assert "looks like" not in alone.stdout
    assert alone.stdout.splitlines()[-1] == (
        f"next: fanin verify --app unmodified:create_app --app-dir {FOREIGN_APPS}"
        " --lacks function-keys slow-region wrong-key"
    )
    assert among_others.stdout.splitlines()[-1].endswith(" --seed 0 crash-after-ack")


BARE = """
import os
import httpx
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

def create_app():
    seen = {}

    async def hook(request):
        id = (await request.json())["id"]
        seen.setdefault(id, set()).add(request.query_params["region"])
        if len(seen[id]) == len(os.environ["WebhookRegions"].split(",")):
            async with httpx.AsyncClient() as client:
                await client.post(os.environ["NOTIFY_URL"], json={"id": id, "status": "done"})
        return Response(status_code=202)

    return Starlette(routes=[Route("/api/ImagePush", hook, methods=["POST"])])
"""


def test_what_every_notification_lacks_is_said_first_and_hides_nothing_else(tmp_path: Path) -> None:
    """It has no timer either, which is what the line of a scenario with a timeout is about."""
    (tmp_path / "bare.py").write_text(BARE, encoding="utf-8")

    result = verify("--app", "bare:create_app", "--app-dir", tmp_path, "slow-region", "dropped-region")

    lacking = "webhook-id, action, repository, tag, digest, arrived, missing, outcome"
    assert f"note: the notification of the first push has no {lacking};" in result.stderr
    printed = " ".join(result.stdout.split())
    assert f"note: the notification of the first push has no {lacking};" in printed
    assert "invalid dropped-region 3-deadline: op1 was not reported, though timed_out was due" in printed
    assert "invalid slow-region 7-notification: op1 was reported without an outcome at" in printed
    assert "1 run looks like B33" in printed


def test_a_deployment_that_does_not_answer_is_one_error_and_nothing_else() -> None:
    """What is skipped is said when something is played."""
    reached = ("--url", "http://127.0.0.1:1/{region}", "--listen", "127.0.0.1:0")

    result = verify(*reached, "--regions", "a,b", "--timeout", "5s")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "cannot reach http://127.0.0.1:1/{region}: Connection refused" in result.stderr


def test_a_report_ends_in_the_same_command_for_one_scenario(tmp_path: Path) -> None:
    """With every option as it was given, and without those that another run decides anew."""
    report = tmp_path / "report"

    verify(
        *APP, "--lacks", "function-keys", "--report", report, "--seed", "7", "slow-region", "crash-after-ack"
    )

    runs = json.loads((report / "report.json").read_bytes())["runs"]
    assert [run["replay"] for run in runs] == [
        f"fanin verify --app unmodified:create_app --app-dir {FOREIGN_APPS}"
        f" --lacks function-keys --seed 7 {name}"
        for name in ("slow-region", "crash-after-ack")
    ]


def interrupted_after(runs: int) -> Callable[..., Any]:
    playing, left = play_foreign_app, iter(range(runs))

    def play(scenario: Scenario, *arguments: Any, **options: Any) -> Any:
        if scenario is not FIRST_PUSH and next(left, None) is None:
            raise KeyboardInterrupt
        return playing(scenario, *arguments, **options)

    return play


def test_ctrl_c_prints_a_card_of_what_is_judged_and_writes_the_report(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With a note that it is not all."""
    monkeypatch.setattr(verification, "play_foreign_app", interrupted_after(2))

    played = ("slow-region", "dropped-region", "late-region")

    result = verify(*APP, "two-replicas", *played, "--report", tmp_path)

    assert result.exit_code == 130
    assert "note: interrupted when 2 of 4 scenarios were judged, and 1 skipped\n" in result.stdout
    assert "VALID  unmodified:create_app: 2 of 3 scenarios judged: 1 skipped" in result.stdout
    assert result.stderr.endswith("fanin: interrupted\n")
    written = json.loads((tmp_path / "report.json").read_bytes())
    assert (len(written["runs"]), written["exit_code"]) == (2, 130)


def test_the_object_of_a_run_that_was_interrupted_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was judged is valid, and the exit code is that of the process all the same."""
    monkeypatch.setattr(verification, "play_foreign_app", interrupted_after(1))

    result = verify(*APP, "slow-region", "late-region", "--format", "json")

    card = json.loads(result.stdout)
    assert result.exit_code == card["exit_code"] == 130
    assert [it["verdict"] for it in card["scenarios"]] == ["valid"]


def test_an_application_that_is_busy_at_first_is_judged(tmp_path: Path) -> None:
    """503 with Retry-After is right after a start, so the first push comes again."""
    (tmp_path / "broken.py").write_text(BROKEN, encoding="utf-8")
    shutil.copy(FOREIGN_APPS / "unmodified.py", tmp_path)

    result = verify("--app", "broken:busy_at_first", "--app-dir", tmp_path, "late-start")

    assert (result.exit_code, result.stderr.count("Error")) == (0, 0)


def test_what_the_application_raised_stands_under_the_finding(tmp_path: Path) -> None:
    """With its traceback; also on the page and in JUnit's file."""
    (tmp_path / "broken.py").write_text(BROKEN, encoding="utf-8")
    shutil.copy(FOREIGN_APPS / "unmodified.py", tmp_path)
    app = ("--app", "broken:refuses_copies", "--app-dir", tmp_path)

    result = verify(*app, "duplicate-not-quorum", "--report", tmp_path / "report")

    raised = "KeyError: 'a copy' (broken.py:"
    assert result.exit_code == 1
    assert f"\n  raised in life 1, at +1.001s: {raised}" in result.stdout
    assert "Traceback (most recent call last):" in result.stdout
    assert result.stdout.index(raised) < result.stdout.index("  replay: ")
    for name in ("index.html", "junit.xml", "report.json"):
        text = html.unescape((tmp_path / "report" / name).read_text(encoding="utf-8"))
        assert raised in text, name


@pytest.mark.parametrize(
    ("factory", "complaint"),
    [
        ("elsewhere", "answered 404 to POST /api/ImagePush?region=…: is there a route at that path?"),
        ("raises", "answered 500 to POST /api/ImagePush?region=…; it raised KeyError: 'nothing' (broken.py:"),
        ("coroutine", "the factory returned a coroutine; it must be a plain function, not async def"),
        ("silent", "accepted one push from every region, and its sink was not notified"),
        ("nothing", "the factory returned None, which is no ASGI application"),
    ],
)
def test_what_breaks_every_scenario_is_one_error(factory: str, complaint: str, tmp_path: Path) -> None:
    """One push goes before the pack; where it comes to nothing, nothing is judged."""
    (tmp_path / "broken.py").write_text(BROKEN, encoding="utf-8")

    result = verify("--app", f"broken:{factory}", "--app-dir", tmp_path, "slow-region", "late-region")

    assert (result.exit_code, result.stdout) == (2, "")
    assert complaint in " ".join(result.stderr.split())
    assert f"broken:{factory}" in result.stderr


def test_ctrl_c_before_anything_is_judged_prints_no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would say nothing about any rule."""
    monkeypatch.setattr(verification, "play_foreign_app", interrupted_after(0))

    result = verify(*APP, "slow-region")

    assert (result.exit_code, result.stdout) == (130, "")
    assert result.stderr.endswith("fanin: interrupted\n")


OWN_NAMES = (
    *("--path", "/hooks/{region}"),
    *("--env", "REGION_LIST={regions}"),
    *("--env", "DEADLINE_S={timeout_s}"),
    *("--env", "SINK_URL=sink={notify_url}"),
)


def test_an_application_with_a_path_and_variables_of_its_own_is_judged() -> None:
    """It has never heard of the contract's; regions in odd letter case are 400 to this one."""
    result = verify("--app", "own_names:create_app", *APP[2:], *OWN_NAMES, "slow-region", "timeout-changed")

    assert result.exit_code == 1
    assert "valid    slow-region" in result.stdout
    assert "--path '/hooks/{region}' --env 'REGION_LIST={regions}'" in result.stdout  # the next command


def test_the_first_push_names_the_path_that_was_tried() -> None:
    """And the option that names another one."""
    result = verify(*APP, "--path", "/nowhere/{region}", "slow-region")

    assert result.exit_code == 2
    assert (
        "answered 404 to POST /nowhere/…: is there a route at that path? --path names another"
        in result.stderr
    )


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--path", "/a/{zone}"), "--path: {zone} stands for nothing; there are {region} and {key}"),
        (("--path", "hooks/{region}"), "--path: 'hooks/{region}' is not accepted; write a path such as"),
        (("--env", "A"), "'A' is not NAME=TEXT, such as 'TIMEOUT={timeout_s}'"),
        (("--env", "A={b}"), "--env: A: {b} stands for nothing"),
        (("--env", "A={port}"), "--env: A: {port} has a meaning for a command only"),
    ],
)
def test_templates_that_mean_nothing_are_refused(words: tuple[str, str], complaint: str) -> None:
    """Before anything is played."""
    result = verify(*APP, *words, "slow-region")

    assert result.exit_code == 2
    assert complaint in result.stderr
