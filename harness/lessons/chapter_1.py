"""Chapter 1: count. When as many webhooks have come as there are regions, all regions have the image."""

import asyncio
from uuid import uuid4

from starlette.applications import Starlette

from fanin.harness.lessons.plumbing import Service, Webhook, serve


class Counter:
    """Counts the webhooks of each operation."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.arrived: dict[str, list[str]] = {}

    async def start(self) -> None:
        """Nothing is left of an earlier process."""

    async def arrive(self, webhook: Webhook) -> None:
        if webhook.operation not in self.arrived:
            self.arrived[webhook.operation] = []
            self.service.spawn(self.expire(webhook))
        if not self.is_complete(webhook.operation):
            self.arrived[webhook.operation].append(webhook.region)
            if self.is_complete(webhook.operation):
                self.service.spawn(self.notify(webhook, "completed"))

    def is_complete(self, operation: str) -> bool:
        return len(self.arrived[operation]) >= len(self.service.regions)

    async def expire(self, webhook: Webhook) -> None:
        await asyncio.sleep(self.service.timeout_s)
        if not self.is_complete(webhook.operation):
            await self.notify(webhook, "timed_out")

    async def notify(self, webhook: Webhook, outcome: str) -> None:
        arrived = self.arrived[webhook.operation]
        missing = self.service.regions - set(arrived)
        await self.service.post(str(uuid4()), webhook.event, outcome, arrived, missing)


def create_app() -> Starlette:
    return serve(Counter)
