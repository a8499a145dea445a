"""What a target refuses is a letter at the real Restate server, until it is accepted."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from aggregator import engines
from aggregator.clock import SYSTEM_CLOCK
from aggregator.engine import Letter, NotDeliveredError
from aggregator.fanin import Notify, Phase, Subject
from aggregator.metrics import Metrics
from aggregator.notify.address import parse
from aggregator.notify.target import Target
from aggregator.settings import Settings
from aggregator.wire import Arrival
from tests.heavy import needs_engine

pytestmark = needs_engine("restate")

LIMIT_S = 60


class Moody:
    """One target that refuses for ever, refuses once, or accepts, by the operation's name."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.friendly = False

    def targets(self, _: Phase) -> tuple[str, ...]:
        return ("default",)

    async def tell(self, _: str, notify: Notify) -> None:
        self.heard.append(notify.operation_id)
        if self.friendly or notify.operation_id == "liked":
            return
        raise NotDeliveredError("answered 410", final=notify.operation_id == "hated")


async def until[T](ask: Callable[[], Awaitable[T]], wanted: Callable[[T], bool]) -> T:
    """What was asked for, once it is like that."""
    async with asyncio.timeout(LIMIT_S):
        while not wanted(said := await ask()):  # noqa: ASYNC110 - the server does not tell us
            await asyncio.sleep(0.05)
    return said


def test_letters_are_listed_sent_again_and_gone(tmp_path: Path) -> None:
    """One that is given up waits for `retry`; one that is still tried goes by itself; the rest are none."""
    backend = engines.start_backend("restate", tmp_path)
    assert backend is not None

    async def story() -> None:
        moody = Moody()
        target = Target(address=parse("http://subscriber/"))
        settings = Settings(
            regions=("eastus",), targets=(target,), engine="restate", engine_options=backend.options
        )
        engine = engines.load("restate")(settings, SYSTEM_CLOCK, Metrics(), moody)
        await engine.open()

        async def letters() -> list[Letter]:
            return (await engine.letters(dead=None, after=None, limit=10)).letters

        try:
            for id_ in ("hated", "disliked", "liked"):
                await engine.deliver(Arrival(id_, "eastus", Subject(action="push")))
            live, dead = await until(letters, lambda it: len(it) == 2)
            assert (live.operation_id, live.dead_ms, live.error) == ("disliked", None, "answered 410")
            assert (dead.operation_id, dead.due_ms) == ("hated", None)
            assert dead.dead_ms is not None

            assert await engine.retry(target="somebody-else", operation=None) == 0
            moody.friendly = True
            assert await engine.retry(target=None, operation=None) == 1
            assert await until(letters, lambda it: not it) == []
            assert moody.heard.count("hated") == 2
            assert moody.heard.count("liked") == 1
        finally:
            await engine.close()

    try:
        asyncio.run(story())
    finally:
        backend.stop()
