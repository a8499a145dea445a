"""Several processes on one store, which do not communicate."""

import asyncio
import sqlite3
import uuid
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import msgspec

from fanin.aggregator.clock import Clock
from fanin.aggregator.engine import Capabilities, OutboxPage, Page, Receipt
from fanin.aggregator.fanin import (
    ArrivalResult,
    Arrived,
    DeadlineReached,
    FanIn,
    Notification,
    Phase,
    Step,
    start,
    step,
)
from fanin.aggregator.http.app import create_app
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.notify.port import NotDeliveredError, Notifier
from fanin.aggregator.settings import Settings
from fanin.aggregator.wire import Arrival
from fanin.harness.capabilities import OptionalCapability
from fanin.harness.mutants.mutant import Healthy, Mutant
from fanin.harness.mutants.orchestration import OrchestrationEngine
from fanin.harness.mutants.wait import orchestrated
from fanin.harness.world.asgi import AsgiApp
from fanin.harness.world.target import AppFactory, LoopClock

FILE = "shared.db"
# How often each replica looks for what is due.
POLL_S = 0.25
# How long a claim on a notification lasts. After that, every replica may claim it.
LEASE_MS = 15_000
ATTEMPT_S = 10.0
RETRY_MS = 5_000
SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA busy_timeout = 5000;
CREATE TABLE IF NOT EXISTS operation (
    id TEXT PRIMARY KEY, deadline_ms INTEGER NOT NULL, waiting INTEGER NOT NULL, state TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS operation_waiting ON operation (deadline_ms) WHERE waiting;
CREATE TABLE IF NOT EXISTS outbox (
    key TEXT NOT NULL, target TEXT NOT NULL, notify TEXT NOT NULL, due_ms INTEGER NOT NULL,
    PRIMARY KEY (key, target)
);
"""


class Claim(NamedTuple):
    """A notification that this replica may send until the lease is over."""

    notification: Notification
    target: str
    until_ms: int


class SharedStoreEngine:
    """An engine (`fanin.aggregator.engine.Engine`) whose processes share one SQLite file, and nothing else.

    Every decision is one transaction that takes the write lock first, so the second process sees what the
    first one decided. A notification is sent by the process that claims it, in the same way; if that process
    dies before, another one claims it when the lease is over.
    """

    capabilities = Capabilities(survives_kill=True, exclusive=False, has_retention=False)

    def __init__(
        self, settings: Settings, clock: Clock, _metrics: Metrics, notifier: Notifier | None
    ) -> None:
        self._settings, self._clock, self._notifier = settings, clock, notifier
        self._woken = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    # --- the port ---

    async def open(self) -> None:
        self._settings.data_dir.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(self._settings.data_dir / FILE, isolation_level=None)
        self._db.executescript(SCHEMA)
        self.run_in_background(self._poll())

    async def close(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._db.close()

    async def deliver(self, arrival: Arrival) -> Receipt:
        now_ms = self._clock.now_ms()
        event = Arrived(arrival.region, now_ms)
        if arrival.event_id:
            renewal = self._settings.renewal(arrival.subject)
            event = Arrived(arrival.region, now_ms, arrival.event_id, renewal)
        with self._transaction():
            state = self._load(arrival.operation_id)
            result = step(state, event) if state else self._start(arrival, event)
            self._save(result)
        self._woken.set()
        self.on_decided(result.effects)
        return Receipt(result.state, result.result or ArrivalResult.COUNTED)

    async def inspect(self, operation_id: str) -> FanIn | None:
        return self._load(operation_id)

    async def instances(self, *, phase: Phase | None, after: str | None, limit: int) -> Page:  # noqa: ARG002
        rows = self._db.execute("SELECT state FROM operation LIMIT ?", (limit,)).fetchall()
        states = [msgspec.json.decode(state, type=FanIn) for (state,) in rows]
        return Page([it for it in states if phase in (None, it.phase)], None)

    async def latest(self, *, limit: int) -> list[FanIn]:  # noqa: ARG002
        return []

    async def outbox(self, *, dead: bool | None, after: str | None, limit: int) -> OutboxPage:  # noqa: ARG002
        return OutboxPage([], None)

    async def retry(self, *, target: str | None, operation: str | None) -> int:  # noqa: ARG002
        return 0

    async def check(self) -> None:
        return

    # --- what mutants override ---

    def on_decided(self, effects: Iterable[Notification]) -> None:
        """Called after decisions of this process. Nothing to do: the next poll finds the notifications."""

    def claims(self, now_ms: int) -> list[Claim]:
        """Claim the notifications that are due; no other process sends them while the lease lasts."""
        until_ms = now_ms + LEASE_MS
        with self._transaction():
            rows = self._db.execute(
                "UPDATE outbox SET due_ms = ? WHERE due_ms <= ? RETURNING notify, target", (until_ms, now_ms)
            ).fetchall()
        return [_claim(notification, target, until_ms) for notification, target in rows]

    def with_key(self, notification: Notification) -> Notification:
        """The notification as it is sent, under the key of the decision."""
        return notification

    def first_due_ms(self) -> int:
        """From when on a notification that is put into the outbox now may be claimed."""
        return self._clock.now_ms()

    # --- deciding ---

    def _start(self, arrival: Arrival, event: Arrived) -> Step:
        return start(
            arrival.operation_id,
            arrival.subject,
            event,
            expected=self._settings.regions,
            timeout_ms=self._settings.timeout_ms,
        )

    def _expire(self, now_ms: int) -> None:
        waiting = "FROM operation WHERE waiting AND deadline_ms <= ?"
        if not self._db.execute(f"SELECT 1 {waiting} LIMIT 1", (now_ms,)).fetchone():
            return
        with self._transaction():
            rows = self._db.execute(f"SELECT state {waiting}", (now_ms,)).fetchall()
            results = [
                step(msgspec.json.decode(state, type=FanIn), DeadlineReached(now_ms)) for (state,) in rows
            ]
            for result in results:
                self._save(result)
        for result in results:
            self.on_decided(result.effects)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _load(self, operation_id: str) -> FanIn | None:
        row = self._db.execute("SELECT state FROM operation WHERE id = ?", (operation_id,)).fetchone()
        return None if row is None else msgspec.json.decode(row[0], type=FanIn)

    def _save(self, result: Step) -> None:
        state = result.state
        row = (state.operation_id, state.deadline_ms, state.phase is Phase.WAITING, _text(state))
        self._db.execute("INSERT OR REPLACE INTO operation VALUES (?, ?, ?, ?)", row)
        for notification in result.effects:
            for target in self.targets_of(notification):
                entry = (notification.key, target, _text(notification), self.first_due_ms())
                self._db.execute("INSERT INTO outbox VALUES (?, ?, ?, ?)", entry)

    def targets_of(self, notification: Notification) -> Iterable[str]:
        """The targets of a notification."""
        return (
            self._notifier.targets_for(notification.outcome, notification.subject) if self._notifier else ()
        )

    # --- sending ---

    async def _poll(self) -> None:
        while True:
            self._woken.clear()
            now_ms = self._clock.now_ms()
            with suppress(sqlite3.OperationalError):  # locked for long; the next poll will do
                self._expire(now_ms)
                for claim in self.claims(now_ms):
                    self.run_in_background(self.send(claim))
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._woken.wait()

    async def send(self, claim: Claim) -> None:
        """Make one attempt at a claimed notification."""
        if self._notifier is None or self._clock.now_ms() >= claim.until_ms:
            return  # the process stood still, and another one may have claimed it
        row = (claim.notification.key, claim.target)
        try:
            async with asyncio.timeout(ATTEMPT_S):
                await self._notifier.send(claim.target, self.with_key(claim.notification))
        except (NotDeliveredError, TimeoutError):
            retry_ms = self._clock.now_ms() + RETRY_MS
            self._db.execute("UPDATE outbox SET due_ms = ? WHERE key = ? AND target = ?", (retry_ms, *row))
        else:
            self._db.execute("DELETE FROM outbox WHERE key = ? AND target = ?", row)

    def run_in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine until it ends or the process does."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _claim(notification: str, target: str, until_ms: int) -> Claim:
    return Claim(msgspec.json.decode(notification, type=Notification), target, until_ms)


def _text(value: FanIn | Notification) -> str:
    return msgspec.json.encode(value).decode()


class _NotifiesWithoutClaiming(SharedStoreEngine):
    """Reads what is due, sends it and deletes it, as the other replica does."""

    def claims(self, now_ms: int) -> list[Claim]:
        due = self._db.execute("SELECT notify, target FROM outbox WHERE due_ms <= ?", (now_ms,))
        return [_claim(notification, target, now_ms + LEASE_MS) for notification, target in due.fetchall()]


class _ZombieNotifies(SharedStoreEngine):
    """Sends its own decisions from memory, without a look at leases, under a key of its own."""

    def on_decided(self, effects: Iterable[Notification]) -> None:
        for notification in effects:
            for target in self.targets_of(notification):
                self.run_in_background(self.send(Claim(notification, target, 1 << 62)))

    def first_due_ms(self) -> int:
        return self._clock.now_ms() + LEASE_MS

    def with_key(self, notification: Notification) -> Notification:
        return msgspec.structs.replace(notification, key=uuid.uuid4().hex)


def with_shared_store(engine: type[SharedStoreEngine]) -> AppFactory:
    """Replicas that are applications with an engine each, on one store."""

    def factory(environment: Mapping[str, str], epoch_ms: int) -> AsgiApp:
        return create_app(Settings.from_environment(environment), clock=LoopClock(epoch_ms), engine=engine)

    return factory


REPLICAS: frozenset[OptionalCapability] = frozenset({"replicas"})
MUTANTS = (
    Mutant(
        "notifies-without-claiming",
        ("B43b", "B54"),
        "Has replicas that send what is due without claiming it first, so each of them sends it.",
        "two-replicas",
        with_shared_store(_NotifiesWithoutClaiming),
        capabilities=REPLICAS,
    ),
    Mutant(
        "zombie-notifies",
        ("B53", "B56"),
        "Sends its own decisions from memory, under a key of its own and without a look at its lease, so a"
        " replica that was paused sends again what another one has sent long ago.",
        "zombie",
        with_shared_store(_ZombieNotifies),
        capabilities=REPLICAS,
    ),
    Mutant(
        "counts-per-replica",
        ("B16", "B26"),
        "Counts in the memory of each replica, so no replica has all regions, and each times out.",
        "two-replicas",
        orchestrated(OrchestrationEngine),
        capabilities=REPLICAS,
    ),
)
HEALTHY = (
    Healthy(
        "shared-store",
        "Replicas that share one SQLite file: each decides what it finds first, and the replica that claims a"
        " notification sends it; when it dies, another one claims it.",
        with_shared_store(SharedStoreEngine),
        capabilities=REPLICAS,
    ),
)
