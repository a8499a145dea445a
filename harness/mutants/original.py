"""The design that the pattern was published with in 2018. The only mutant with several bugs."""

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
from fanin.harness.mutants.notification import sending
from fanin.harness.mutants.variation import VariedNotifier
from fanin.harness.mutants.wait import DuplicateWaiters
from fanin.harness.world.asgi import AsgiApp
from fanin.harness.world.target import LoopClock

# How long GetStatusAsync takes.
LOOKUP_S = 0.005
# The README says WebhookTimeout. The code reads WebhookTimeOut, which is not set, and uses this.
DEFAULT_TIMEOUT_MS = 120_000


class _OriginalSample(DuplicateWaiters):
    """Gets the status; starts an orchestration if there is none; raises the event."""

    def __init__(self, settings: Settings, clock: Clock, metrics: Metrics, notifier: Notifier | None) -> None:
        # The notification is an activity, which runs at least once, and has no id.
        without_key = sending(lambda it: msgspec.structs.replace(it, key=""))
        keyless = VariedNotifier(notifier, without_key, clock) if notifier else None
        super().__init__(settings, clock, metrics, keyless)

    async def deliver(self, arrival: Arrival) -> Receipt:
        instance = self._instances.get(arrival.operation_id)
        await asyncio.sleep(LOOKUP_S)
        if instance is None:
            instance = self.start_instance(arrival)
        if instance.state.phase is not Phase.WAITING:
            return Receipt(instance.state, ArrivalResult.LATE)  # a finished instance ignores events
        return await super().deliver(arrival)


def _original_sample(environment: Mapping[str, str], epoch_ms: int) -> AsgiApp:
    without_timeout = {name: text for name, text in environment.items() if "timeout" not in name.casefold()}
    settings = Settings.from_environment(without_timeout, {"timeout_ms": f"{DEFAULT_TIMEOUT_MS}ms"})
    return create_app(settings, clock=LoopClock(epoch_ms), engine=_OriginalSample)


MUTANTS = (
    Mutant(
        "original-sample",
        ("B10", "B01", "B46", "B52", "B67"),
        "The published sample of 2018: it looks up and then starts, registers every waiter twice, reads its"
        " timeout under a misspelt name, and notifies without a key, so every operation times out.",
        "original-simple",
        _original_sample,
    ),
)
