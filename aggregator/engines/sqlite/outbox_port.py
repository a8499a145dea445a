"""The outbox as dispatchers see it: rows that are pending, and how attempts at them ended."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec

from fanin.aggregator.fanin import Notification
from fanin.aggregator.notify.retry_record import RetryRecord


class OutboxRow(NamedTuple):
    """A pending notification to one target."""

    n: int
    notification: Notification
    record: RetryRecord = RetryRecord()


class Delivered(msgspec.Struct, frozen=True):
    """The target has accepted the notification."""

    n: int


class Failed(NamedTuple):
    """The target has not accepted the notification, or we cannot know; there will be another attempt."""

    n: int
    record: RetryRecord


class DeadLettered(NamedTuple):
    """The target has not accepted the notification, and there will be no further attempt."""

    n: int
    record: RetryRecord


type AttemptResult = Delivered | Failed | DeadLettered


class Outbox(Protocol):
    """Where notifications are stored until they are accepted."""

    def unattempted(self, *, target: str, after: int, limit: int) -> list[OutboxRow]:
        """A target's rows that were never attempted, in order, from the one after row ``after``."""

    def newest_number(self) -> int:
        """The number of the newest row, 0 when there is none."""

    def due_retries(self, *, target: str, now_ms: int, limit: int) -> list[OutboxRow]:
        """A target's rows that failed and are due again."""

    def next_retry_ms(self, *, target: str, now_ms: int) -> int | None:
        """When the target's next row that is not due yet will be due."""

    async def record(self, results: Sequence[AttemptResult]) -> None:
        """Store how attempts ended. Durable when it returns.

        Raises:
            StoreError: none is stored; try again.
        """
