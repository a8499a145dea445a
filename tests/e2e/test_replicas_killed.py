"""Two replicas behind one address, killed by turns under load: nothing is lost, and one outcome each.

Every engine that can be shared goes through this; what it works with runs beside the replicas and stays.
"""

import asyncio
import random
import signal
from collections import defaultdict
from pathlib import Path

import pytest

from fanin.aggregator.engine_registry import ENGINES
from fanin.aggregator.engines import start_backend
from tests.e2e.serving import Service, Sink
from tests.heavy import needs_engine

REGIONS = ("eastus", "northeurope", "westus")
OPERATIONS = 60
AT_ONCE = 12
KILLS = 4
# Long enough for every webhook of the load to come in time, however slow the machine.
TIMEOUT = "10s"


def shared() -> list[object]:
    """The engines that two processes may work with at once."""
    return [
        pytest.param(name, marks=needs_engine(name))
        for name, entry in sorted(ENGINES.items())
        if entry.dev_backend is not None
    ]


class Replicas:
    """Two lives at a time. A webhook goes to either, as a load balancer would have it."""

    def __init__(self, folder: Path, engine: str, draw: random.Random, **settings: str) -> None:
        self._folder, self._engine, self._draw, self._settings = folder, engine, draw, settings
        self._both: list[Service] = []
        self._one_death_at_a_time = asyncio.Lock()

    async def start(self) -> None:
        self._both = [await self._one(), await self._one()]

    async def kill_one(self) -> None:
        """``kill -9``; a new one comes as soon as it can, and meanwhile half of all webhooks are refused."""
        async with self._one_death_at_a_time:
            nth = self._draw.randrange(2)
            self._both[nth].process.kill()
            await asyncio.to_thread(self._both[nth].process.communicate)
            self._both[nth] = await self._one()

    def stop(self) -> list[int]:
        return [service.end(signal.SIGTERM)[0] for service in self._both]

    async def push(self, region: str, id_: str) -> bool:
        """One webhook, once, as ACR sends it; whether it was acknowledged."""
        try:
            status, _ = await self._draw.choice(self._both).push(region, id_)
        except (OSError, EOFError):
            return False
        assert status == 202
        return True

    async def _one(self) -> Service:
        return await asyncio.to_thread(
            Service.start, self._folder, "--engine", self._engine, **self._settings
        )


@pytest.mark.parametrize("engine", shared())
def test_what_was_acknowledged_by_either_is_counted_and_told_once(tmp_path: Path, engine: str) -> None:
    """Every operation ends with one key, and the outcome that its acknowledgements imply."""
    draw = random.Random(engine)
    acknowledged: dict[str, set[str]] = defaultdict(set)

    async def load(replicas: Replicas) -> None:
        todo = [(f"op-{n}", region) for n in range(OPERATIONS) for region in REGIONS]
        draw.shuffle(todo)
        fatal = {round(len(todo) * (nth + 1) / (KILLS + 1)) for nth in range(KILLS)}
        waiting = iter(enumerate(todo))
        kills: set[asyncio.Task[None]] = set()

        async def send() -> None:
            for nth, (id_, region) in waiting:
                if nth in fatal:
                    kills.add(asyncio.create_task(replicas.kill_one()))
                if await replicas.push(region, id_):
                    acknowledged[id_].add(region)
                await asyncio.sleep(draw.random() / 2)  # so that a new life can begin before the next death

        await asyncio.gather(*(send() for _ in range(AT_ONCE)))
        await asyncio.gather(*kills)

    async def story(options: dict[str, str]) -> None:
        # Every seventh notification is refused, so that kills also meet retries.
        async with Sink(lambda nth: 503 if nth % 7 == 0 else 200) as sink:
            settings = {"FANIN_REGIONS": ",".join(REGIONS), "FANIN_TIMEOUT": TIMEOUT, "NOTIFY_URL": sink.url}
            replicas = Replicas(tmp_path, engine, draw, **settings, **options)
            await replicas.start()
            await load(replicas)
            await sink.until(lambda: set(acknowledged) <= {body["id"] for _, body in sink.received})
            codes = replicas.stop()

        keys, outcomes = defaultdict(set), defaultdict(set)
        for key, body in sink.received:
            keys[body["id"]].add(key)
            outcomes[body["id"]].add((body["outcome"], tuple(body["missing"])))
        assert codes == [0, 0]
        assert {id_ for id_ in keys if len(keys[id_]) != 1 or len(outcomes[id_]) != 1} == set()
        for id_, regions in acknowledged.items():
            ((outcome, missing),) = outcomes[id_]
            assert not regions & set(missing), (id_, regions, outcome, missing)
            assert outcome == "completed" or missing

    backend = start_backend(engine, tmp_path)
    assert backend is not None
    try:
        asyncio.run(story(dict(backend.options)))
    finally:
        backend.stop()
