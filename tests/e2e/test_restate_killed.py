"""``kill -9`` of the Restate server and of the service, under load: nothing acknowledged is lost."""

import asyncio
import random
from pathlib import Path

from aggregator.engines.restate.server import Server
from tests.e2e.restate_load import Load, check, everything_told, replicas, restate
from tests.e2e.serving import Sink

pytestmark = restate()

TIMEOUT = "4s"


def test_server_and_service_are_killed_at_random_moments(tmp_path: Path) -> None:
    """Whichever dies, every operation ends with one key and the outcome that its answers imply."""

    async def story() -> None:
        draw = random.Random(1)
        server = Server(tmp_path)
        await asyncio.to_thread(server.start)
        try:
            # Every seventh notification is refused, so that kills also meet repeats.
            async with Sink(lambda nth: 503 if nth % 7 == 0 else 200) as sink:
                (replica,) = replicas(1, tmp_path, [server], FANIN_TIMEOUT=TIMEOUT, NOTIFY_URL=sink.url)
                replica.start()
                try:
                    load = Load([replica], draw)
                    running = asyncio.create_task(load.run(240))
                    for blow in range(6):
                        await load.until(load.acknowledged + draw.randrange(20, 80))
                        if blow % 2:
                            replica.kill()
                            replica.start()
                        else:
                            server.kill()
                            await asyncio.to_thread(server.start)
                    await running
                    await everything_told(load, sink)
                    outcomes = await check(load, sink, replica.service)
                finally:
                    replica.kill()
        finally:
            server.kill()

        assert load.acknowledged == 720
        assert outcomes["completed"] > 100

    asyncio.run(story())


def test_a_node_of_three_is_killed(tmp_path: Path) -> None:
    """What was acknowledged is on two nodes; the others go on without the one that died."""

    async def story() -> None:
        draw = random.Random(2)
        nodes = [Server(tmp_path, name=f"node-{n}", replication=2, partitions=2) for n in (1, 2, 3)]
        for node in nodes:
            node.peers = nodes
        try:
            await asyncio.gather(*(asyncio.to_thread(node.start) for node in nodes))
            async with Sink() as sink:
                (replica,) = replicas(1, tmp_path, nodes, FANIN_TIMEOUT=TIMEOUT, NOTIFY_URL=sink.url)
                replica.start()
                try:
                    load = Load([replica], draw)
                    running = asyncio.create_task(load.run(150))
                    await load.until(draw.randrange(100, 200))
                    nodes[0].kill()
                    await running
                    await everything_told(load, sink)
                    outcomes = await check(load, sink, replica.service)
                finally:
                    replica.kill()
        finally:
            for node in nodes:
                node.kill()

        assert load.acknowledged == 450
        assert outcomes["completed"] > 30

    asyncio.run(story())


def test_two_replicas_share_the_work_and_one_is_killed(tmp_path: Path) -> None:
    """Traffic alternates between them; the death of one in mid-operation changes no outcome."""

    async def story() -> None:
        draw = random.Random(3)
        server = Server(tmp_path)
        await asyncio.to_thread(server.start)
        try:
            async with Sink() as sink:
                pair = replicas(2, tmp_path, [server], FANIN_TIMEOUT=TIMEOUT, NOTIFY_URL=sink.url)
                for each in pair:
                    each.start()
                try:
                    load = Load(pair, draw)
                    running = asyncio.create_task(load.run(100))
                    await load.until(100)
                    pair[0].kill()
                    await running
                    await everything_told(load, sink)
                    outcomes = await check(load, sink, pair[1].service)
                finally:
                    pair[1].kill()
        finally:
            server.kill()

        assert load.acknowledged == 300
        assert outcomes["completed"] > 50

    asyncio.run(story())
