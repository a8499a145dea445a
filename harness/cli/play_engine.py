"""Plays a scenario against one of this project's own engines that virtual time cannot reach.

Such an engine needs a backend outside the process, so the service runs as a process of its own, in real time,
with its backend beside it. An engine that replays orchestrations can show each replay: what its history held,
what satisfied each await, what was new.
"""

import asyncio
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from fanin.aggregator.engine_registry import ENGINES
from fanin.aggregator.engines import load as load_engine
from fanin.aggregator.errors import SettingsError
from fanin.harness.targets.process import kill_leftovers
from fanin.harness.targets.realtime import PlayedRun, play_command
from fanin.harness.targets.scale import TimeScale
from fanin.simulator.language.scenario import Scenario
from fanin.simulator.text import hint

# By engine: the environment variable that names the file to which it writes its replays.
REPLAYS_ENV = {"durable-task": "FANIN_DURABLE_TASK_REPLAYS"}


class EngineUnavailableError(Exception):
    """The engine cannot be played against; the message says what would be needed."""


class Await(msgspec.Struct, frozen=True):
    """One await of an orchestration's code, and what satisfied it in this replay."""

    for_: str = msgspec.field(name="await")
    satisfied: str


class Replay(msgspec.Struct, frozen=True):
    """One run of an orchestration's code from its beginning, as an engine wrote it down: one line of JSON."""

    number: int
    instance: str
    past: tuple[str, ...]  # events of its history
    new: tuple[str, ...]  # events that caused this replay
    awaits: tuple[Await, ...]
    asked: tuple[str, ...]  # what the code asked for at its end


_decoder = msgspec.json.Decoder(Replay)


def command_of(engine: str) -> str:
    """The command that starts the service on an engine, with the engine's local backend."""
    return f"{shlex.quote(sys.executable)} -m fanin.aggregator --engine {engine} --local-backend"


def play_engine(
    scenario: Scenario, engine: str, *, seed: int, show_replay: bool = False
) -> tuple[PlayedRun, list[str]]:
    """Play one scenario in real time.

    Returns:
        The run, and if ``show_replay``, the replays of its orchestrations as lines of text.

    Raises:
        StartError: the service does not start.
    """
    with tempfile.TemporaryDirectory(prefix="fanin-") as folder:
        replays = Path(folder) / "replays.jsonl"
        replays.touch()
        variables = {REPLAYS_ENV[engine]: str(replays)} if show_replay else {}
        try:
            with _environment(variables):
                played = asyncio.run(
                    play_command(scenario, command_of(engine), seed=seed, time_scale=TimeScale())
                )
        finally:
            kill_leftovers()
        return played, list(replay_lines(read_replays(replays.read_text().splitlines())))


def read_replays(lines: Iterable[str]) -> list[Replay]:
    """Replays as they were written down, those of one instance together and in their order.

    Raises:
        msgspec.MsgspecError: a line is not a replay.
    """
    found = [_decoder.decode(line) for line in lines]
    instances = list(dict.fromkeys(it.instance for it in found))
    return sorted(found, key=lambda it: (instances.index(it.instance), it.number))


def replay_lines(replays: Iterable[Replay]) -> Iterator[str]:
    """Each replay in a few lines, with an empty one after it."""
    for replay in replays:
        yield f"replay {replay.number} of {replay.instance}"
        yield f"  in the history   {', '.join(replay.past) or 'nothing'}"
        yield f"  new              {', '.join(replay.new)}"
        for nth, each in enumerate(replay.awaits):
            yield f"  {'awaits' if not nth else '':<15}  {each.for_}: {each.satisfied}"
        yield f"  asked for        {', '.join(replay.asked) or 'nothing more'}"
        yield ""


def check_engine(engine: str, *, show_replay: bool) -> None:
    """Check before anything is played that an engine can be played against in real time.

    Raises:
        EngineUnavailableError: it is unknown, needs what is not installed, or has no replays to show.
    """
    if engine not in ENGINES:
        raise EngineUnavailableError(
            f"--engine: {engine!r} is none of {', '.join(ENGINES)}{hint(engine, ENGINES)}"
        )
    if show_replay and engine not in REPLAYS_ENV:
        raise EngineUnavailableError(
            f"--show-replay: only --engine {', '.join(REPLAYS_ENV)} replays anything"
        )
    try:
        load_engine(engine)
    except SettingsError as exc:
        raise EngineUnavailableError(f"--engine {exc.problem}") from exc
    program = ENGINES[engine].program
    if program is not None and not ((Path(sys.prefix) / "bin" / program).exists() or shutil.which(program)):
        raise EngineUnavailableError(
            f"--engine {engine} needs the program {program}, which is not installed;"
            f" `make {engine} do=install` installs it"
        )


@contextmanager
def _environment(settings: dict[str, str]) -> Iterator[None]:
    """Set variables in the environment of processes that are started meanwhile."""
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
