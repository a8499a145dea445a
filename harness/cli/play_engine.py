"""Plays a scenario against one of this project's own engines that virtual time cannot reach.

Such an engine works with something outside the process, so the whole service runs as one, in real time, and
whatever it works with runs beside it.
"""

import asyncio
import os
import shlex
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fanin.harness.report.replays import explain, read
from fanin.harness.targets.process import kill_leftovers
from fanin.harness.targets.realtime import Played, play_command
from fanin.harness.targets.scale import TimeScale
from fanin.simulator.language.scenario import Scenario

# Where an engine that replays is asked to write its replays down.
REPLAYS_ENV = {"durable-task": "FANIN_DURABLE_TASK_REPLAYS"}


def command_of(engine: str) -> str:
    """What starts the service on an engine, with all that it works with."""
    return f"{shlex.quote(sys.executable)} -m fanin.aggregator --engine {engine} --local-backend"


def play_engine(
    scenario: Scenario, engine: str, *, seed: int, show_replay: bool = False
) -> tuple[Played, list[str]]:
    """Play one scenario in real time.

    Returns:
        What came of it, and how orchestrations were replayed, as text, if that is wanted.

    Raises:
        StartError: the service does not start.
    """
    with tempfile.TemporaryDirectory(prefix="fanin-") as folder:
        replays = Path(folder) / "replays.jsonl"
        replays.touch()
        told = {REPLAYS_ENV[engine]: str(replays)} if show_replay else {}
        try:
            with _told(told):
                played = asyncio.run(
                    play_command(scenario, command_of(engine), seed=seed, time_scale=TimeScale())
                )
        finally:
            kill_leftovers()
        return played, list(explain(read(replays.read_text().splitlines())))


def refuse(engine: str, outside: Sequence[str], *, show_replay: bool) -> str | None:
    """What is wrong with playing against this engine, in a sentence; None when nothing is."""
    if engine not in outside:
        return f"--engine {engine!r}: in real time there are {', '.join(outside)}"
    if show_replay and engine not in REPLAYS_ENV:
        return f"--show-replay: only {', '.join(REPLAYS_ENV)} replays anything"
    return None


@contextmanager
def _told(settings: dict[str, str]) -> Iterator[None]:
    """Processes that are started meanwhile find these in their environment."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
