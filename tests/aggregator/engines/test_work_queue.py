"""What an engine hands to us has its turn, and webhooks that crowd in go before it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import partial

import pytest

from fanin.aggregator.engines import work_queue as pacing
from fanin.aggregator.engines.work_queue import BATCH, CREDIT_MAX, CROWD, SHARE, Pace


@pytest.fixture(autouse=True)
def _slow_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So slow that none falls between two turns of the loop, however busy the machine is."""
    monkeypatch.setattr(pacing, "TICK_S", 0.3)


def play(story: Callable[[], Awaitable[None]]) -> None:
    """Run a story on an event loop of its own."""

    async def told() -> None:
        await story()

    asyncio.run(told())


def crowd(stack: ExitStack, pace: Pace, number: int = CROWD) -> None:
    """So many webhooks are under way until the stack is closed."""
    for _ in range(number):
        stack.enter_context(pace.webhook())


async def turns(number: int = 3) -> None:
    """Let the loop go round."""
    for _ in range(number):
        await asyncio.sleep(0)


def test_work_is_done_at_once_where_nobody_is_in_a_hurry() -> None:
    """A few webhooks are no crowd."""

    async def story() -> None:
        pace, done = Pace(), list[int]()
        with ExitStack() as stack:
            crowd(stack, pace, CROWD - 1)
            for number in range(3):
                pace.add(partial(done.append, number))
            await turns()

        assert done == [0, 1, 2]

    play(story)


def test_work_waits_while_webhooks_crowd_in_and_is_done_when_they_are_gone() -> None:
    """In order, and with a look at the loop between."""

    async def story() -> None:
        pace, done, all_done = Pace(), list[int](), asyncio.Event()
        with ExitStack() as stack:
            crowd(stack, pace)
            for number in range(2 * BATCH):
                pace.add(partial(done.append, number))
            pace.add(all_done.set)
            await turns()
            assert done == []
        await asyncio.wait_for(all_done.wait(), 10)

        assert done == list(range(2 * BATCH))

    play(story)


def test_in_a_crowd_something_is_done_with_every_tick() -> None:
    """A status that somebody asks for may wait for a piece of work, and nobody else comes or goes."""

    async def story() -> None:
        pace, third = Pace(), asyncio.Event()
        with ExitStack() as stack:
            crowd(stack, pace)
            for work in (lambda: None, lambda: None, third.set):
                pace.add(work)
            await asyncio.wait_for(third.wait(), 10)

    play(story)


def test_a_webhook_that_is_answered_pays_for_its_share_of_work() -> None:
    """Sixteen answers, five pieces, in one tick."""

    async def story() -> None:
        pace, done, some = Pace(), list[int](), asyncio.Event()
        with ExitStack() as stack:
            crowd(stack, pace)
            for _ in range(16):
                with pace.webhook():
                    pass
            pace.add(some.set)
            for number in range(1, 10):
                pace.add(partial(done.append, number))
            await asyncio.wait_for(some.wait(), 10)

            assert len(done) + 1 == 16 * SHARE

    play(story)


def test_what_was_saved_up_has_an_end() -> None:
    """A quiet hour full of webhooks must not become an hour in which they wait."""

    async def story() -> None:
        pace, done, some = Pace(), list[int](), asyncio.Event()
        for _ in range(1_000):
            with pace.webhook():
                pass
        with ExitStack() as stack:
            crowd(stack, pace)
            pace.add(some.set)
            for number in range(2 * CREDIT_MAX):
                pace.add(partial(done.append, number))
            await asyncio.wait_for(some.wait(), 10)

            assert len(done) + 1 == CREDIT_MAX

    play(story)


def test_what_comes_first_overtakes_but_never_all() -> None:
    """By turns: a thousand notifications that nobody accepts must not hold up a deadline."""

    async def story() -> None:
        pace, done = Pace(), list[str]()
        for name in ("a", "b", "c"):
            pace.add(partial(done.append, name))
        for name in ("1", "2"):
            pace.add(partial(done.append, name), first=True)
        await turns()

        assert done == ["1", "a", "2", "b", "c"]

    play(story)


def test_work_that_fails_does_not_stop_the_rest() -> None:
    """The loop's own handler hears of it."""

    async def story() -> None:
        pace, done, heard = Pace(), list[str](), list[BaseException]()
        asyncio.get_running_loop().set_exception_handler(lambda _, said: heard.append(said["exception"]))
        pace.add(lambda: 1 // 0)  # type: ignore[arg-type]
        pace.add(partial(done.append, "the rest"))
        await turns()

        assert (done, [type(it) for it in heard]) == (["the rest"], [ZeroDivisionError])

    play(story)


def test_whoever_stops_has_all_that_waits_done() -> None:
    """Crowd or not."""

    async def story() -> None:
        pace, done = Pace(), list[int]()
        with ExitStack() as stack:
            crowd(stack, pace)
            pace.add(partial(done.append, 1))
            pace.add(partial(done.append, 2))
            pace.flush()

            assert done == [1, 2]

    play(story)
