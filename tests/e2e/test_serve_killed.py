"""``kill -9`` under load: nothing acknowledged is lost, nobody is told two outcomes."""

import asyncio
import random
import signal
from collections import defaultdict
from pathlib import Path

import pytest

from tests.e2e.serving import Service, Sink

REGIONS = ("eastus", "northeurope", "westus")
OPERATIONS_PER_LIFE = 60
LIVES = 4
AT_ONCE = 24


class Load:
    """Sends every region's webhook of every operation once, as ACR does, and remembers each answer."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw
        self.answers: dict[str, dict[str, str]] = defaultdict(dict)  # by operation: standing by region
        self.acknowledged = 0

    async def run(self, service: Service, life: int, *, die_after: int | None) -> None:
        """Send one life's operations; kill the service when so many were acknowledged in it."""
        todo = [(f"op-{life}-{n}", region) for n in range(OPERATIONS_PER_LIFE) for region in REGIONS]
        # Regions of one operation stay near each other, as in life, but in no order.
        todo.sort(key=lambda it: int(it[0].rsplit("-")[-1]) + self._draw.random() * 8)
        fatal = None if die_after is None else self.acknowledged + die_after
        waiting = iter(todo)

        async def send() -> None:
            for id_, region in waiting:
                self.answers.setdefault(id_, {})  # it was sent, whatever comes of it
                try:
                    status, standing = await service.push(region, id_)
                except (OSError, EOFError):
                    continue
                assert status == 202
                self.answers[id_][region] = standing
                self.acknowledged += 1
                if self.acknowledged == fatal:
                    service.process.kill()

        await asyncio.gather(*(send() for _ in range(AT_ONCE)))


@pytest.mark.parametrize("seed", [1])
def test_what_was_acknowledged_is_counted_and_told_once(tmp_path: Path, seed: int) -> None:
    """Killed at random moments; every operation ends with one key and the outcome that its answers imply."""

    async def story() -> None:
        draw = random.Random(seed)
        load = Load(draw)
        # Every seventh notification is refused, so that kills also meet retries.
        async with Sink(lambda nth: 503 if nth % 7 == 0 else 200) as sink:
            settings = {"FANIN_REGIONS": ",".join(REGIONS), "FANIN_TIMEOUT": "1500ms", "NOTIFY_URL": sink.url}
            for life in range(LIVES):
                service = Service.start(tmp_path, **settings)
                last = life == LIVES - 1
                fatal = None if last else draw.randrange(1, OPERATIONS_PER_LIFE * len(REGIONS))
                await load.run(service, life, die_after=fatal)
                if not last:
                    service.process.communicate()
            owed = {id_ for id_, answers in load.answers.items() if answers}
            await sink.until(lambda: owed <= {body["id"] for _, body in sink.received})
            code, _ = service.end(signal.SIGTERM)

        keys, outcomes = defaultdict(set), defaultdict(set)
        for key, body in sink.received:
            keys[body["id"]].add(key)
            outcomes[body["id"]].add((body["outcome"], tuple(body["missing"])))
        assert code == 0
        assert load.acknowledged > LIVES
        assert set(keys) <= set(load.answers)
        assert {id_ for id_ in keys if len(keys[id_]) != 1 or len(outcomes[id_]) != 1} == set()
        for id_, answers in load.answers.items():
            counted = {region for region, standing in answers.items() if standing == "counted"}
            ((outcome, missing),) = outcomes[id_] or {("silence", REGIONS)}
            assert not counted & set(missing), (id_, answers, outcome, missing)
            if len(counted) == len(REGIONS):
                assert outcome == "completed"
            if "late" in answers.values():
                assert outcome == "timed_out"

    asyncio.run(story())
