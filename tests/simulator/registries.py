"""A registry with three regions, played to its end."""

import json
from typing import Any, Literal

from fanin.simulator.fake_acr import FakeRegistry, Occurrence
from fanin.simulator.faults.fault import Fault
from fanin.simulator.language.scenario import Operation, Scenario, Webhook
from fanin.simulator.shapes import Delay

NORTH, WEST, EAST = REGIONS = ("northeurope", "westeurope", "eastus")
EPOCH_MS = 1_772_600_767_000  # 2026-03-04T05:06:07Z
PUSH = Operation(name="push")


def played(
    *operations: Operation,
    seed: int = 1,
    regions: tuple[str, ...] = REGIONS,
    ids: Literal["same", "distinct"] = "same",
    webhooks: dict[str, Webhook] | None = None,
    replication: dict[str, Delay] | None = None,
    faults: tuple[Fault, ...] = (),
) -> list[Occurrence]:
    """Everything that happens in a registry with three regions."""
    scenario = Scenario(
        scenario="s",
        title="t",
        regions=regions,
        ids=ids,
        webhooks=webhooks or {},
        replication=replication or {},
        operations=operations,
        faults=faults,
    )
    return list(FakeRegistry(scenario, seed=seed, epoch_ms=EPOCH_MS).occurrences())


def due(occurrence: Occurrence) -> dict[str, int]:
    """When each region's webhook is due."""
    return {it.region: it.due_ms for it in occurrence.deliveries}


def bodies(occurrence: Occurrence) -> list[dict[str, Any]]:
    """The payloads in the order they are due."""
    return [json.loads(it.request.body) for it in occurrence.deliveries]
