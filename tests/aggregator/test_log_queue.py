"""A log that cannot be written neither blocks the service nor makes it spin."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from fanin.aggregator import log_queue
from fanin.aggregator.log_queue import LogQueue

# Logs more than a pipe and the queue hold together, and prints seconds, attempts to write, and lines dropped.
SCRIPT = """
import asyncio, logging, time
from fanin.aggregator import log, log_queue

attempts, write = 0, log_queue._write

def counted(text):
    global attempts
    attempts += 1
    write(text)

async def main():
    log_queue._write = counted
    log.configure(logging.INFO)
    began_s = time.perf_counter()
    for n in range({lines}):
        log.event(logging.INFO, "event", n=n, text="x" * 100)
        await asyncio.sleep(0)
    await asyncio.sleep(1.5)
    print(time.perf_counter() - began_s, attempts, log.dropped_lines(), flush=True)

asyncio.run(main())
"""


class FakeStderr:
    """A stderr in memory that can fail."""

    def __init__(self) -> None:
        self.text = ""
        self.error: Exception | None = None

    def write(self, text: str) -> None:
        if self.error:
            raise self.error
        self.text += text


@pytest.fixture
def stderr(monkeypatch: pytest.MonkeyPatch) -> FakeStderr:
    fake = FakeStderr()
    monkeypatch.setattr(log_queue, "_write", fake.write)
    monkeypatch.setattr(log_queue, "RETRY_S", 0.01)
    return fake


@pytest.fixture
def queue() -> Iterator[LogQueue]:
    queue = LogQueue()
    yield queue
    queue.close()


def test_lines_are_written_in_order(stderr: FakeStderr, queue: LogQueue) -> None:
    """In one write or several."""
    for n in range(500):
        assert queue.add(f"{n}\n")
    queue.flush()

    assert queue.dropped == 0
    assert stderr.text.split() == [str(n) for n in range(500)]


def test_what_cannot_be_written_is_dropped_and_counted(stderr: FakeStderr, queue: LogQueue) -> None:
    """A full disk; when there is room again, the log goes on."""
    stderr.error = OSError(28, "No space left on device")
    queue.add("a\nb\n")
    queue.flush()
    stderr.error = None
    queue.add("c\n")
    queue.flush()

    assert queue.dropped == 2
    assert stderr.text == "c\n"


def test_a_full_queue_takes_no_more(
    stderr: FakeStderr, queue: LogQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is bounded."""
    monkeypatch.setattr(log_queue, "QUEUE_CHARS_MAX", 10)

    assert not queue.add("more than ten characters\n")
    assert queue.dropped == 1
    assert stderr.text == ""


def run(lines: int, stderr: IO[bytes] | int) -> tuple[float, int, int]:
    """Log so many lines to this file in a process; return seconds, attempts to write, and lines dropped."""
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", SCRIPT.format(lines=lines)],
        stdout=subprocess.PIPE, stderr=stderr, check=True, timeout=60,
    )  # fmt: skip
    took_s, attempts, dropped = done.stdout.split()
    return float(took_s), int(attempts), int(dropped)


def unread_pipe() -> tuple[IO[bytes], Callable[[], None]]:
    """A pipe that stays open and is never read."""
    reader, writer = os.pipe()
    return os.fdopen(writer, "wb"), lambda: os.close(reader)


def closed_pipe() -> tuple[IO[bytes], Callable[[], None]]:
    """A pipe whose reader has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "wb"), lambda: None


def full_disk() -> tuple[IO[bytes], Callable[[], None]]:
    """A file that cannot grow."""
    return Path("/dev/full").open("wb"), lambda: None


@pytest.mark.real_time
@pytest.mark.parametrize("stderr_of", [unread_pipe, closed_pipe, full_disk])
def test_a_process_goes_on_whatever_becomes_of_its_log(
    stderr_of: Callable[[], tuple[IO[bytes], Callable[[], None]]],
) -> None:
    """It comes to its end, attempts to write once a pause and no more, and knows what is missing."""
    file, release = stderr_of()
    try:
        took_s, attempts, dropped = run(20_000, file)
    finally:
        file.close()
        release()

    assert 1 <= attempts <= took_s / log_queue.RETRY_S + 2
    assert dropped > 5_000


@pytest.mark.real_time
def test_a_sound_log_is_complete(tmp_path: Path) -> None:
    """To the last line before the end of the process."""
    with (tmp_path / "log").open("wb") as file:
        *_, dropped = run(3_000, file)

    assert dropped == 0
    assert (tmp_path / "log").read_text().count(" info event ") == 3_000
