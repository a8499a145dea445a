"""Chapter 2: a set. A region counts once, however often it reports, and an outcome is decided once."""

import asyncio
from uuid import uuid4

from starlette.applications import Starlette

from fanin.harness.lessons.plumbing import Service, Webhook, serve


class Regions:
    """Keeps the set of regions that have reported, for each operation."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.arrived: dict[str, set[str]] = {}
        self.outcomes: dict[str, str] = {}

    async def start(self) -> None:
        """Nothing is left of an earlier process."""

    async def arrive(self, webhook: Webhook) -> None:
        if webhook.operation not in self.arrived:
            self.arrived[webhook.operation] = set()
            self.service.spawn(self.expire(webhook))
        if webhook.operation not in self.outcomes:
            self.arrived[webhook.operation].add(webhook.region)
            if self.arrived[webhook.operation] == self.service.regions:
                self.decide(webhook, "completed")

    async def expire(self, webhook: Webhook) -> None:
        await asyncio.sleep(self.service.timeout_s)
        self.decide(webhook, "timed_out")

    def decide(self, webhook: Webhook, outcome: str) -> None:
        if webhook.operation not in self.outcomes:
            self.outcomes[webhook.operation] = outcome
            self.service.spawn(self.notify(webhook, outcome))

    async def notify(self, webhook: Webhook, outcome: str) -> None:
        arrived = self.arrived[webhook.operation]
        missing = self.service.regions - arrived
        await self.service.post(str(uuid4()), webhook.event, outcome, arrived, missing)


def create_app() -> Starlette:
    return serve(Regions)
