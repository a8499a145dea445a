"""Chapter 5: an outbox. The decision and the intention to report it are one row, which waits for the sink."""

import asyncio
import json
import time
from uuid import uuid4

from starlette.applications import Starlette

from fanin.harness.lessons.plumbing import Service, Webhook, serve
from fanin.harness.lessons.store import Store

TABLES = """
CREATE TABLE IF NOT EXISTS operation (key TEXT PRIMARY KEY, event TEXT, deadline REAL,
    outcome TEXT, accepted INTEGER);
CREATE TABLE IF NOT EXISTS arrival (key TEXT, region TEXT, PRIMARY KEY (key, region));
"""
UNSENT = "SELECT key, outcome FROM operation WHERE outcome IS NOT NULL AND NOT accepted"
PAUSE_S_MAX = 60.0


class Outbox:
    """Keeps in SQLite what has arrived, until when, and what the sink has not accepted yet."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.store = Store(service.data_dir, TABLES)

    async def start(self) -> None:
        for waiting in self.store.all("SELECT key, deadline FROM operation WHERE outcome IS NULL"):
            self.service.spawn(self.expire(*waiting))
        for entry in self.store.all(UNSENT):
            self.service.spawn(self.notify(*entry))

    async def arrive(self, webhook: Webhook) -> None:
        key = webhook.operation
        with self.store.transaction():
            deadline = time.time() + self.service.timeout_s
            new = (key, json.dumps(webhook.event), deadline)
            if self.store.changed("INSERT OR IGNORE INTO operation VALUES (?, ?, ?, NULL, 0)", *new):
                self.service.spawn(self.expire(key, deadline))
            if self.is_waiting(key):
                self.store.changed("INSERT OR IGNORE INTO arrival VALUES (?, ?)", key, webhook.region)
            if self.arrived(key) == self.service.regions:
                self.decide(key, "completed")

    def arrived(self, key: str) -> set[str]:
        return {region for (region,) in self.store.all("SELECT region FROM arrival WHERE key = ?", key)}

    def is_waiting(self, key: str) -> bool:
        outcome, deadline = self.store.one("SELECT outcome, deadline FROM operation WHERE key = ?", key)
        return outcome is None and time.time() < deadline

    async def expire(self, key: str, deadline: float) -> None:
        await asyncio.sleep(max(0, deadline - time.time()))
        self.decide(key, "timed_out")

    def decide(self, key: str, outcome: str) -> None:
        decided = "UPDATE operation SET outcome = ? WHERE key = ? AND outcome IS NULL"
        if self.store.changed(decided, outcome, key):
            self.service.spawn(self.notify(key, outcome))

    async def notify(self, key: str, outcome: str) -> None:
        (event,) = self.store.one("SELECT event FROM operation WHERE key = ?", key)
        arrived = self.arrived(key)
        missing = self.service.regions - arrived
        pause_s = 1.0
        while not await self.service.post(str(uuid4()), json.loads(event), outcome, arrived, missing):
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, PAUSE_S_MAX)
        self.store.changed("UPDATE operation SET accepted = 1 WHERE key = ?", key)


def create_app() -> Starlette:
    return serve(Outbox)
