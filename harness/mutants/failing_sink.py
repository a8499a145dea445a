"""A sink that fails for hours, in whatever way: a notification is sent until it is accepted."""

import asyncio
import re
from collections.abc import Callable
from itertools import islice

from fanin.aggregator.clock import Clock
from fanin.aggregator.fanin import Notification, Phase
from fanin.aggregator.notify.port import NotDeliveredError
from fanin.harness.mutants.mutant import Mutant
from fanin.harness.mutants.plain_http import SUCCESS, exchange, request_of, to_the_sink
from fanin.harness.mutants.variation import Send, SendVariation, vary

WAITS_S = 30
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
SEVENTY_HOURS_MS = 70 * HOUR_MS
ROWS = 10
WORKERS, CONNECTIONS = 8, 50
OK, CONFLICT, GONE, TOO_MANY = 200, 409, 410, 429
NO_CONTENT = 204
FEW_SUCCESSES = frozenset({200, 201, 202, 204})
REDIRECTS = range(300, 400)
CLIENT_ERRORS = range(400, 408)
_STATUS = re.compile(r"\b([345]\d\d)\b")


def _status_of(error: NotDeliveredError) -> int:
    """The status that the sink answered with; 0 when there was none."""
    found = _STATUS.search(str(error))
    return int(found[1]) if found else 0


def _decided_ms(notification: Notification) -> int:
    return notification.decided_ms


def _taking_for_final(is_final: Callable[[int], bool]) -> SendVariation:
    """Give up where the sink answers with one of these statuses."""

    def variation(send: Send, _clock: Clock) -> Send:
        async def attempt(notification: Notification) -> None:
            try:
                await send(notification)
            except NotDeliveredError as exc:
                if not is_final(_status_of(exc)):
                    raise

        return attempt

    return variation


def _no_longer_than(limit_ms: int, since_ms: Callable[[Notification], int] = _decided_ms) -> SendVariation:
    """Give up so long after the decision, or another instant."""

    def variation(send: Send, clock: Clock) -> Send:
        async def attempt(notification: Notification) -> None:
            try:
                await send(notification)
            except NotDeliveredError:
                if clock.now_ms() - since_ms(notification) < limit_ms:
                    raise

        return attempt

    return variation


def _oldest_ten(send: Send, _clock: Clock) -> Send:
    """Send what is among the ten oldest that the sink has not accepted."""
    pending: dict[str, None] = {}  # keys, in the order of their first attempts

    async def attempt(notification: Notification) -> None:
        pending.setdefault(notification.key)
        if notification.key not in islice(pending, ROWS):
            raise NotDeliveredError("not among the rows that were read")
        await send(notification)
        del pending[notification.key]

    return attempt


def _doubling_without_limit(send: Send, clock: Clock) -> Send:
    """Let twice as much time pass before each attempt."""
    next_ms: dict[str, tuple[int, int]] = {}  # by key: the last pause, and its end

    async def attempt(notification: Notification) -> None:
        pause_ms, due_ms = next_ms.get(notification.key, (500, 0))
        if clock.now_ms() < due_ms:
            raise NotDeliveredError("not due yet")
        try:
            await send(notification)
        except NotDeliveredError:
            next_ms[notification.key] = (2 * pause_ms, clock.now_ms() + 2 * pause_ms)
            raise

    return attempt


def _without_a_limit(url: str) -> SendVariation:
    """Wait for the sink's answer as long as it takes."""
    waiting: dict[str, asyncio.Task[int]] = {}  # by key

    async def attempt(notification: Notification) -> None:
        key = notification.key
        if key not in waiting:
            waiting[key] = asyncio.ensure_future(exchange(url, request_of(notification)))
        status = await asyncio.shield(waiting[key])
        del waiting[key]
        if status not in SUCCESS:
            raise NotDeliveredError(f"answered {status}")

    return lambda _send, _clock: attempt


def _at_a_time(limit: int, *, timeouts_alone: bool = False) -> Callable[[str], SendVariation]:
    """Make so many attempts at a time, each of which waits for the sink for half a minute."""

    def variation_of(url: str) -> SendVariation:
        slots = asyncio.Semaphore(limit)

        async def attempt(notification: Notification) -> None:
            async with slots:
                async with asyncio.timeout(WAITS_S):
                    status = await exchange(url, request_of(notification))
            if status not in SUCCESS:
                raise NotDeliveredError(f"answered {status}")

        def variation(send: Send, _clock: Clock) -> Send:
            async def choose(notification: Notification) -> None:
                is_other = timeouts_alone and notification.outcome is not Phase.TIMED_OUT
                await (send(notification) if is_other else attempt(notification))

            return choose

        return variation

    return variation_of


def _by_eight_workers(send: Send, _clock: Clock) -> Send:
    workers = asyncio.Semaphore(WORKERS)

    async def attempt(notification: Notification) -> None:
        async with workers:
            await send(notification)

    return attempt


def _accepting(is_accepted: Callable[[int], bool]) -> Callable[[str], SendVariation]:
    """Take these statuses alone for acceptance."""

    def variation_of(url: str) -> SendVariation:
        async def attempt(notification: Notification) -> None:
            status = await exchange(url, request_of(notification))
            if not is_accepted(status):
                raise NotDeliveredError(f"answered {status}")

        return lambda _send, _clock: attempt

    return variation_of


