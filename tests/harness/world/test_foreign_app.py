"""An application that is not ours: how it is found, configured and judged in virtual time."""

import asyncio
import os
import random
import shutil
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from fanin.aggregator.http.app import create_app
from fanin.aggregator.settings import Settings
from fanin.harness.cli.main import main
from fanin.harness.oracle.oracle import judge
from fanin.harness.verdict import Exit, Validity
from fanin.harness.world.asgi import AppLoadError, AsgiApp
from fanin.harness.world.named_app import find_app
from fanin.harness.world.play import UnsimulatedError, play_foreign_app
from fanin.simulator.language.load import load
from fanin.simulator.pack import find
from tests.paths import FOREIGN_APPS


@pytest.mark.parametrize("name", ["slow-region", "dropped-region", "thirty-days"])
def test_an_unmodified_application_is_judged_in_virtual_time(name: str) -> None:
    """It reads its settings from the environment and the time from ``time.time()``."""
    factory = find_app("unmodified:create_app", FOREIGN_APPS)

    history = play_foreign_app(load(find(name)), factory, name="unmodified:create_app")

    verdict = judge(history)
    assert verdict.findings == ()
    assert verdict.validity is Validity.VALID
    assert history.run.target == "unmodified:create_app"


@pytest.mark.parametrize("factory", ["with_httpx", "with_aiohttp", "plain"])
@pytest.mark.parametrize("name", ["out-of-order", "dropped-region", "thirty-days"])
def test_whichever_client_and_framework_it_uses(factory: str, name: str) -> None:
    """httpx, aiohttp, bare streams; Starlette, or an ASGI callable without a lifespan."""
    build = find_app(f"clients:{factory}", FOREIGN_APPS)

    verdict = judge(play_foreign_app(load(find(name)), build, name=factory))

    assert verdict.findings == ()
    assert verdict.validity is Validity.VALID


def test_our_own_aggregator_can_be_judged_as_a_foreign_app() -> None:
    """Built as in a process of its own, with the system's clock: it starts no thread in a simulated world."""

    def build() -> AsgiApp:
        return create_app(Settings.from_environment(os.environ))

    verdict = judge(play_foreign_app(load(find("crash-after-ack")), build, name="ours"))

    assert verdict.findings == ()
    assert verdict.validity is Validity.VALID


@pytest.mark.parametrize(
    ("factory", "what"),
    [
        ("with_bare_threads", "a thread that is not started by threading"),
        ("with_a_loop_in_a_thread", "it runs an event loop of its own"),
        ("with_blocking_client", "real name resolution"),
        ("with_a_process", "a process of its own"),
        ("with_a_process_of_asyncio", r"a process of its own at unsimulated.py:\d+, in hook"),
        ("with_a_process_pool", "a process of its own"),
        ("with_a_fork", "a process of its own"),
        ("with_a_watched_pipe", r"asyncio's add_reader at unsimulated.py"),
    ],
)
def test_what_cannot_be_simulated_is_refused_by_name(factory: str, what: str) -> None:
    """One sentence that names the cause and the way out, never a hang or a wrong verdict."""
    build = find_app(f"unsimulated:{factory}", FOREIGN_APPS)

    with pytest.raises(UnsimulatedError, match=rf"{what}.*; judge it with --command"):
        play_foreign_app(load(find("slow-region")), build, name=factory)


@pytest.mark.parametrize(
    ("reference", "complaint"),
    [
        ("unmodified", "is not module:application"),
        ("unmodified:", "is not module:application"),
        ("unmodified:nothing", "'nothing' does not exist in 'unmodified'"),
        ("unmodified:TIMEOUT_NAME", "'TIMEOUT_NAME' in 'unmodified' is not callable: 'WebhookTimeout'"),
        ("nowhere_at_all:app", "cannot import 'nowhere_at_all'"),
        (
            "clients:starlette",
            "'starlette' in 'clients' is neither an ASGI application nor a factory: missing a",
        ),
        ("unsimulated:wsgi", "'wsgi' in 'unsimulated' is a WSGI application.*--command 'gunicorn"),
    ],
)
def test_an_application_that_cannot_be_found_is_named(reference: str, complaint: str) -> None:
    """What was looked for, where, and what would have been right."""
    with pytest.raises(AppLoadError, match=complaint):
        play_foreign_app(load(find("slow-region")), find_app(reference, FOREIGN_APPS), name=reference)


def test_what_its_module_cannot_import_is_named_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not the application's module that is missing."""
    (tmp_path / "half_installed.py").write_text("import os\nimport no_such_driver\n", encoding="utf-8")
    monkeypatch.setattr(sys, "path", list(sys.path))

    with pytest.raises(AppLoadError, match=r"No module named 'no_such_driver' at half_installed.py:2"):
        play_foreign_app(load(find("slow-region")), find_app("half_installed:app", tmp_path), name="it")


