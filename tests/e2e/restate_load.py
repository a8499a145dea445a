"""Webhooks for services on Restate while things are killed; what was answered, and what must follow."""

import asyncio
import json
import random
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from fanin.aggregator.engines.restate.dev_backend import RestateServer, free_ports
from tests.e2e.serving import LIMIT_S, Service, Sink, environment

REGIONS = ("eastus", "northeurope", "westus")
AT_ONCE = 16


class Restartable:
    """A service that can be killed and started again at the same addresses."""

    def __init__(self, folder: Path, servers: Sequence[RestateServer], **settings: str) -> None:
        (port,) = free_ports(1)
        self._folder = folder
        self._settings = settings | {
            "FANIN_ENGINE": "restate",
            "FANIN_REGIONS": ",".join(REGIONS),
            "FANIN_RESTATE_URL": ",".join(server.url for server in servers),
            "FANIN_RESTATE_ADMIN_URL": ",".join(server.admin_url for server in servers),
            "FANIN_RESTATE_LISTEN": f"127.0.0.1:{port}",
        }
        self.service: Service

    def start(self) -> None:
        """Return when it listens. It logs to a file: a pipe that is not read fills up and stops it."""
        with (self._folder / "service.log").open("a") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "fanin.aggregator", "--port", "0"],
                env=environment(**self._settings), stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip
        assert process.stdout is not None
        greeting = process.stdout.readline()
        port = re.search(r":(\d+),", greeting)
        assert port, f"it said {greeting!r}"
        self.service = Service(process, int(port.group(1)), greeting)

    def kill(self) -> None:
        """``kill -9``."""
        self.service.process.kill()
        self.service.process.communicate()


class Load:
    """Every region's webhook of every operation, and what was answered."""

    def __init__(self, target: Restartable, draw: random.Random) -> None:
        self._target, self._draw = target, draw
        self._changed = asyncio.Event()
        self.sent: set[str] = set()  # operations
        self.taken: dict[str, set[str]] = defaultdict(set)  # by operation: regions that were acknowledged
        self.acknowledged = 0
        self.refused = 0

    async def run(self, operations: int) -> None:
        """Send each webhook until it is taken."""
        todo = [(f"op-{n}", region) for n in range(operations) for region in REGIONS]
        # Regions of one operation stay near each other, as in life, but in no order.
        todo.sort(key=lambda it: int(it[0].rsplit("-")[-1]) + self._draw.random() * 8)
        waiting = iter(todo)

        async def send() -> None:
            for id_, region in waiting:
                while not await self._attempt(id_, region):  # noqa: ASYNC110 - as senders do
                    await asyncio.sleep(0.05)

        await asyncio.gather(*(send() for _ in range(AT_ONCE)))

    async def until(self, acknowledged: int) -> None:
        """Wait until so many were taken."""
        async with asyncio.timeout(LIMIT_S):
            while self.acknowledged < acknowledged:
                self._changed.clear()
                await self._changed.wait()

    async def _attempt(self, id_: str, region: str) -> bool:
        self.sent.add(id_)
        try:
            async with asyncio.timeout(LIMIT_S):
                status, headers, _ = await self._target.service.request(
                    "POST", f"/api/ImagePush?region={region}", _body(id_)
                )
        except (OSError, EOFError):
            return False
        assert status in {202, 503}, status
        if status == 503:
            assert headers["retry-after"]
            self.refused += 1
            return False
        self.taken[id_].add(region)
        self.acknowledged += 1
        self._changed.set()
        return True


def _body(id_: str) -> bytes:
    return f'{{"id":"{id_}","action":"push","target":{{"repository":"team/app","tag":"{id_}"}}}}'.encode()


async def everything_told(load: Load, sink: Sink) -> None:
    """Wait until every operation of which anything was taken has been told."""
    owed = set(load.taken)
    await sink.until(lambda: owed <= {body["id"] for _, body in sink.received})


async def check(load: Load, sink: Sink, service: Service) -> dict[str, int]:
    """One key and one outcome each, of which no region that was acknowledged is missing, unless it was late.

    Returns how many came to which outcome.
    """
    keys, told = defaultdict(set), defaultdict(set)
    for key, body in sink.received:
        keys[body["id"]].add(key)
        told[body["id"]].add((body["outcome"], tuple(body["arrived"]), tuple(body["missing"])))
    assert {id_ for id_ in keys if len(keys[id_]) != 1 or len(told[id_]) != 1} == set()
    assert set(load.taken) <= set(keys) <= load.sent
    count: dict[str, int] = defaultdict(int)
    for id_, taken in load.taken.items():
        ((outcome, arrived, missing),) = told[id_]
        count[outcome] += 1
        assert (outcome == "completed") == (not missing)
        async with asyncio.timeout(LIMIT_S):
            while True:
                _, _, content = await service.request("GET", f"/runtime/webhooks/durabletask/instances/{id_}")
                known = json.loads(content)["customStatus"]
                if taken <= {*known["arrived"], *known["late"]}:
                    break
        assert (tuple(known["arrived"]), tuple(known["missing"])) == (arrived, missing)
    return count
