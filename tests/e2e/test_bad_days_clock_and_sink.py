"""A clock that is set, and a sink that swallows everything."""

import asyncio
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.bad_day import REGIONS, Acknowledged, BadDay
from tests.e2e.serving import LIMIT_S, Sink

HOUR_MS = 3_600_000


class SetClock:
    """The service's wall clock, which can be set while it runs."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self.set(0)
        self.launch = ("--clock", str(self._file), "--set", "fanin.aggregator.clock.WATCH_S=0.5")

    def set(self, ahead_ms: int) -> None:
        """From now on it is so much ahead of the machine's; negative: behind."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(str(ahead_ms))
        fresh.replace(self._file)  # never read half


def test_a_clock_set_forward_fires_deadlines_at_once(tmp_path: Path) -> None:
    """Deadlines are instants: when the clock says that one has passed, it has, whatever was planned."""

    async def story() -> None:
        clock = SetClock(tmp_path)
        async with Sink() as sink:
            service = BadDay.begin(tmp_path, launch=clock.launch, NOTIFY_URL=sink.url, FANIN_TIMEOUT="30m")
            acknowledged = Acknowledged()
            await acknowledged.push(service, REGIONS[0], "before")
            clock.set(HOUR_MS)
            await acknowledged.reckon(sink)
            late = await service.push(REGIONS[1], "before")
            for region in REGIONS:
                await acknowledged.push(service, region, "after")
            await acknowledged.reckon(sink)
            code, log = service.end(signal.SIGTERM)

        assert {body["id"]: body["outcome"] for _, body in sink.received} == {
            "before": "timed_out",
            "after": "completed",
        }
        assert late == (202, "late")
        assert (code, "Traceback" in log) == (0, False)

    asyncio.run(story())


def test_a_clock_set_back_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Operations that wait are completed, their deadlines stay instants; refused notifications are repeated.

    A repeat that was due before the clock was set back a day is not put off for a day.
    """

    async def story() -> None:
        clock = SetClock(tmp_path)
        async with Sink(lambda nth: 503 if nth == 1 else 200) as sink:
            service = BadDay.begin(tmp_path, launch=clock.launch, NOTIFY_URL=sink.url, FANIN_TIMEOUT="30m")
            acknowledged = Acknowledged()
            await acknowledged.push(service, REGIONS[0], "waiting")
            for region in REGIONS:
                await acknowledged.push(service, region, "refused")
            async with asyncio.timeout(LIMIT_S):
                while "notification-failed" not in service.log.read_text():  # noqa: ASYNC110 - a file has no event
                    await asyncio.sleep(0.005)
            clock.set(-24 * HOUR_MS)
            await sink.until(lambda: len(sink.received) == 2)
            await acknowledged.push(service, REGIONS[1], "waiting")
            await acknowledged.reckon(sink)
            again = [await service.push(region, "refused") for region in REGIONS]
            clock.set(0)
            forward = await service.push(REGIONS[0], "waiting")
            code, log = service.end(signal.SIGTERM)

        assert [body["id"] for _, body in sink.received] == ["refused", "refused", "waiting"]
        assert {body["outcome"] for _, body in sink.received} == {"completed"}
        assert again == [(202, "duplicate")] * 2
        assert forward == (202, "duplicate")
        assert (code, "Traceback" in log) == (0, False)

    asyncio.run(story())


@contextmanager
def black_hole(*, answers_syn: bool) -> Iterator[int]:
    """A port that takes connections and never says anything; or does not even take them."""
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen(4_096 if answers_syn else 0)
        port: int = hole.getsockname()[1]
        fillers = []
        if not answers_syn:
            # Nothing is accepted, so the queue is full after a few; what comes then is not even refused.
            for _ in range(4):
                filler = socket.socket()
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.1", port))
                fillers.append(filler)
        yield port
        for filler in fillers:
            filler.close()


def swallowed(tmp_path: Path, *, answers_syn: bool) -> None:
    """Webhooks go on while notifications vanish; after a restart with a sink that works each is told once."""

    async def story() -> None:
        haste = (
            *("--set", "fanin.aggregator.engines.sqlite.dispatcher.ATTEMPT_S=0.5"),
            *("--set", "fanin.aggregator.engines.attempt_slots.PREEMPT_UNKNOWN_AFTER_S=0.3"),
        )
        with black_hole(answers_syn=answers_syn) as port:
            url = f"http://127.0.0.1:{port}/hook"
            service = BadDay.begin(tmp_path, launch=haste, NOTIFY_URL=url, FANIN_TIMEOUT="1s")
            acknowledged = Acknowledged()
            async with asyncio.timeout(LIMIT_S):
                for n in range(200):
                    for region in REGIONS[: 1 + n % 2]:
                        assert await acknowledged.push(service, region, f"op-{n}") == 202
                waiting = "/instances?state=waiting"
                while b"deadline" in (await service.request("GET", waiting))[2]:  # noqa: ASYNC110 - HTTP
                    await asyncio.sleep(0.05)
            ready = await service.request("GET", "/readyz")
            code, log = service.end(signal.SIGTERM)
        async with Sink() as sink:
            # The target keeps its name, so that what waits for it is not taken for another target's.
            service = BadDay.begin(tmp_path, NOTIFY_URL=sink.url, FANIN_TIMEOUT="1s")
            await acknowledged.reckon(sink)
            service.end(signal.SIGTERM)

        assert ready[0] == 200
        assert (code, "Traceback" in log) == (0, False)
        assert "no response in time" in log
        assert len({key for key, _ in sink.received}) == len(sink.received) == 200

    asyncio.run(story())


def test_a_sink_that_never_answers_stops_nothing(tmp_path: Path) -> None:
    """It takes the connection and the request, and is silent."""
    swallowed(tmp_path, answers_syn=True)


def test_a_sink_that_is_not_even_reached_stops_nothing(tmp_path: Path) -> None:
    """Packets to it vanish, as behind a firewall."""
    swallowed(tmp_path, answers_syn=False)
