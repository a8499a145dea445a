"""What is explored is named by options, and no run of it takes for ever."""

import os
from pathlib import Path

import pytest

from fanin.harness.explore.subject import Subject
from fanin.harness.verdict import Validity
from fanin.simulator.language.load import load
from fanin.simulator.pack import find
from tests.harness.explore.scenarios import push

BUSY = """
import asyncio

def create_app():
    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            await receive()
            while True:
                await asyncio.sleep(0)
    return app
"""


# What is interrupted in its own work cannot close all that it opened.
_MAY_WARN = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@_MAY_WARN
def test_an_application_that_never_comes_to_rest_is_ended(tmp_path: Path) -> None:
    """Its run proves nothing, and says that it took too long."""
    (tmp_path / "busy_application.py").write_text(BUSY, encoding="utf-8")
    subject = Subject(app="busy_application:create_app", app_dir=tmp_path)

    played = subject.play(push(), 0, limit_s=0.2)

    assert played.history is None
    assert played.verdict.validity is Validity.UNKNOWN
    assert played.verdict.doubts == ("the run took more than 0.2 s of processor time and was ended",)


@_MAY_WARN
def test_a_run_after_one_that_was_ended_is_as_any_other(tmp_path: Path) -> None:
    """Nothing of it is left."""
    (tmp_path / "busy_too.py").write_text(BUSY, encoding="utf-8")
    before = dict(os.environ)
    Subject(app="busy_too:create_app", app_dir=tmp_path).play(push(), 0, limit_s=0.1)

    assert Subject().play(push(), 0).verdict.validity is Validity.VALID
    assert dict(os.environ) == before


def test_a_bug_is_played_with_its_factory() -> None:
    """And named in the history."""
    scenario = load(find("sink-down"))
    history, verdict = Subject(bug="notifies-once").play(scenario, 0)

    assert verdict.validity is Validity.INVALID
    assert history is not None
    assert history.run.target == "the bug notifies-once"


@pytest.mark.parametrize(
    ("subject", "options"),
    [
        (Subject(), []),
        (Subject(bug="lost-update"), ["--bug", "lost-update"]),
        (
            Subject(app="a:b", app_dir=Path("src"), capabilities=("replicas",), lacks=("process",)),
            ["--app", "a:b", "--app-dir", "src", "--capability", "replicas", "--lacks", "process"],
        ),
    ],
)
def test_its_options_name_it(subject: Subject, options: list[str]) -> None:
    """So that a run can be made again."""
    assert subject.options() == options


def test_what_it_lacks_is_not_available() -> None:
    """Our own has signatures; others have them if they say so."""
    assert "signatures" in Subject().available
    assert "signatures" not in Subject(app="a:b").available
    assert {"signatures"} < Subject(app="a:b", capabilities=("signatures",)).available
    assert "process" not in Subject(lacks=("process",)).available


def test_how_late_it_may_act_is_said_again_in_commands() -> None:
    """Otherwise what is replayed would be judged more strictly."""
    subject = Subject(app="a:b", tolerance=11_000, redelivery_grace=1_200_000)

    assert subject.options() == ["--app", "a:b", "--tolerance", "11s", "--redelivery-grace", "20m"]
