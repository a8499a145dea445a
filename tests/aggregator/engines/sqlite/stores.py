"""Folders of a service with operations in them, and an engine whose connection can be made to fail."""

import sqlite3
from pathlib import Path

from fanin.aggregator.engines.sqlite.engine import SqliteEngine
from fanin.aggregator.engines.sqlite.file import FILE
from fanin.aggregator.engines.sqlite.store import Store
from fanin.aggregator.fanin import Arrived, FanIn, Phase, Subject, start
from tests.conformance.worlds import World


def waiting(name: str, at_ms: int = 1_000) -> FanIn:
    """An operation in which one of two regions has arrived."""
    subject = Subject(action="push", repository="team/app", tag="x" * 200)
    return start(
        name, subject, Arrived("eastus", at_ms), expected=("eastus", "westus"), timeout_ms=60_000
    ).state


def filled(folder: Path, count: int = 2_000) -> Path:
    """A folder with a service's file, stopped in order."""
    store = Store(folder)
    add(store, *(f"op-{n}" for n in range(count)))
    store.close()
    return folder / FILE


def add(store: Store, *names: str) -> None:
    store.begin()
    store.insert(waiting(name) for name in names)
    store.commit()


def names(folder: Path) -> set[str]:
    store = Store(folder)
    found = {state.operation_id for state in store.page(Phase.WAITING, None, 10_000).states}
    store.close()
    return found


async def started(world: World) -> tuple[SqliteEngine, sqlite3.Connection]:
    """The engine with the connection inside it, to make it fail for real."""
    engine = await world.start()
    assert isinstance(engine, SqliteEngine)
    return engine, engine._store._db
