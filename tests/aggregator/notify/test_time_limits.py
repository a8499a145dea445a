"""Many limits of one length end as `asyncio.timeout` would end each."""

import asyncio

import pytest

from fanin.aggregator.notify.time_limits import TimeLimits

pytestmark = pytest.mark.anyio


async def hang(limits: TimeLimits) -> float:
    """Hang until the limit ends it; return when that was."""
    loop = asyncio.get_running_loop()
    with pytest.raises(TimeoutError), limits.limit():
        await loop.create_future()
    return loop.time()


async def test_each_limit_has_its_whole_time() -> None:
    """Those that begin later end later, with one timer."""
    loop, limits = asyncio.get_running_loop(), TimeLimits(0.05)
    began_s = loop.time()
    first = asyncio.create_task(hang(limits))
    await asyncio.sleep(0.02)
    second = asyncio.create_task(hang(limits))

    assert await first - began_s >= 0.04
    assert await second - began_s >= 0.06


async def test_what_ends_in_time_is_left_alone() -> None:
    """Also while others hang, and no timer stays behind."""
    limits = TimeLimits(0.05)
    hanging = asyncio.create_task(hang(limits))
    await asyncio.sleep(0)
    with limits.limit():
        await asyncio.sleep(0)
    await hanging
    limit = limits.limit()
    with limit:
        await asyncio.sleep(0)

    assert not limit.expired()
    assert limits._timer is None


async def test_an_error_of_its_own_passes() -> None:
    """It is no timeout."""
    with pytest.raises(ZeroDivisionError), TimeLimits(1).limit():
        raise ZeroDivisionError


async def test_a_limit_can_be_ended_before_its_time() -> None:
    """As a pre-emption does, and after the end of the context nothing happens."""
    limits = TimeLimits(60)
    limit = limits.limit()
    asyncio.get_running_loop().call_soon(limit.expire)
    with pytest.raises(TimeoutError), limit:
        await asyncio.get_running_loop().create_future()
    limit.expire()
    await asyncio.sleep(0)

    assert limit.expired()


async def test_the_result_of_an_attempt_that_ends_with_its_time_is_kept() -> None:
    """The cancellation that was under way is taken back."""
    limits = TimeLimits(60)
    limit = limits.limit()
    with limit:
        limit.expire()
    await asyncio.sleep(0)

    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_cancellation_from_outside_is_no_timeout() -> None:
    """Even if the time is over in the same turn."""
    limits = TimeLimits(60)
    limit = limits.limit()

    async def attempt() -> None:
        with limit:
            await asyncio.get_running_loop().create_future()

    task = asyncio.create_task(attempt())
    await asyncio.sleep(0)
    task.cancel()
    limit.expire()
    with pytest.raises(asyncio.CancelledError):
        await task
