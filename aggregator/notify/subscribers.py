"""Those who want to hear of outcomes, each at a URL and in a form of his own."""

from collections.abc import Callable, Mapping, Sequence

from aggregator.clock import Clock
from aggregator.engine import NotDeliveredError
from aggregator.fanin import Notify, Phase
from aggregator.notify import plain
from aggregator.notify.http import HttpTarget
from aggregator.notify.plain import Message
from aggregator.notify.target import OUTCOMES, Target

type Render = Callable[[Notify], Message]

FORMATS: Mapping[str, Render] = {"json": plain.render}


class HttpSubscribers:
    """See `aggregator.engine.Subscribers`."""

    def __init__(
        self, targets: Sequence[Target], clock: Clock, *, formats: Mapping[str, Render] = FORMATS
    ) -> None:
        self._by_outcome = {
            outcome: tuple(target.name for target in targets if outcome in target.on) for outcome in OUTCOMES
        }
        self._by_name = {
            target.name: HttpTarget(target.address, formats[target.format], clock) for target in targets
        }

    def close(self) -> None:
        """Close the connections."""
        for target in self._by_name.values():
            target.close()

    def targets(self, outcome: Phase) -> tuple[str, ...]:
        return self._by_outcome[outcome]

    async def tell(self, target: str, notify: Notify) -> None:
        known = self._by_name.get(target)
        if known is None:
            raise NotDeliveredError(f"no target {target!r} is configured")
        await known.tell(notify)
