"""One attempt at a notification: its result, and what is counted and logged of it."""

import asyncio
import logging

import pytest

from fanin.aggregator.metrics import Metrics
from fanin.aggregator.notify.attempt import PreemptedError, attempt, record_accepted, record_failure
from fanin.aggregator.notify.port import NotDeliveredError
from fanin.aggregator.notify.retry_record import RetryDecision
from tests.aggregator.notify.notifications import notification

NOTIFICATION = notification()


async def one_attempt(
    trouble: BaseException | None = None, *, hangs: bool = False
) -> NotDeliveredError | None:
    async def send() -> None:
        if hangs:
            await asyncio.Event().wait()
        if trouble is not None:
            raise trouble

    return await attempt(send, asyncio.timeout(0.01 if hangs else None))


# --- its result ---


@pytest.mark.anyio
async def test_an_accepted_notification_has_no_error() -> None:
    """Whatever the target responded with a 2xx."""
    assert await one_attempt() is None


@pytest.mark.anyio
async def test_a_refusal_is_the_result() -> None:
    """With all that the retry depends on."""
    refusal = NotDeliveredError("answered 503", retry_after_ms=5_000)

    assert await one_attempt(refusal) is refusal


@pytest.mark.anyio
async def test_an_attempt_ends_with_its_limit() -> None:
    """It counts as sent: the target may have got it."""
    error = await one_attempt(hangs=True)

    assert (str(error), error and error.sent, error and error.final) == (
        "timed out: no response in time",
        True,
        False,
    )


@pytest.mark.anyio
async def test_an_attempt_that_was_preempted_says_so() -> None:
    """The receiver may be healthy, and only slower than others are patient."""
    error = await one_attempt(PreemptedError())

    assert str(error) == "cut short: another notification waited for its slot, or the service stopped"


@pytest.mark.anyio
async def test_a_bug_fails_one_attempt_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Other notifications must not stop because of it; the message has no details, which may be secret."""
    error = await one_attempt(KeyError("hunter2"))

    assert str(error) == "internal error: KeyError"
    assert caplog.records[0].message == "notification-crashed"
    assert caplog.records[0].exc_info is not None


@pytest.mark.anyio
async def test_a_cancelled_attempt_is_cancelled() -> None:
    """It is no failure of the target."""
    with pytest.raises(asyncio.CancelledError):
        await one_attempt(asyncio.CancelledError())


# --- metrics and log ---

ABOUT = "operation=op-1 target=oncall attempt=3"


def test_an_accepted_attempt_is_counted_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    """With the number of the attempt."""
    caplog.set_level(logging.INFO, "fanin")
    metrics = Metrics()
    record_accepted(metrics, NOTIFICATION, "oncall", attempt=2)

    assert metrics.attempts == {"ok": 1}
    assert caplog.messages == ["notification-accepted operation=op-1 target=oncall attempt=2"]


@pytest.mark.parametrize(
    ("decision", "counted", "dead", "record"),
    [
        (
            RetryDecision(error="answered 503", pause_ms=1_500),
            {"failed": 1}, 0,
            (logging.WARNING, f'notification-failed {ABOUT} reason="answered 503" retry_in_s=1.5'),
        ),
        (
            RetryDecision(error="paused", pause_ms=1_000, counts=False),
            {}, 0,
            (logging.WARNING, f"notification-failed {ABOUT} reason=paused retry_in_s=1.0"),
        ),
        (
            RetryDecision(error="answered 410", dead=True),
            {"failed": 1}, 1,
            (logging.ERROR, f'notification-dead-lettered {ABOUT} reason="answered 410"'),
        ),
    ],
    ids=["failed", "not sent", "dead-lettered"],
)  # fmt: skip
def test_a_failed_attempt_is_counted_and_logged(
    decision: RetryDecision,
    counted: dict[str, int],
    dead: int,
    record: tuple[int, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An attempt that sent nothing is logged, and not counted; a dead letter is an error."""
    metrics = Metrics()
    record_failure(metrics, NOTIFICATION, "oncall", attempts=3, decision=decision)

    assert metrics.attempts == counted
    assert metrics.dead_lettered["oncall"] == dead
    assert [(it.levelno, it.message) for it in caplog.records] == [record]
