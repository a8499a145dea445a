"""Aggregators that are processes: started, paused, killed as a group, and never left behind."""

import asyncio
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from fanin.harness.cli.main import main
from fanin.harness.targets import process as processes
from fanin.harness.targets.process import CommandTarget, url_of_sink
from fanin.harness.targets.scale import TimeScale
from fanin.harness.world.target import StartError
from tests.paths import FOREIGN_APPS

pytestmark = pytest.mark.real_time

LIMIT_S = 60  # reached only when something is broken
FOREIGN_APP = FOREIGN_APPS / "threads.py"
RUN = f"{shlex.quote(sys.executable)} {shlex.quote(str(FOREIGN_APP))}"
TIME_SCALE = TimeScale(timeout_ms=1_500, tolerance_ms=3_000, redelivery_grace_ms=3_000, repeat_max=10, jobs=8)
SETTINGS = {
    "WebhookRegions": "eastus,westus",
    "WebhookTimeout": "0:00:10",
    "NOTIFY_URL": "http://127.0.0.1:9/",
}


def is_running(pid: int) -> bool:
    """Whether it runs; a zombie does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    return state not in "ZX"


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not condition():  # noqa: ASYNC110 - the system reports children only
            await asyncio.sleep(0.02)


def target(folder: Path, text: str, start_s: float = LIMIT_S) -> CommandTarget:
    (folder / "data").mkdir()
    settings = SETTINGS | {"DATA_DIR": str(folder / "data")}
    return CommandTarget(text, settings, folder=folder, start_s=start_s)


def why_it_does_not_start(folder: Path, text: str, start_s: float = LIMIT_S) -> str:
    async def start() -> str:
        judged = target(folder, text, start_s)
        try:
            with pytest.raises(StartError) as caught:
                await judged.start()
        finally:
            await judged.close()
        return str(caught.value)

    return asyncio.run(start())


def test_a_command_that_does_not_exist_is_quoted_with_what_the_shell_said(tmp_path: Path) -> None:
    """Exit code 127, and the shell's own words."""
    message = why_it_does_not_start(tmp_path, "no-such-program --serve")

    assert message.startswith("'no-such-program --serve' exited with 127; its last output:\n")
    assert "no-such-program: not found" in message or "no-such-program: command not found" in message


def test_a_command_that_ends_at_once_is_quoted_with_the_end_of_its_output(tmp_path: Path) -> None:
    """The last lines only: that is where the reason stands."""
    program = "for n in $(seq 28); do echo line $n >&2; done; exit 3"

    message = why_it_does_not_start(tmp_path, program)

    assert "exited with 3; its last output:\n" in message
    assert message.splitlines()[1:] == [f"  line {n}" for n in range(9, 29)]


def test_a_command_that_ends_with_an_error_names_it_first(tmp_path: Path) -> None:
    """Before the lines of its output."""
    message = why_it_does_not_start(tmp_path, "echo starting; echo \"KeyError: 'PORT'\"; exit 1")

    assert "exited with 1: KeyError: 'PORT'; its last output:\n  starting\n  KeyError" in message


DIES_OF_A_GET = """
import os, socket
with socket.create_server(("127.0.0.1", int(os.environ["PORT"]))) as listener:
    connection, _ = listener.accept()
    connection.recv(65536)
raise KeyError("body")
"""


def test_a_command_that_dies_of_being_asked_whether_it_is_up_says_so(tmp_path: Path) -> None:
    """Its error would be a riddle: it was sent no webhook yet."""
    program = f"{shlex.quote(sys.executable)} -c {shlex.quote(DIES_OF_A_GET)}"

    message = why_it_does_not_start(tmp_path, program)

    assert "exited with 1 (fanin had sent it GET /, to see whether it is up): KeyError: 'body'" in message


