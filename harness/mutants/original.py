"""The design that the pattern was published with in 2018. The one inmate that has several bugs."""

import asyncio
from collections.abc import Mapping

import msgspec

from fanin.aggregator.clock import Clock
from fanin.aggregator.engine import Receipt
from fanin.aggregator.fanin import ArrivalResult, Phase
from fanin.aggregator.http.app import create_app
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.notify.port import Notifier
from fanin.aggregator.settings import Settings
from fanin.aggregator.wire import Arrival
from fanin.harness.mutants.mutant import Mutant
from fanin.harness.mutants.variation import Retold, Tell
from fanin.harness.mutants.wait import WaitsTwice
from fanin.harness.world.asgi import AsgiApp
from fanin.harness.world.target import LoopClock

# What GetStatusAsync takes.
LOOK_S = 0.005
# The README says WebhookTimeout. The code reads WebhookTimeOut, and finds this.
DEFAULT_TIMEOUT_MS = 120_000


class _Sample(WaitsTwice):
    """Get the status; start an orchestration if there is none; raise the event."""

    def __init__(self, settings: Settings, clock: Clock, metrics: Metrics, notifier: Notifier | None) -> None:
        keyless = Retold(notifier, _without_key, clock) if notifier else None
        super().__init__(settings, clock, metrics, keyless)

    async def deliver(self, arrival: Arrival) -> Receipt:
        instance = self._instances.get(arrival.operation_id)
        await asyncio.sleep(LOOK_S)
        if instance is None:
            instance = self.begin(arrival)
        if instance.state.phase is not Phase.WAITING:
            return Receipt(
                instance.state, ArrivalResult.LATE
            )  # a finished instance takes no events, silently
        return await super().deliver(arrival)


def _without_key(tell: Tell, _clock: Clock) -> Tell:
    """The notification is an activity, which runs at least once, and has no id."""
    return lambda notify: tell(msgspec.structs.replace(notify, key=""))


def _sample(environment: Mapping[str, str], epoch_ms: int) -> AsgiApp:
    told = {name: text for name, text in environment.items() if "timeout" not in name.casefold()}
    settings = Settings.from_environment(told, {"timeout_ms": f"{DEFAULT_TIMEOUT_MS}ms"})
    return create_app(settings, clock=LoopClock(epoch_ms), engine=_Sample)


MUTANTS = (
    Mutant(
        "original-sample",
        ("B10", "B01", "B46", "B52", "B67"),
        "The published sample of 2018: it looks up and then starts, waits for every region twice, reads"
        " its timeout under a misspelt name, and tells without a key, so every operation times out.",
        "original-simple",
        _sample,
    ),
)
