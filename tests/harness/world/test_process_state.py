"""What an application may change in its process: each life finds it as it was, each replica has its own."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from fanin.harness.world.play import play_foreign_app
from fanin.harness.world.process_state import restored
from fanin.simulator.faults.aggregator import Restart
from fanin.simulator.language.load import load
from fanin.simulator.pack import find


def test_each_replica_finds_what_it_has_set_itself(tmp_path: Path) -> None:
    """Environment, working directory and path: the start of one changes nothing for another one that runs."""
    here = Path.cwd()

    with restored() as states:
        states.begin("first")
        os.environ["WHO"] = "first"
        os.chdir(tmp_path)
        sys.path.append("/of/first")
        states.begin("second")
        found = [(os.environ.get("WHO"), Path.cwd(), "/of/first" in sys.path)]
        os.environ["WHO"] = "second"
        for host in ("first", "unknown", "second"):
            states.follow(host)
            found.append((os.environ.get("WHO"), Path.cwd(), "/of/first" in sys.path))

    first, second = ("first", tmp_path, True), ("second", here, False)
    assert found == [(None, here, False), first, first, second]
    assert ("WHO" in os.environ, Path.cwd(), "/of/first" in sys.path) == (False, here, False)


def test_a_replica_may_read_its_settings_while_another_one_starts() -> None:
    """In its lifespan, for one; whichever of the two goes on first."""
    scenario = replace(load(find("slow-region")), replicas=2, faults=(Restart(at=5_000),))
    found: list[bool] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            return
        for _ in range(20):  # the other one's start begins meanwhile
            found.append("DATA_DIR" in os.environ)
            await asyncio.sleep(0)
        for what in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{what}.complete"})

    for seed in range(5):
        play_foreign_app(scenario, lambda: app, seed=seed, name="that waits")

    assert set(found) == {True}