def _if_it_answers(send: Send, _clock: Clock) -> Send:
    """Ignore that the connection was refused; only an answer can fail."""

    async def attempt(notification: Notification) -> None:
        try:
            await send(notification)
        except NotDeliveredError as exc:
            if _status_of(exc):
                raise

    return attempt


MUTANTS = (
    Mutant(
        "takes-client-errors-for-final",
        ("B58",),
        "Gives up when the sink answers 400 to 407, so what was refused while the sink was being deployed is"
        " lost.",
        "sink-gone-for-hours",
        vary(send=_taking_for_final(lambda status: status in CLIENT_ERRORS)),
    ),
    Mutant(
        "takes-gone-for-final",
        ("B58",),
        "Gives up when the sink answers 410, as some senders do, so a proxy that answers it for an hour"
        " loses the notification.",
        "sink-gone-for-hours",
        vary(send=_taking_for_final(lambda status: status == GONE)),
    ),
    Mutant(
        "takes-redirects-for-accepted",
        ("B51",),
        "Takes every answer below 400 for acceptance, so what is answered 301 or 304 is never sent again.",
        "sink-gone-for-hours",
        vary(send=_taking_for_final(lambda status: status in REDIRECTS)),
    ),
    Mutant(
        "drops-what-is-too-much",
        ("B51",),
        "Drops what the sink answers 429, so under load notifications are lost.",
        "sink-gone-for-hours",
        vary(send=_taking_for_final(lambda status: status == TOO_MANY)),
    ),
    Mutant(
        "gives-up-after-an-hour",
        ("B58",),
        "Tries for an hour, so a longer outage of the sink loses the notification.",
        "sink-gone-for-hours",
        vary(send=_no_longer_than(HOUR_MS)),
    ),
    Mutant(
        "gives-up-after-a-day",
        ("B58",),
        "Tries for a day, so the notification is lost if the sink is broken for longer.",
        "sink-gone-for-days",
        vary(send=_no_longer_than(DAY_MS)),
    ),
    Mutant(
        "gives-up-after-two-days",
        ("B58",),
        "Tries for two days, so the notification is lost if the sink is broken over a weekend.",
        "sink-gone-for-days",
        vary(send=_no_longer_than(2 * DAY_MS)),
    ),
    Mutant(
        "gives-up-after-seventy-hours",
        ("B58",),
        "Tries for seventy hours, so the notification is lost if the sink is broken for almost three days.",
        "sink-gone-for-days",
        vary(send=_no_longer_than(SEVENTY_HOURS_MS)),
    ),
    Mutant(
        "doubles-pauses-for-ever",
        ("B58",),
        "Doubles the pause after each attempt without a limit, so after an outage of hours it waits for"
        " hours more.",
        "sink-gone-for-hours",
        vary(send=_doubling_without_limit),
    ),
    Mutant(
        "waits-for-the-sink-for-ever",
        ("B51",),
        "Waits for the sink's answer without a limit, so a notification that was not answered is never sent"
        " again.",
        "sink-hangs",
        to_the_sink(_without_a_limit),
    ),
    Mutant(
        "eight-workers",
        ("B62",),
        "Sends with eight workers, so eight notifications that the sink does not answer hold up all others.",
        "stuck-sink",
        vary(send=_by_eight_workers),
    ),
    Mutant(
        "reads-ten-rows",
        ("B62", "B58"),
        "Reads the ten oldest rows of its outbox at a time, so ten that the sink refuses hold up all others.",
        "poisoned-sink",
        vary(send=_oldest_ten),
    ),
    Mutant(
        "accepts-ok-alone",
        ("B43b",),
        "Takes only 200 for acceptance, so what the sink answered 202 is sent again.",
        "sink-stalls",
        to_the_sink(_accepting(lambda status: status == OK)),
    ),
    Mutant(
        "accepts-few-successes",
        ("B43b",),
        "Takes only 200, 201, 202 and 204 for acceptance, so what the sink answered 207 is sent again.",
        "sink-gone-for-hours",
        to_the_sink(_accepting(lambda status: status in FEW_SUCCESSES)),
    ),
    Mutant(
        "requires-content",
        ("B43b",),
        "Takes 204 for a failure, as it says nothing, so what the sink accepted with it is sent again.",
        "sink-gone-for-hours",
        to_the_sink(_accepting(lambda status: status in SUCCESS and status != NO_CONTENT)),
    ),
    Mutant(
        "takes-conflicts-for-accepted",
        ("B51",),
        "Takes 409 for the sink's word that it has the notification, so one that was refused so is lost.",
        "sink-gone-for-hours",
        vary(send=_taking_for_final(lambda status: status == CONFLICT)),
    ),
    Mutant(
        "fifty-connections",
        ("B62",),
        "Keeps fifty connections to the sink at most, so fifty notifications that it does not answer hold up"
        " all others.",
        "stuck-sink",
        to_the_sink(_at_a_time(CONNECTIONS)),
    ),
    Mutant(
        "timeouts-one-at-a-time",
        ("B62",),
        "Has its timer send timeouts itself, one after the other, so one that the sink does not answer holds"
        " up the next ones.",
        "stuck-sink",
        to_the_sink(_at_a_time(1, timeouts_alone=True)),
    ),
    Mutant(
        "ignores-refused-connections",
        ("B51",),
        "Logs that a connection was refused and goes on, so what falls while the sink is down is lost.",
        "sink-down",
        vary(send=_if_it_answers),
    ),
)
