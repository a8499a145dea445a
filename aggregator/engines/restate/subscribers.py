"""Who wants to hear of outcomes, by name."""

from typing import Protocol

from aggregator.engine import Tell
from aggregator.fanin import Notify, Phase


class Subscribers(Protocol):
    """Several targets, each told on its own account."""

    def targets(self, outcome: Phase) -> tuple[str, ...]:
        """Who wants to hear of that outcome."""

    async def tell(self, target: str, notify: Notify) -> None:
        """Make one attempt."""


class Sole:
    """One target, that hears of everything."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell

    def targets(self, _: Phase) -> tuple[str, ...]:
        return ("default",)

    async def tell(self, _: str, notify: Notify) -> None:
        await self._tell(notify)
