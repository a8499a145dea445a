"""``kill -9`` of the Restate server and of the service, under load: nothing acknowledged is lost."""

import asyncio
import random
from pathlib import Path

from fanin.aggregator.engines.restate.dev_backend import RestateServer
from tests.e2e.restate_load import Load, Restartable, check, everything_told
from tests.e2e.serving import Sink
from tests.heavy import needs_engine

pytestmark = needs_engine("restate")

TIMEOUT = "4s"


def test_server_and_service_are_killed_at_random_moments(tmp_path: Path) -> None:
    """Whichever dies, every operation ends with one key and the outcome that its answers imply."""

    async def story() -> None:
        draw = random.Random(1)
        server = RestateServer(tmp_path)
        await asyncio.to_thread(server.start)
        try:
            # Every seventh notification is refused, so that kills also meet repeats.
            async with Sink(lambda nth: 503 if nth % 7 == 0 else 200) as sink:
                service = Restartable(tmp_path, [server], FANIN_TIMEOUT=TIMEOUT, NOTIFY_URL=sink.url)
                service.start()
                try:
                    load = Load(service, draw)
                    running = asyncio.create_task(load.run(240))
                    for blow in range(6):
                        await load.until(load.acknowledged + draw.randrange(20, 80))
                        if blow % 2:
                            service.kill()
                            service.start()
                        else:
                            server.kill()
                            await asyncio.to_thread(server.start)
                    await running
                    await everything_told(load, sink)
                    outcomes = await check(load, sink, service.service)
                finally:
                    service.kill()
        finally:
            server.kill()

        assert load.acknowledged == 720
        assert outcomes["completed"] > 100

    asyncio.run(story())


def test_a_node_of_three_is_killed(tmp_path: Path) -> None:
    """What was acknowledged is on two nodes; the others go on without the one that died."""

    async def story() -> None:
        draw = random.Random(2)
        nodes = [RestateServer(tmp_path, name=f"node-{n}", replication=2, partitions=2) for n in (1, 2, 3)]
        for node in nodes:
            node.peers = nodes
        try:
            await asyncio.gather(*(asyncio.to_thread(node.start) for node in nodes))
            async with Sink() as sink:
                service = Restartable(tmp_path, nodes, FANIN_TIMEOUT=TIMEOUT, NOTIFY_URL=sink.url)
                service.start()
                try:
                    load = Load(service, draw)
                    running = asyncio.create_task(load.run(150))
                    await load.until(draw.randrange(100, 200))
                    nodes[0].kill()
                    await running
                    await everything_told(load, sink)
                    outcomes = await check(load, sink, service.service)
                finally:
                    service.kill()
        finally:
            for node in nodes:
                node.kill()

        assert load.acknowledged == 450
        assert outcomes["completed"] > 30

    asyncio.run(story())
