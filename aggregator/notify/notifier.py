"""Sends notifications to targets that have a URL, each in its own format."""

from collections.abc import Callable, Sequence
from functools import partial

from fanin.aggregator.clock import Clock, SystemClock
from fanin.aggregator.fanin import Notification, Phase, Subject
from fanin.aggregator.filters import ALL
from fanin.aggregator.notify import formats
from fanin.aggregator.notify.formats import Format
from fanin.aggregator.notify.http import HttpTarget
from fanin.aggregator.notify.name_lookup import LookupThread, lookup_on_loop
from fanin.aggregator.notify.port import AttemptEnded, BegunAttempt, NotDeliveredError
from fanin.aggregator.notify.target import MESSAGES, Target


class HttpNotifier:
    """See `fanin.aggregator.notify.port.BeginningNotifier`."""

    def __init__(
        self,
        targets: Sequence[Target],
        clock: Clock,
        *,
        load: Callable[[str], Format] = formats.load,
    ) -> None:
        self._by_outcome = {
            outcome: [(target.name, target.only) for target in targets if outcome in target.on]
            for outcome in MESSAGES
        }
        self._by_name = {target.name: _open(target, load(target.format), clock) for target in targets}

    def close(self) -> None:
        """Close the connections."""
        for target in self._by_name.values():
            target.close()

    def targets_for(self, outcome: Phase, subject: Subject | None = None) -> tuple[str, ...]:
        found = self._by_outcome[outcome]
        return tuple([name for name, only in found if only is ALL or subject is None or only.admits(subject)])

    async def send(self, target: str, notification: Notification) -> None:
        known = self._by_name.get(target)
        if known is None:
            raise NotDeliveredError(f"no target {target!r} is configured")
        await known.send(notification)

    def begin(self, target: str, notification: Notification, ended: AttemptEnded) -> BegunAttempt | None:
        known = self._by_name.get(target)
        return None if known is None else known.begin(notification, ended)


def _open(target: Target, form: Format, clock: Clock) -> HttpTarget:
    render = form.render
    if form.has_source and target.source:
        render = partial(render, source=target.source)
    if form.compile and target.template:
        render = form.compile(*target.template)
    # Other clocks belong to simulated worlds, which have no threads, and whose names their loop knows.
    lookup = LookupThread() if isinstance(clock, SystemClock) else lookup_on_loop
    return HttpTarget(target, render, clock, gone=form.gone, rate_limited=form.rate_limited, lookup=lookup)
