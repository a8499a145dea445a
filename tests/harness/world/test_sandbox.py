"""The sandbox: what it refuses, to whom it reports, and that it ends."""

import _thread
import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Callable

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
