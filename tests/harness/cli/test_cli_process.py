"""The command line as a process: what only shows with real streams, signals and terminals."""

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.terminal import started

pytestmark = pytest.mark.real_time

FANIN = (sys.executable, "-m", "fanin.harness")
PATIENCE_S = 60  # a limit, not a measure


def environment(**settings: str) -> dict[str, str]:
    """Ours, without what would decide about colours."""
    ours = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "TERM")}
    return ours | {"TERM": "xterm"} | settings


def on_a_terminal(*arguments: str, stream: str, **settings: str) -> str:
    """What is written to one stream when that stream is a terminal; the other goes nowhere."""
    ours, theirs = pty.openpty()
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL} | {stream: theirs}
    process = subprocess.Popen([*FANIN, *arguments], env=environment(**settings), **streams)  # type: ignore[call-overload] # noqa: S603 - our own command
    os.close(theirs)
    written = b""
    try:
        while chunk := os.read(ours, 4096):
            written += chunk
    except OSError:
        pass  # Linux reports the end of a terminal as an input/output error
    os.close(ours)
    process.wait(PATIENCE_S)
    return written.decode()


def test_help_imports_nothing_that_is_slow() -> None:
    """`fanin --help` answers at once: not one of these may be loaded to print it."""
    program = (
        "import sys\n"
        "from fanin.harness.cli.main import main\n"
        "main(['--help'], prog_name='fanin', standalone_mode=False)\n"
        "heavy = {'aiohttp', 'starlette', 'uvicorn', 'simloop', 'msgspec', 'yaml', 'sqlite3', 'asyncio',\n"
        "         'multiprocessing', 'rich', 'fanin.aggregator', 'fanin.simulator'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603 - our own program

    assert done.stderr == "[]\n"
    assert "Usage: fanin" in done.stdout


def test_a_reader_that_leaves_early_is_no_error() -> None:
    """`fanin run … | head -1`: no traceback, and no exit code that is a verdict."""
    process = subprocess.Popen([*FANIN, "run", "slow-region"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # noqa: S603 - our own command
    assert process.stdout is not None
    process.stdout.close()

    _, complaints = process.communicate(timeout=PATIENCE_S)

    assert (process.returncode, complaints) == (141, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
@pytest.mark.parametrize(
    "arguments", ["run slow-region", "--help", "--version", "run --help", "serve --help"]
)
def test_a_full_disk_is_one_line_and_no_verdict(arguments: str) -> None:
    """Exit code 1 would say that a rule is broken."""
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(  # noqa: S603 - our own command
            [*FANIN, *arguments.split()], stdout=full, stderr=subprocess.PIPE, check=False
        )

    said = b"Error: what there is to say cannot be written: No space left on device\n"
    assert (ended.returncode, ended.stderr) == (2, said)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_a_complaint_that_cannot_be_written_is_no_verdict() -> None:
    """A full stderr takes no traceback either."""
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run([*FANIN, "run", "nosuch"], stdout=subprocess.PIPE, stderr=full, check=False)  # noqa: S603 - our own command

    assert (ended.returncode, ended.stdout) == (2, b"")


@pytest.mark.parametrize("signalled", ["INT to all", "TERM", "HUP"])
def test_ctrl_c_and_its_like_keep_what_is_done_and_end_in_one_line(signalled: str) -> None:
    """No traceback of its own or of the processes that it started."""
    # Without a buffer, or the first read would take lines that belong to `communicate`.
    process = started([*FANIN, "run", "slow-region", "--seeds", "100000"], bufsize=0)
    assert process.stdout is not None
    process.stdout.readline()  # it is at work

    name, _, to_all = signalled.partition(" ")
    (os.killpg if to_all else os.kill)(process.pid, signal.Signals[f"SIG{name}"])
    results, complaints = process.communicate(timeout=PATIENCE_S)

    lines = results.decode().splitlines()
    done = len([line for line in lines if line.startswith("VALID")]) + 1
    runs = "1 run, with" if done == 1 else f"{done} runs, each with"
    assert lines[-1] == f"{runs} the verdict that its scenario states"
    assert (process.returncode, complaints) == (
        130,
        f"fanin: interrupted after {done} of 100000 runs\n".encode(),
    )


def test_a_history_can_come_from_a_pipe(tmp_path: Path) -> None:
    """`-` is stdin."""
    file = tmp_path / "run.jsonl"
    subprocess.run([*FANIN, "run", "slow-region", "--history", str(file)], check=True, capture_output=True)  # noqa: S603 - our own command

    with file.open("rb") as content:
        judged = subprocess.run(  # noqa: S603 - our own command
            [*FANIN, "judge", "-", "--format", "json"], stdin=content, check=True, capture_output=True
        )

    assert json.loads(judged.stdout)["verdict"] == "valid"


def test_a_mistake_is_told_between_the_edges_of_the_terminal() -> None:
    """A word that goes over the edge can hardly be read."""
    said = on_a_terminal("bug", "timer-never-canceled", stream="stderr", COLUMNS="72")

    assert max(map(len, said.splitlines())) <= 72
    assert "did you mean 'timer-never-cancelled'?" in " ".join(said.split())


def test_a_terminal_gets_colours() -> None:
    """Green is what counted."""
    assert "\x1b[32mVALID\x1b[0m" in on_a_terminal("run", "slow-region", stream="stdout")


@pytest.mark.parametrize(
    "setting", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=lambda setting: next(iter(setting))
)
def test_a_terminal_that_wants_no_colours_gets_none(setting: dict[str, str]) -> None:
    """https://no-color.org, and terminals that cannot."""
    written = on_a_terminal("run", "slow-region", stream="stdout", **setting)

    assert "VALID  slow-region" in written
    assert "\x1b" not in written


def test_progress_is_shown_on_a_terminal_and_wiped() -> None:
    """It is for who waits, and leaves no trace."""
    written = on_a_terminal("run", "slow-region", "dropped-region", stream="stderr")

    assert "1/2" in written
    assert written.endswith("\r\x1b[K")


def test_a_terminal_that_knows_only_ascii_gets_ascii() -> None:
    """Better a plain picture than a traceback."""
    done = subprocess.run(  # noqa: S603 - our own command
        [*FANIN, "run", "slow-region"],
        env=environment(PYTHONIOENCODING="ascii"),
        capture_output=True,
        check=True,
    )

    assert done.stdout.isascii()
    assert b"* sent > 202" in done.stdout
