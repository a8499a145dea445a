"""The baseline: the same server, routes and parsing, with an engine that stores and sends nothing."""

import os

from fanin.aggregator.cli.serve import listen, run
from fanin.aggregator.clock import Clock
from fanin.aggregator.engine import Capabilities, Engine, OutboxPage, Page, Receipt
from fanin.aggregator.fanin import ArrivalResult, FanIn, OperationId, Phase, Subject
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.notify.port import Notifier
from fanin.aggregator.settings import Settings
from fanin.aggregator.wire import Arrival

# One receipt for all: making them would be work that no storage asks for.
_STATE = FanIn(operation_id="", subject=Subject(action="push"), expected=(), started_ms=0, deadline_ms=0)
_RECEIPT = Receipt(_STATE, ArrivalResult.COUNTED)


class StorageFree:
    """Says yes to every arrival and forgets it."""

    capabilities = Capabilities(survives_kill=False, exclusive=False, has_retention=True)

    def __init__(self, settings: Settings, clock: Clock, metrics: Metrics, notifier: Notifier | None) -> None:
        """Keep nothing of it."""

    async def open(self) -> None:
        return

    async def close(self) -> None:
        return

    async def deliver(self, _: Arrival) -> Receipt:
        return _RECEIPT

    async def inspect(self, _: OperationId) -> FanIn | None:
        return None

    async def instances(self, *, phase: Phase | None, after: str | None, limit: int) -> Page:  # noqa: ARG002
        return Page([], None)

    async def latest(self, *, limit: int) -> list[FanIn]:  # noqa: ARG002
        return []

    async def outbox(self, *, dead: bool | None, after: str | None, limit: int) -> OutboxPage:  # noqa: ARG002
        return OutboxPage([], None)

    async def retry(self, *, target: str | None, operation: OperationId | None) -> int:  # noqa: ARG002
        return 0

    async def check(self) -> None:
        return


def build(settings: Settings, clock: Clock, metrics: Metrics, notifier: Notifier | None) -> Engine:
    """The factory, as `fanin.aggregator.http.app.create_app` wants one."""
    return StorageFree(settings, clock, metrics, notifier)


if __name__ == "__main__":
    _settings = Settings.from_environment(os.environ)
    run(_settings, listen(_settings), engine=build)
