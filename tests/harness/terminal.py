"""Commands as a terminal starts them: what Ctrl-C reaches is a group of processes of its own."""

import io
import signal
import subprocess
from typing import Any


class Terminal(io.StringIO):
    """What is written to a terminal."""

    def isatty(self) -> bool:
        return True


def started(command: list[str], **options: Any) -> "subprocess.Popen[Any]":
    """The command with pipes for what it prints, and a SIGINT that interrupts it."""
    return subprocess.Popen(  # noqa: S603 - our own commands
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        # A test run in the background hands its children a SIGINT that is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
        **options,
    )