@pytest.mark.usefixtures("own_modules")
def test_a_module_that_is_no_python_is_told_its_line(tmp_path: Path) -> None:
    """It is an error of the command, not a start that failed."""
    (tmp_path / "no_python.py").write_text("def create_app(:\n", encoding="utf-8")

    with pytest.raises(AppLoadError, match=r"cannot import .no_python.: invalid syntax \(no_python.py"):
        play_foreign_app(load(find("slow-region")), find_app("no_python:create_app", tmp_path), name="it")


@pytest.fixture
def own_modules() -> Iterator[None]:
    """What a test imports from folders of its own is forgotten afterwards."""
    path = list(sys.path)
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]
    sys.path[:] = path


def write_app(folder: Path, name: str) -> None:
    """A package with a module."""
    package = folder / name
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "main.py").touch()


@pytest.mark.usefixtures("own_modules")
@pytest.mark.parametrize("name", ["harness", "aggregator", "simulator", "shop"])
def test_a_module_is_imported_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """As with uvicorn, and whatever the user's packages are called: ours are all below ``fanin``."""
    write_app(tmp_path, name)
    monkeypatch.chdir(tmp_path)

    find_app(f"{name}.main:create_app")

    assert import_module(f"{name}.main").__file__ == str(tmp_path / name / "main.py")


@pytest.mark.usefixtures("own_modules")
def test_app_dir_wins_over_the_current_folder_and_over_what_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that is on the path already, but not first, does not stay behind."""
    write_app(tmp_path / "here", "harness")
    write_app(tmp_path / "there", "harness")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "there")])

    find_app("harness.main:create_app", Path("../there"))

    assert import_module("harness.main").__file__ == str(tmp_path / "there" / "harness" / "main.py")


@pytest.mark.usefixtures("own_modules")
def test_the_command_line_judges_an_application_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``fanin verify --app harness.main:create_app``, without ``--app-dir``."""
    write_app(tmp_path, "harness")
    shutil.copy(FOREIGN_APPS / "unmodified.py", tmp_path / "harness" / "main.py")
    monkeypatch.chdir(tmp_path)

    result = CliRunner().invoke(main, ["verify", "--app", "harness.main:create_app", "slow-region"])

    assert result.exit_code == 0, result.output
    assert "VALID  harness.main:create_app: 1 valid" in result.stdout


def test_a_foreign_app_leaves_the_process_as_it_was() -> None:
    """Environment and random numbers; inside, the seed decides."""
    before, numbers = dict(os.environ), random.getstate()
    draws = []

    def build() -> AsgiApp:
        os.environ["Mars"] = "it changes its environment"  # noqa: SIM112 - no matter
        draws.append(random.random())
        return create_app(Settings.from_environment(os.environ))

    for _ in range(2):
        play_foreign_app(load(find("slow-region")), build, seed=7, name="ours")

    assert draws[0] == draws[1]
    assert dict(os.environ) == before
    assert random.getstate() == numbers


def test_timers_of_a_killed_life_never_ring() -> None:
    """It would read the environment of the next one, and write into its data."""
    lives = iter(range(1, 9))
    rung: list[int] = []

    def build() -> AsgiApp:
        life, inside = next(lives), create_app(Settings.from_environment(os.environ))

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "lifespan":
                asyncio.get_running_loop().call_later(60, rung.append, life)
            await inside(scope, receive, send)

        return app

    play_foreign_app(load(find("crash-after-ack")), build, name="ours")

    assert rung == [2]


def verify(reference: str, *names: str) -> Result:
    return CliRunner().invoke(main, ["verify", "--app", reference, "--app-dir", str(FOREIGN_APPS), *names])


@pytest.mark.parametrize(
    ("reference", "complaint"),
    [
        (
            "unsimulated:with_bare_threads",
            "a thread that is not started by threading at unsimulated.py:27, in hook (threading.Thread",
        ),
        ("unsimulated:that_fails", "does not start: ValueError: no database"),
        ("unsimulated:that_fails_in_its_lifespan", "does not start: ValueError: no database"),
        ("unsimulated:that_exits", "does not start: SystemExit: no database"),
        ("unsimulated:that_exits_in_its_lifespan", "does not start: SystemExit: no database"),
        ("eager:app", "does not start: KeyError: 'CHAT_TOKEN' at eager.py:6, in <module>"),
    ],
)
def test_what_cannot_be_judged_is_one_sentence_and_exit_2(reference: str, complaint: str) -> None:
    """Not a traceback, and not fifty scenarios in which nothing happened."""
    result = verify(reference)

    said = result.stderr.splitlines()
    assert (result.exit_code, result.stdout, len(said)) == (2, "", 2)
    assert said[1].startswith("Error: ")
    assert complaint in said[1]


def test_the_card_says_which_scenario_an_application_could_not_start_with() -> None:
    """The other scenarios are judged all the same."""
    result = verify("unmodified:create_app_of_several_regions", "slow-region", "one-region")

    assert result.exit_code == Exit.UNKNOWN
    assert "valid    slow-region\n" in result.stdout
    said = " ".join(result.stdout.split())
    assert (
        "unknown one-region the aggregator never came up: ValueError: one region is none at unmodified.py:87"
        in said
    )
    assert "note:" not in said
