"""The sandbox: what it refuses, to whom it reports, and that it ends."""

import _thread
import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from fanin.harness.world import sandbox


def start_thread() -> None:
    ended = threading.Event()
    _thread.start_new_thread(ended.set, ())
    ended.wait(10)


def connect() -> None:
    with contextlib.suppress(OSError), socket.socket() as client:
        client.connect(("127.0.0.1", 9))


def resolve() -> None:
    socket.getaddrinfo("localhost", 80)


def start_process() -> None:
    subprocess.run([sys.executable, "-c", ""], check=True)


@pytest.mark.parametrize(
    ("breach", "reason"),
    [
        (start_thread, "a thread that is not started by threading"),
        (connect, "a real socket"),
        (resolve, "real name resolution"),
        (start_process, "a process of its own"),
    ],
)
def test_what_leaves_the_simulation_is_refused_with_its_reason(
    breach: Callable[[], None], reason: str
) -> None:
    """The application gets an error, and the harness hears of it even if the application swallows it."""
    reported: list[object] = []

    with sandbox.enforced(reported.append), pytest.raises(sandbox.SandboxBreachError, match=reason):
        breach()

    assert len(reported) == 1
    breach()  # outside it is allowed again


@pytest.mark.parametrize("asked", ["platform.platform()", "uuid.uuid1()", "uuid.getnode()"])
def test_what_the_standard_library_asks_the_system_once_is_known_already(asked: str) -> None:
    """It starts programs to find out, in a process that has not asked yet."""
    code = (
        "import platform, uuid\n"
        "from fanin.harness.world import sandbox\n"
        f"with sandbox.enforced(print):\n    {asked}"
    )

    ran = subprocess.run(  # noqa: S603 - the code stands above
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )

    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_the_script_that_was_started_is_not_the_place(tmp_path: Path) -> None:
    """All code was called from it, so it says nothing about the code that did this."""
    script = tmp_path / "fanin"
    script.write_text(
        "import os\n"
        "from fanin.harness.world import sandbox\n"
        "with sandbox.enforced(print):\n    os.system('true')"
    )

    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)  # noqa: S603

    assert ran.stdout == "it uses a process of its own\n"


def test_the_innermost_sandbox_gets_the_report() -> None:
    """Worlds may be nested; each hears of its own application."""
    outer: list[object] = []
    inner: list[object] = []

    with sandbox.enforced(outer.append):
        with sandbox.enforced(inner.append), pytest.raises(sandbox.SandboxBreachError):
            start_thread()
        with pytest.raises(sandbox.SandboxBreachError):
            start_thread()

    assert (len(outer), len(inner)) == (1, 1)
