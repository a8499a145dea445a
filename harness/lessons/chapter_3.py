"""Chapter 3: a durable set. What was acknowledged is in a file, where a crash finds it."""

import asyncio
import json
from uuid import uuid4

from starlette.applications import Starlette

from fanin.harness.lessons.plumbing import Service, Webhook, serve
from fanin.harness.lessons.store import Store

TABLES = """
CREATE TABLE IF NOT EXISTS operation (key TEXT PRIMARY KEY, event TEXT, outcome TEXT);
CREATE TABLE IF NOT EXISTS arrival (key TEXT, region TEXT, PRIMARY KEY (key, region));
"""


class DurableRegions:
    """Keeps the set of each operation in SQLite."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.store = Store(service.data_dir, TABLES)

    async def start(self) -> None:
        for (key,) in self.store.all("SELECT key FROM operation WHERE outcome IS NULL"):
            self.service.spawn(self.expire(key))

    async def arrive(self, webhook: Webhook) -> None:
        key = webhook.operation
        with self.store.transaction():
            new = (key, json.dumps(webhook.event))
            if self.store.changed("INSERT OR IGNORE INTO operation (key, event) VALUES (?, ?)", *new):
                self.service.spawn(self.expire(key))
            if self.store.one("SELECT outcome FROM operation WHERE key = ?", key) == (None,):
                self.store.changed("INSERT OR IGNORE INTO arrival VALUES (?, ?)", key, webhook.region)
            if self.arrived(key) == self.service.regions:
                self.decide(key, "completed")

    def arrived(self, key: str) -> set[str]:
        return {region for (region,) in self.store.all("SELECT region FROM arrival WHERE key = ?", key)}

    async def expire(self, key: str) -> None:
        await asyncio.sleep(self.service.timeout_s)
        self.decide(key, "timed_out")

    def decide(self, key: str, outcome: str) -> None:
        decided = "UPDATE operation SET outcome = ? WHERE key = ? AND outcome IS NULL"
        if self.store.changed(decided, outcome, key):
            self.service.spawn(self.notify(key, outcome))

    async def notify(self, key: str, outcome: str) -> None:
        (event,) = self.store.one("SELECT event FROM operation WHERE key = ?", key)
        arrived = self.arrived(key)
        missing = self.service.regions - arrived
        await self.service.post(str(uuid4()), json.loads(event), outcome, arrived, missing)


def create_app() -> Starlette:
    return serve(DurableRegions)
