"""Those who want to hear of outcomes, each at a URL and in a form of his own."""

from collections.abc import Callable, Sequence
from functools import partial

from fanin.aggregator.clock import Clock
from fanin.aggregator.fanin import Notification, Phase
from fanin.aggregator.notify.formats import registry
from fanin.aggregator.notify.formats.format import Format
from fanin.aggregator.notify.http import HttpTarget
from fanin.aggregator.notify.port import NotDeliveredError
from fanin.aggregator.notify.target import OUTCOMES, Target


class HttpNotifier:
    """See `fanin.aggregator.notify.port.Notifier`."""

    def __init__(
        self,
        targets: Sequence[Target],
        clock: Clock,
        *,
        load: Callable[[str], Format] = registry.load,
    ) -> None:
        self._by_outcome = {
            outcome: tuple(target.name for target in targets if outcome in target.on) for outcome in OUTCOMES
        }
        self._by_name = {target.name: _opened(target, load(target.format), clock) for target in targets}

    def close(self) -> None:
        """Close the connections."""
        for target in self._by_name.values():
            target.close()

    def targets_for(self, outcome: Phase) -> tuple[str, ...]:
        return self._by_outcome[outcome]

    async def send(self, target: str, notification: Notification) -> None:
        known = self._by_name.get(target)
        if known is None:
            raise NotDeliveredError(f"no target {target!r} is configured")
        await known.send(notification)


def _opened(target: Target, form: Format, clock: Clock) -> HttpTarget:
    render = form.render
    if form.sourced and target.source:
        render = partial(render, source=target.source)
    return HttpTarget(target, render, clock, gone=form.gone, paced=form.paced)
