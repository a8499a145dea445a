"""One push in two regions, and what faults make of its deliveries."""

from fanin.simulator.fake_acr import Delivery, FakeRegistry, UnsentDelivery
from fanin.simulator.faults.fault import Fault
from fanin.simulator.language.scenario import Operation, Scenario, Webhook
from fanin.simulator.shapes import Delay
from fanin.simulator.wire import Action

EAST, WEST = "eastus", "westus"


def deliveries(
    *faults: Fault,
    seed: int = 1,
    repeat: int = 1,
    action: Action = "push",
    key: str = "",
    webhooks: dict[str, Webhook] | None = None,
) -> tuple[list[Delivery], list[UnsentDelivery]]:
    """What becomes of a push at 0 s, its ``repeat`` copies 10 s apart, whose webhooks are due at once."""
    operation = Operation(name="op", action=action, id="id-{n}", repeat=repeat, every=10_000)
    scenario = Scenario(
        scenario="s",
        title="t",
        regions=(EAST, WEST),
        key=key,
        webhooks=webhooks or {},
        replication={EAST: Delay(fixed=0), WEST: Delay(fixed=0)},
        operations=(operation,),
        faults=faults,
    )
    happened = list(FakeRegistry(scenario, seed=seed, epoch_ms=0).occurrences())
    return [it for one in happened for it in one.deliveries], [it for one in happened for it in one.unsent]


def in_east(*faults: Fault, action: Action = "push", key: str = "", uri: str = "") -> list[Delivery]:
    """What eastus sends, by copy."""
    webhooks = {EAST: Webhook(uri=uri)} if uri else None
    sent, _ = deliveries(*faults, action=action, key=key, webhooks=webhooks)
    return sorted((it for it in sent if it.region == EAST), key=lambda it: it.copy)


SOUND = in_east()[0]