def test_the_first_error_in_its_output_is_found(tmp_path: Path) -> None:
    """The line that names it comes first; without one there is nothing to show."""
    traceback = "Traceback (most recent call last):\n  File \"a.py\", line 1\nKeyError: 'id'\nnext"
    (tmp_path / "printed").write_text(f"listening\n{traceback}\n", encoding="utf-8")

    async def first_error(command: str) -> str:
        judged = CommandTarget(command, {}, folder=tmp_path, log=f"{len(command)}.log")
        try:
            with pytest.raises(StartError):
                await judged.start()
            return judged.first_error()
        finally:
            await judged.close()

    found = asyncio.run(first_error(f"cat {tmp_path}/printed; exit 1"))
    nothing = asyncio.run(first_error("echo listening; exit 1"))

    assert found == f"its output: KeyError: 'id'\n{traceback.removesuffix('\nnext')}"
    assert nothing == ""


def test_a_command_that_goes_to_the_background_must_stay(tmp_path: Path) -> None:
    """Exit code 0 is no failure of its own, but then there is no process to kill."""
    message = why_it_does_not_start(tmp_path, f"sleep {LIMIT_S} & echo $! > {tmp_path}/pid")

    assert message.endswith("exited with 0; it must stay in the foreground; it printed nothing")
    assert not is_running(int((tmp_path / "pid").read_text()))


def test_a_command_that_never_listens_is_quoted_with_its_port(tmp_path: Path) -> None:
    """The message names the port, and the command is killed."""
    program = f"echo $$ > {tmp_path}/pid; echo listening on 8080; sleep {LIMIT_S}"

    message = why_it_does_not_start(tmp_path, program, start_s=0.3)

    assert "did not answer on PORT=" in message
    assert message.endswith("of 127.0.0.1 within 0.3 s; its last output:\n  listening on 8080")
    assert not is_running(int((tmp_path / "pid").read_text()))


def test_one_that_does_not_start_is_one_sentence_and_exit_2() -> None:
    """Not fifty-six scenarios that say the same."""
    result = CliRunner().invoke(main, ["verify", "--command", "echo no database >&2; exit 5"])

    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.endswith(
        "Error: 'echo no database >&2; exit 5' exited with 5; its last output:\n  no database\n"
    )


def test_what_happens_to_one_happens_to_all(tmp_path: Path) -> None:
    """A shell around the server, and workers below it, die in the same instant."""
    program = f"sleep {LIMIT_S} & echo $! > {tmp_path}/worker; {RUN} & echo $! > {tmp_path}/server; wait"

    async def live_and_die() -> None:
        judged = target(tmp_path, program)
        await judged.start()
        judged.kill()
        await judged.close()

    asyncio.run(live_and_die())

    assert not is_running(int((tmp_path / "worker").read_text()))
    assert not is_running(int((tmp_path / "server").read_text()))


def test_a_process_that_has_ended_by_itself_is_never_signalled_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its number may belong to another process by then. That it ended is noted."""
    signalled: list[int] = []

    async def end_by_itself() -> str:
        judged = target(tmp_path, f"echo $$ > {tmp_path}/pid; exec {RUN}")
        await judged.start()
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGTERM)
        await until(lambda: judged.exit_note)
        monkeypatch.setattr(os, "killpg", lambda _group, number: signalled.append(number))
        judged.kill()
        await judged.close()
        return judged.exit_note

    exit_note = asyncio.run(end_by_itself())

    assert [number for number in signalled if number] == []
    assert exit_note.startswith("its process was ended by signal 15 by itself")


def test_the_harnesss_own_secrets_are_not_handed_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key for a deployment is not for the processes of other targets."""
    monkeypatch.setenv("FANIN_TARGET_KEY", "sesame")

    message = why_it_does_not_start(tmp_path, f"env > {tmp_path}/environment; exit 1")

    environment = (tmp_path / "environment").read_text(encoding="utf-8")
    assert "exited with 1" in message
    assert "sesame" not in environment
    assert "WebhookRegions=eastus,westus" in environment


