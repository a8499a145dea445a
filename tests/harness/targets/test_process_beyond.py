"""Processes that stand still, and several on one folder: real signals, real sockets, real time."""

import asyncio
import os
import shlex
import sys
from pathlib import Path

import pytest

from fanin.harness.oracle.oracle import judge
from fanin.harness.targets.process import CommandTarget
from fanin.harness.targets.realtime import PlayedRun, play_pack
from fanin.harness.targets.scale import TimeScale
from fanin.harness.verdict import Validity
from fanin.simulator.language.load import load
from fanin.simulator.pack import find
from tests.paths import FOREIGN_APPS

pytestmark = pytest.mark.real_time

LIMIT_S = 60  # reached only when something is broken
FOREIGN_APP = FOREIGN_APPS / "replicated.py"
RUN = f"exec {shlex.quote(sys.executable)} {shlex.quote(str(FOREIGN_APP))}"
# A lease of the foreign app's is fifteen seconds long, longer than a scaled pause.
TIME_SCALE = TimeScale(
    timeout_ms=4_000, tolerance_ms=1_500, redelivery_grace_ms=6_000, repeat_max=5, start_s=LIMIT_S
)


def state_of(pid: int) -> str:
    """As the kernel has it: S sleeps, R runs, T is stopped."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]


async def until_it_is(pid: int, states: str) -> None:
    async with asyncio.timeout(LIMIT_S):
        while state_of(pid) not in states:  # noqa: ASYNC110 - the system reports children only
            await asyncio.sleep(0.02)


def test_a_pause_is_a_signal_that_nobody_can_ignore(tmp_path: Path) -> None:
    """The process is stopped, all of its group with it, and goes on where it was."""
    (tmp_path / "data").mkdir()
    settings = {
        "WebhookRegions": "eastus",
        "NOTIFY_URL": "http://127.0.0.1:9/",
        "DATA_DIR": f"{tmp_path}/data",
    }
    command = f"echo $$ > {tmp_path}/pid; {RUN}"

    async def live() -> list[str]:
        judged = CommandTarget(command, settings, folder=tmp_path, start_s=LIMIT_S)
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


def test_replicas_are_processes_on_one_folder() -> None:
    """Each has a port and a log of its own; one is killed, one stands still, and all of it is valid."""
    scenarios = [load(find(name)) for name in ("two-replicas", "replica-lost", "zombie")]

    async def play() -> list[PlayedRun]:
        return [played async for played in play_pack(scenarios, RUN, time_scale=TIME_SCALE)]

    played = {each.history.run.scenario.scenario: judge(each.history) for each in asyncio.run(play())}

    assert {name: verdict.findings for name, verdict in played.items() if verdict.findings} == {}
    assert {name: verdict.validity for name, verdict in played.items()} == dict.fromkeys(
        ("two-replicas", "replica-lost", "zombie"), Validity.VALID
    )
