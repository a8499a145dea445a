"""The queue of a target's new notifications: each row once, in order, brought by a commit or read."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanin.aggregator.engines.sqlite.outbox_port import AttemptResult, OutboxRow
from fanin.aggregator.engines.sqlite.unattempted import CHUNK, KEPT_MAX, UnattemptedRows
from fanin.aggregator.fanin import Notification, Phase, Subject

NOTIFICATION = Notification(
    key="k", operation_id="op", outcome=Phase.COMPLETED, subject=Subject(action="push"), arrived=(),
    missing=(), started_ms=0, deadline_ms=0, decided_ms=0,
)  # fmt: skip


class Table:
    """An outbox of which only new rows are read."""

    def __init__(self) -> None:
        self.rows: list[OutboxRow] = []
        self.newest = 0
        self.reads = 0
        self.between: Callable[[], object] = lambda: None  # called between two statements of a read

    def commit(self, count: int = 1) -> list[OutboxRow]:
        """Add rows, as a transaction does."""
        added = [OutboxRow(self.newest + n, NOTIFICATION) for n in range(1, count + 1)]
        self.rows += added
        self.newest += count
        return added

    def newest_number(self) -> int:
        newest = self.newest
        self.between()
        return newest

    def unattempted(self, *, target: str, after: int, limit: int) -> list[OutboxRow]:
        assert target == "t"
        self.reads += 1
        found = [row for row in self.rows if row.n > after][:limit]
        self.between()
        return found

    def due_retries(self, *, target: str, now_ms: int, limit: int) -> list[OutboxRow]:
        raise NotImplementedError

    def next_retry_ms(self, *, target: str, now_ms: int) -> int | None:
        raise NotImplementedError

    async def record(self, results: Sequence[AttemptResult]) -> None:
        raise NotImplementedError


@pytest.fixture
def table() -> Table:
    return Table()


def taken(queue: UnattemptedRows) -> list[int]:
    """The numbers of all rows that it has now."""
    numbers: list[int] = []
    while True:
        if not queue:
            queue.read()
        if not queue:
            return numbers
        numbers.append(queue.take().n)


def test_what_commits_bring_is_not_read(table: Table) -> None:
    """Reading and decoding what has just been written is work for nothing."""
    queue = UnattemptedRows(table, "t")
    queue.read()
    for _ in range(3):
        queue.add(table.commit(2))

    assert taken(queue) == [1, 2, 3, 4, 5, 6]
    assert table.reads == 1


def test_what_was_there_before_is_read_first(table: Table) -> None:
    """A commit's rows must not overtake those of the process before."""
    table.commit(CHUNK + 1)
    queue = UnattemptedRows(table, "t")
    queue.add(table.commit())
    queue.read()
    queue.add(table.commit())

    assert taken(queue) == list(range(1, CHUNK + 4))


def test_more_than_it_keeps_is_read_later(table: Table) -> None:
    """A target that is down must not fill the memory."""
    queue = UnattemptedRows(table, "t")
    queue.read()
    for _ in range(KEPT_MAX):
        queue.add(table.commit(3))

    assert len(queue._rows) <= KEPT_MAX
    assert taken(queue) == list(range(1, 3 * KEPT_MAX + 1))


def test_a_row_that_is_committed_between_two_statements_is_found(table: Table) -> None:
    """The commit is another thread's; the row is found whether the reading sees it or not."""
    queue = UnattemptedRows(table, "t")
    brought: list[list[OutboxRow]] = []
    table.between = lambda: brought.append(table.commit())
    queue.read()
    table.between = lambda: None
    for rows in brought:
        queue.add(rows)

    assert taken(queue) == [1, 2]


def test_rows_that_may_have_changed_are_read_again(table: Table) -> None:
    """One that is discarded while it waits is not sent."""
    queue = UnattemptedRows(table, "t")
    queue.read()
    queue.add(table.commit(3))
    assert queue.take().n == 1
    del table.rows[1]
    queue.forget()

    assert taken(queue) == [3]


STEPS = st.sampled_from(["commit", "announce", "read", "take", "look", "forget"])


@given(st.lists(st.tuples(STEPS, st.integers(1, 80)), max_size=60))
def test_each_row_is_taken_once_and_in_order(steps: list[tuple[str, int]]) -> None:
    """Whenever commits are seen, announced, and read."""
    table = Table()
    queue = UnattemptedRows(table, "t")
    numbers: list[int] = []
    unannounced: list[list[OutboxRow]] = []
    for step, count in steps:
        if step == "commit":
            unannounced.append(table.commit(count))
        elif step == "announce" and unannounced:
            queue.add(unannounced.pop(0))
        elif step == "take" and queue:
            numbers.append(queue.take().n)
        elif step == "read" and not queue:
            queue.read()
        elif step == "look":
            queue.look()
        elif step == "forget":
            queue.forget()
    for rows in unannounced:
        queue.add(rows)

    assert numbers + taken(queue) == list(range(1, table.newest + 1))
