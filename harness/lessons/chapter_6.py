"""Chapter 6: effectively once. An outcome has one key for all attempts, and is remembered for a week."""

import asyncio
import json
import time
from uuid import uuid4

from starlette.applications import Starlette

from fanin.harness.lessons.plumbing import Service, Webhook, serve
from fanin.harness.lessons.store import Store

TABLES = """
CREATE TABLE IF NOT EXISTS operation (key TEXT PRIMARY KEY, event TEXT, regions TEXT, deadline REAL,
    webhook_id TEXT, outcome TEXT, forget_at REAL);
CREATE TABLE IF NOT EXISTS arrival (key TEXT, region TEXT, PRIMARY KEY (key, region));
"""
UNSENT = "SELECT key FROM operation WHERE outcome IS NOT NULL AND forget_at IS NULL"
PAUSE_S_MAX, RETENTION_S = 60.0, 7 * 86_400.0


class EffectivelyOnce:
    """Keeps in SQLite all that an outcome depends on, from the first webhook until senders give up."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.store = Store(service.data_dir, TABLES)

    async def start(self) -> None:
        for waiting in self.store.all("SELECT key, deadline FROM operation WHERE outcome IS NULL"):
            self.service.spawn(self.expire(*waiting))
        for entry in self.store.all(UNSENT):
            self.service.spawn(self.notify(*entry))

    async def arrive(self, webhook: Webhook) -> None:
        key, now = webhook.operation, time.time()
        with self.store.transaction():
            if self.store.changed("DELETE FROM operation WHERE forget_at < ?", now):
                self.store.changed("DELETE FROM arrival WHERE key NOT IN (SELECT key FROM operation)")
            regions, deadline = json.dumps(sorted(self.service.regions)), now + self.service.timeout_s
            new = (key, json.dumps(webhook.event), regions, deadline, str(uuid4()))
            if self.store.changed("INSERT OR IGNORE INTO operation VALUES (?, ?, ?, ?, ?, NULL, NULL)", *new):
                self.service.spawn(self.expire(key, deadline))
            outcome, deadline = self.store.one("SELECT outcome, deadline FROM operation WHERE key = ?", key)
            if outcome is None and now < deadline and webhook.region in self.missing(key):
                self.store.changed("INSERT OR IGNORE INTO arrival VALUES (?, ?)", key, webhook.region)
            if not self.missing(key):
                self.decide(key, "completed")

    def waits_for(self, key: str, region: str) -> bool:
        waiting = self.store.all("SELECT key FROM operation WHERE key = ? AND outcome IS NULL", key)
        return bool(waiting) and region in self.missing(key)

    def arrived(self, key: str) -> set[str]:
        return {region for (region,) in self.store.all("SELECT region FROM arrival WHERE key = ?", key)}

    def missing(self, key: str) -> set[str]:
        (regions,) = self.store.one("SELECT regions FROM operation WHERE key = ?", key)
        return set(json.loads(regions)) - self.arrived(key)

    async def expire(self, key: str, deadline: float) -> None:
        await asyncio.sleep(max(0, deadline - time.time()))
        self.decide(key, "timed_out")

    def decide(self, key: str, outcome: str) -> None:
        decided = "UPDATE operation SET outcome = ? WHERE key = ? AND outcome IS NULL"
        if self.store.changed(decided, outcome, key):
            self.service.spawn(self.notify(key))

    async def notify(self, key: str) -> None:
        query = "SELECT webhook_id, event, outcome FROM operation WHERE key = ?"
        webhook_id, event, outcome = self.store.one(query, key)
        pause_s, content = 1.0, (json.loads(event), outcome, self.arrived(key), self.missing(key))
        while not await self.service.post(webhook_id, *content):
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, PAUSE_S_MAX)
        self.store.changed("UPDATE operation SET forget_at = ? WHERE key = ?", time.time() + RETENTION_S, key)


def create_app() -> Starlette:
    return serve(EffectivelyOnce)
