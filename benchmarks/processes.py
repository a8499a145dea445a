"""Processes under measurement: each a Python module on one core, that prints its port when it serves."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

SERVER_CORE, LOAD_CORE = 0, 1
STOP_S = 20


class Running(NamedTuple):
    """A process that serves."""

    pid: int
    port: int
    began_s: float  # of `time.perf_counter`, before it was started


def pinned(core: int | None, *command: str) -> list[str]:
    """A command on one core, its children too, where the system can do that; None: on any."""
    can = core is not None and shutil.which("taskset") and (os.cpu_count() or 1) > 1
    prefix = ["taskset", "-c", str(core)] if can else []
    return [*prefix, *command]


def worked_s(pid: int) -> float:
    """Processor time of a process and all that live below it, of which a busy machine takes nothing away."""
    parents, work = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            fields = stat.read_text().rsplit(")", 1)[1].split()
            child = int(stat.parent.name)
            parents[child], work[child] = int(fields[1]), int(fields[11]) + int(fields[12])
    total, family = 0, {pid}
    while family:
        total += sum(work.get(each, 0) for each in family)
        family = {child for child, parent in parents.items() if parent in family}
    return total / os.sysconf("SC_CLK_TCK")


@contextmanager
def module(core: int | None, *command: str, settings: Mapping[str, str] | None = None) -> Iterator[Running]:
    """A module with its arguments, until the block ends.

    It is stopped by the signal of Ctrl-C, because some SDKs take SIGTERM for themselves.

    Raises:
        RuntimeError: it ended, or said something else than a port; the message ends with what it logged.
    """
    began_s = time.perf_counter()
    with tempfile.TemporaryFile("w+") as log:
        child = subprocess.Popen(
            pinned(core, sys.executable, "-m", *command),
            env=os.environ | (settings or {}),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            assert child.stdout is not None
            said = child.stdout.readline()
            port = re.search(r"(\d+)(?:,|$)", said)
            if port is None:
                child.kill()
                child.wait()
                log.seek(0)
                raise RuntimeError(f"{' '.join(command)} said {said!r} and logged {log.read()[-2_000:]}")
            yield Running(child.pid, int(port.group(1)), began_s)
        finally:
            child.send_signal(signal.SIGINT)
            try:
                child.communicate(timeout=STOP_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.communicate()