def state_of(pid: int) -> str:
    """As the kernel has it: S sleeps, R runs, T is stopped."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]


async def until_it_is(pid: int, states: str) -> None:
    async with asyncio.timeout(LIMIT_S):
        while state_of(pid) not in states:  # noqa: ASYNC110 - the system reports children only
            await asyncio.sleep(0.02)


def test_a_pause_is_a_signal_that_no_process_can_ignore(tmp_path: Path) -> None:
    """The process is stopped, all of its group with it, and goes on where it was."""

    async def live() -> list[str]:
        judged = target(tmp_path, f"echo $$ > {tmp_path}/pid; exec {RUN}")
        try:
            await judged.start()
            pid = int((tmp_path / "pid").read_text())
            judged.pause()
            await until_it_is(pid, "T")
            stopped = state_of(pid)
            judged.resume()
            await until_it_is(pid, "SR")
            os.kill(pid, 0)
            return [stopped]
        finally:
            await judged.close()

    assert asyncio.run(live()) == ["T"]


@pytest.mark.parametrize(
    ("number", "inherited"),
    [
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGTERM, signal.default_int_handler),
        (signal.SIGTERM, signal.SIG_IGN),  # what a script starts in the background ignores SIGINT
    ],
)
def test_ctrl_c_leaves_no_process_behind(tmp_path: Path, number: int, inherited: Any) -> None:
    """Nor does a CI system that ends the job."""
    pids = tmp_path / "pids"
    pids.touch()
    program = f"echo $$ >> {pids}; exec {RUN}"
    process = subprocess.Popen(  # noqa: S603 - our own command
        [
            sys.executable,
            "-m",
            "fanin.harness",
            "verify",
            "--command",
            program,
            "slow-region",
            "dropped-region",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, inherited),  # noqa: PLW1509
    )
    # The first is only tried; the two others are at work.
    asyncio.run(until(lambda: len(pids.read_text().splitlines()) == 3))

    process.send_signal(number)
    _, complaints = process.communicate(timeout=LIMIT_S)

    assert process.returncode == 130
    assert complaints.endswith(b"fanin: interrupted\n")
    assert [pid for pid in map(int, pids.read_text().split()) if is_running(pid)] == []


# A command that starts something which no signal to its group reaches, as a container is.
CONTAINER = f"setsid {RUN} & echo $! > $DATA_DIR/pid; wait"


def killed(folder: Path, kill_command: str) -> tuple[bool, str]:
    """Whether the container runs when `kill` has returned, and the note about how it ended."""

    async def play() -> tuple[bool, str]:
        (folder / "data").mkdir()
        settings = SETTINGS | {"DATA_DIR": str(folder / "data")}
        judged = CommandTarget(CONTAINER, settings, folder=folder, kill_command=kill_command)
        pid = 0
        try:
            await judged.start()
            pid = int((folder / "data" / "pid").read_text())
            judged.kill()
            return is_running(pid), judged.kill_note
        finally:
            await judged.close()
            if is_running(pid):
                os.kill(pid, signal.SIGKILL)

    return asyncio.run(play())


def test_a_kill_command_kills_what_no_signal_reaches(tmp_path: Path) -> None:
    """With the environment of the command; when it has returned, the container is dead."""
    assert killed(tmp_path, 'kill -9 "$(cat "$DATA_DIR/pid")"; sleep 0.2') == (False, "")


def test_a_kill_command_that_fails_is_quoted(tmp_path: Path) -> None:
    """The container goes on, and the note says why its crash was none."""
    still_runs, note = killed(tmp_path, "echo no such container >&2; exit 3")

    assert still_runs
    assert note == "the kill command 'echo no such container >&2; exit 3' exited with 3: no such container"


def test_a_kill_command_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With everything that it has started; the note says that it took too long."""
    monkeypatch.setattr(processes, "STOP_S", 0.5)
    hanging = 'sleep 1000 & echo $! > "$DATA_DIR/hanging"; wait'

    still_runs, note = killed(tmp_path, hanging)

    assert still_runs
    assert note == f"the kill command {hanging!r} did not end within 0.5 s"
    assert not is_running(int((tmp_path / "data" / "hanging").read_text()))


@pytest.mark.parametrize(
    ("listens_at", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:{port}/"),
        ("0.0.0.0", "http://127.0.0.1:{port}/"),  # noqa: S104 - it is compared
        ("::1", "http://[::1]:{port}/"),
        ("::", "http://[::1]:{port}/"),
        ("127.0.0.2", "http://127.0.0.2:{port}/"),
    ],
)
def test_a_command_is_told_where_the_sink_listens(listens_at: str, url: str) -> None:
    """Unless a public URL is given."""
    assert url_of_sink(listens_at) == url
