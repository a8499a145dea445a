"""Work of an engine has its turn, and webhooks go before it when many are under way."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import partial

import pytest

from fanin.aggregator.engines import work_queue
from fanin.aggregator.engines.work_queue import (
    BATCH,
    CREDIT_MAX,
    CREDIT_PER_WEBHOOK,
    RATIONED_FROM,
    WorkQueue,
)


@pytest.fixture(autouse=True)
def _slow_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So slow that none falls between two turns of the loop, however busy the machine is."""
    monkeypatch.setattr(work_queue, "TICK_S", 0.3)


def play(story: Callable[[], Awaitable[None]]) -> None:
    """Run a story on an event loop of its own."""

    async def run() -> None:
        await story()

    asyncio.run(run())


def under_way(stack: ExitStack, queue: WorkQueue, number: int = RATIONED_FROM) -> None:
    """So many webhooks are under way until the stack is closed."""
    for _ in range(number):
        stack.enter_context(queue.webhook())


async def turns(number: int = 3) -> None:
    """Let the loop go round."""
    for _ in range(number):
        await asyncio.sleep(0)


def test_work_is_done_at_once_while_few_webhooks_are_under_way() -> None:
    """A few webhooks hold nothing up."""

    async def story() -> None:
        queue, done = WorkQueue(), list[int]()
        with ExitStack() as stack:
            under_way(stack, queue, RATIONED_FROM - 1)
            for number in range(3):
                queue.add(partial(done.append, number))
            await turns()

        assert done == [0, 1, 2]

    play(story)


def test_work_waits_while_many_webhooks_are_under_way_and_is_done_afterwards() -> None:
    """In order, and with a look at the loop between."""

    async def story() -> None:
        queue, done, all_done = WorkQueue(), list[int](), asyncio.Event()
        with ExitStack() as stack:
            under_way(stack, queue)
            for number in range(2 * BATCH):
                queue.add(partial(done.append, number))
            queue.add(all_done.set)
            await turns()
            assert done == []
        await asyncio.wait_for(all_done.wait(), 10)

        assert done == list(range(2 * BATCH))

    play(story)


def test_rationed_work_is_done_a_piece_a_tick() -> None:
    """A status that is asked for may wait for a piece of work while no webhook comes or ends."""

    async def story() -> None:
        queue, third = WorkQueue(), asyncio.Event()
        with ExitStack() as stack:
            under_way(stack, queue)
            for work in (lambda: None, lambda: None, third.set):
                queue.add(work)
            await asyncio.wait_for(third.wait(), 10)

    play(story)


def test_each_answered_webhook_gives_credit_for_work() -> None:
    """Sixteen answers, five pieces, in one tick."""

    async def story() -> None:
        queue, done, some = WorkQueue(), list[int](), asyncio.Event()
        with ExitStack() as stack:
            under_way(stack, queue)
            for _ in range(16):
                with queue.webhook():
                    pass
            queue.add(some.set)
            for number in range(1, 10):
                queue.add(partial(done.append, number))
            await asyncio.wait_for(some.wait(), 10)

            assert len(done) + 1 == 16 * CREDIT_PER_WEBHOOK

    play(story)


def test_credit_has_a_maximum() -> None:
    """A quiet hour full of webhooks must not become an hour in which they wait."""

    async def story() -> None:
        queue, done, some = WorkQueue(), list[int](), asyncio.Event()
        for _ in range(1_000):
            with queue.webhook():
                pass
        with ExitStack() as stack:
            under_way(stack, queue)
            queue.add(some.set)
            for number in range(2 * CREDIT_MAX):
                queue.add(partial(done.append, number))
            await asyncio.wait_for(some.wait(), 10)

            assert len(done) + 1 == CREDIT_MAX

    play(story)


def test_urgent_work_overtakes_other_work_but_never_all_of_it() -> None:
    """By turns: a thousand notifications that are refused must not delay a deadline."""

    async def story() -> None:
        queue, done = WorkQueue(), list[str]()
        for name in ("a", "b", "c"):
            queue.add(partial(done.append, name))
        for name in ("1", "2"):
            queue.add(partial(done.append, name), urgent=True)
        await turns()

        assert done == ["1", "a", "2", "b", "c"]

    play(story)


def test_work_that_fails_does_not_stop_the_rest() -> None:
    """The event loop's exception handler gets the error."""

    async def story() -> None:
        queue, done, errors = WorkQueue(), list[str](), list[BaseException]()
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: errors.append(context["exception"])
        )
        queue.add(lambda: 1 // 0)  # type: ignore[arg-type]
        queue.add(partial(done.append, "the rest"))
        await turns()

        assert (done, [type(it) for it in errors]) == (["the rest"], [ZeroDivisionError])

    play(story)


def test_a_flush_does_everything_that_waits() -> None:
    """However many webhooks are under way."""

    async def story() -> None:
        queue, done = WorkQueue(), list[int]()
        with ExitStack() as stack:
            under_way(stack, queue)
            queue.add(partial(done.append, 1))
            queue.add(partial(done.append, 2))
            queue.flush()

            assert done == [1, 2]

    play(story)
