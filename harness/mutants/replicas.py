"""Processes on one store that do not know of each other."""

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
from fanin.harness.mutants.orchestration import Orchestrations
from fanin.harness.mutants.wait import orchestrated
from fanin.harness.world.asgi import AsgiApp
from fanin.harness.world.target import AppFactory, LoopClock

FILE = "shared.db"
# How often each replica looks for what is due, whoever noted it.
LOOK_S = 0.25
# Whoever claims a notification has so long to tell it. Then it is anybody's again.
LEASE_MS = 15_000
ATTEMPT_S = 10.0
AGAIN_MS = 5_000
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
    """A notification that is ours to tell, until its lease is over."""

    notify: Notification
    target: str
    until_ms: int


class SharedEngine:
    """An engine (`fanin.aggregator.engine.Engine`) whose processes share one SQLite file, and nothing else.

    Every decision is one transaction that takes the write lock first, so whoever comes second sees what the
    first one decided. A notification is told by whoever claims it, in the same way; what its claimant does
    not live to tell is claimed by another one when the lease is over.
    """

    capabilities = Capabilities(survives_kill=True, exclusive=False, has_retention=False)

    def __init__(
        self, settings: Settings, clock: Clock, _metrics: Metrics, notifier: Notifier | None
    ) -> None:
        self._settings, self._clock, self._notifier = settings, clock, notifier
        self._look = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    # --- the port ---

    async def open(self) -> None:
        self._settings.data_dir.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(self._settings.data_dir / FILE, isolation_level=None)
        self._db.executescript(SCHEMA)
        self.spawn(self._watch())

    async def close(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._db.close()

    async def deliver(self, arrival: Arrival) -> Receipt:
        now_ms = self._clock.now_ms()
        event = Arrived(arrival.region, now_ms)
        with self._transaction():
            state = self._load(arrival.operation_id)
            result = step(state, event) if state else self._start(arrival, event)
            self._save(result)
        self._look.set()
        self.decided(result.effects)
        return Receipt(result.state, result.result or ArrivalResult.COUNTED)

    async def inspect(self, operation_id: str) -> FanIn | None:
        return self._load(operation_id)

    async def instances(self, *, phase: Phase | None, after: str | None, limit: int) -> Page:  # noqa: ARG002
        rows = self._db.execute("SELECT state FROM operation LIMIT ?", (limit,)).fetchall()
        states = [msgspec.json.decode(state, type=FanIn) for (state,) in rows]
        return Page([it for it in states if phase in (None, it.phase)], None)

    async def outbox(self, *, dead: bool | None, after: str | None, limit: int) -> OutboxPage:  # noqa: ARG002
        return OutboxPage([], None)

    async def retry(self, *, target: str | None, operation: str | None) -> int:  # noqa: ARG002
        return 0

    async def check(self) -> None:
        return

    # --- what a bug does otherwise ---

    def decided(self, effects: Iterable[Notification]) -> None:
        """We have decided something. Whoever looks next will tell it."""

    def claims(self, now_ms: int) -> list[Claim]:
        """What is to be told now, ours alone for as long as the lease lasts."""
        until_ms = now_ms + LEASE_MS
        with self._transaction():
            rows = self._db.execute(
                "UPDATE outbox SET due_ms = ? WHERE due_ms <= ? RETURNING notify, target", (until_ms, now_ms)
            ).fetchall()
        return [_claim(notify, target, until_ms) for notify, target in rows]

    def signed(self, notify: Notification) -> Notification:
        """What is told under which key: the one that belongs to the decision."""
        return notify

    def first_due_ms(self) -> int:
        """From when on anybody may claim a notification that is put into the outbox now."""
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
            self.decided(result.effects)

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
        for notify in result.effects:
            for target in self.targets(notify):
                told = (notify.key, target, _text(notify), self.first_due_ms())
                self._db.execute("INSERT INTO outbox VALUES (?, ?, ?, ?)", told)

    def targets(self, notify: Notification) -> Iterable[str]:
        """Who is to hear of it."""
        return self._notifier.targets_for(notify.outcome) if self._notifier else ()

    # --- telling ---

    async def _watch(self) -> None:
        while True:
            self._look.clear()
            now_ms = self._clock.now_ms()
            with suppress(sqlite3.OperationalError):  # locked for long; the next look will do
                self._expire(now_ms)
                for claim in self.claims(now_ms):
                    self.spawn(self.tell(claim))
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._look.wait()

    async def tell(self, claim: Claim) -> None:
        """One attempt at what we have claimed."""
        if self._notifier is None or self._clock.now_ms() >= claim.until_ms:
            return  # we were stopped, and it is somebody else's by now
        row = (claim.notify.key, claim.target)
        try:
            async with asyncio.timeout(ATTEMPT_S):
                await self._notifier.send(claim.target, self.signed(claim.notify))
        except (NotDeliveredError, TimeoutError):
            again_ms = self._clock.now_ms() + AGAIN_MS
            self._db.execute("UPDATE outbox SET due_ms = ? WHERE key = ? AND target = ?", (again_ms, *row))
        else:
            self._db.execute("DELETE FROM outbox WHERE key = ? AND target = ?", row)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something for as long as this process lives."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _claim(notify: str, target: str, until_ms: int) -> Claim:
    return Claim(msgspec.json.decode(notify, type=Notification), target, until_ms)


def _text(value: FanIn | Notification) -> str:
    return msgspec.json.encode(value).decode()


class _ClaimsNothing(SharedEngine):
    """Looks what is to be told, tells it, and crosses it out. So does the other one."""

    def claims(self, now_ms: int) -> list[Claim]:
        due = self._db.execute("SELECT notify, target FROM outbox WHERE due_ms <= ?", (now_ms,))
        return [_claim(notify, target, now_ms + LEASE_MS) for notify, target in due.fetchall()]


class _TellsFromMemory(SharedEngine):
    """Tells what it decided from memory, and looks at no lease; the key is drawn by whoever tells."""

    def decided(self, effects: Iterable[Notification]) -> None:
        for notify in effects:
            for target in self.targets(notify):
                self.spawn(self.tell(Claim(notify, target, 1 << 62)))

    def first_due_ms(self) -> int:
        return self._clock.now_ms() + LEASE_MS

    def signed(self, notify: Notification) -> Notification:
        return msgspec.structs.replace(notify, key=uuid.uuid4().hex)


def shared(engine: type[SharedEngine]) -> AppFactory:
    """Every replica is an application with an engine of its own."""

    def build(environment: Mapping[str, str], epoch_ms: int) -> AsgiApp:
        return create_app(Settings.from_environment(environment), clock=LoopClock(epoch_ms), engine=engine)

    return build


REPLICAS: frozenset[OptionalCapability] = frozenset({"replicas"})
HEALTHY = (
    Healthy(
        "shared-store",
        "Replicas that share one SQLite file: whoever looks first decides, and whoever claims a notification"
        " tells it; what a claimant leaves behind is claimed by another.",
        shared(SharedEngine),
        capabilities=REPLICAS,
    ),
)
MUTANTS = (
    Mutant(
        "notifies-without-claiming",
        ("B43b", "B54"),
        "Replicas look what is to be told and tell it without claiming it first, so each of them tells.",
        "two-replicas",
        shared(_ClaimsNothing),
        capabilities=REPLICAS,
    ),
    Mutant(
        "zombie-notifies",
        ("B53", "B56"),
        "Tells what it decided from memory, under a key of its own and without a look at its lease, so one"
        " that was stopped in between tells again what another has told long ago.",
        "zombie",
        shared(_TellsFromMemory),
        capabilities=REPLICAS,
    ),
    Mutant(
        "counts-per-replica",
        ("B16", "B26"),
        "Every replica counts in its own memory, so none of them ever has all regions, and each times out.",
        "two-replicas",
        orchestrated(Orchestrations),
        capabilities=REPLICAS,
    ),
)
