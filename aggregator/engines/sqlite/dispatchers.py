"""The dispatchers of an engine's targets: one for each."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from fanin.aggregator.clock import Clock
from fanin.aggregator.engines.sqlite.dispatcher import Dispatcher
from fanin.aggregator.engines.sqlite.outbox_port import Outbox, OutboxRow
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.notify.port import Notifier
from fanin.aggregator.notify.retry_policy import RetryPolicy
from fanin.aggregator.notify.target import MESSAGES
from fanin.aggregator.settings import Settings


class DispatcherFactory(Protocol):
    """`Dispatcher`, or what behaves like it."""

    def __call__(
        self,
        outbox: Outbox,
        target: str,
        notifier: Notifier,
        /,
        *,
        retry_policy: RetryPolicy,
        clock: Clock,
        metrics: Metrics,
    ) -> "TargetDispatcher": ...


class TargetDispatcher(Protocol):
    """Sends one target's notifications; see `Dispatcher`."""

    def start(self) -> None: ...
    def add(self, rows: Sequence[OutboxRow], /) -> None: ...
    def wake(self) -> None: ...
    def recheck(self) -> None: ...
    def reread(self) -> None: ...
    def set_paused(self, *, paused: bool) -> None: ...
    async def stop(self, grace_s: float) -> None: ...


class Dispatchers:
    """One dispatcher for each target."""

    def __init__(
        self,
        outbox: Outbox,
        notifier: Notifier,
        settings: Settings,
        *,
        clock: Clock,
        metrics: Metrics,
        dispatcher: DispatcherFactory | None = None,
    ) -> None:
        """Prepare, without beginning.

        Args:
            outbox: The pending notifications.
            notifier: Makes attempts.
            settings: Say for how long a target is tried.
            clock: Says when retries are due.
            metrics: Where attempts are counted.
            dispatcher: Makes a target's dispatcher; `Dispatcher` if not given.
        """
        dispatcher = dispatcher or Dispatcher
        names = dict.fromkeys(name for outcome in MESSAGES for name in notifier.targets_for(outcome))
        self._all = {
            name: dispatcher(
                outbox, name, notifier, retry_policy=settings.retry_policy(name), clock=clock, metrics=metrics
            )
            for name in names
        }

    @property
    def targets(self) -> tuple[str, ...]:
        """The names of their targets."""
        return tuple(self._all)

    def start(self) -> None:
        """Begin with what is in the outbox."""
        for dispatcher in self._all.values():
            dispatcher.start()

    def add(self, rows: Mapping[str, Sequence[OutboxRow]]) -> None:
        """Notifications have just been committed, by target."""
        for target, its in rows.items():
            if target in self._all:
                self._all[target].add(its)

    def wake(self, targets: Collection[str]) -> None:
        """There may be new notifications in the outbox for these targets."""
        for target in targets:
            if target in self._all:
                self._all[target].wake()

    def recheck(self) -> None:
        """Look again at what is due: the clock was set."""
        for dispatcher in self._all.values():
            dispatcher.recheck()

    def reread(self) -> None:
        """Forget rows that were read: some are being discarded."""
        for dispatcher in self._all.values():
            dispatcher.reread()

    def set_paused(self, target: str, *, paused: bool) -> None:
        """Begin no attempts for a target, or do again."""
        if target in self._all:
            self._all[target].set_paused(paused=paused)

    async def stop(self, grace_s: float) -> None:
        """Begin no attempt; let those that run end within ``grace_s``. The next start repeats the rest."""
        await asyncio.gather(*(dispatcher.stop(grace_s) for dispatcher in self._all.values()))
