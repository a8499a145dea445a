"""A mutant behaves wrongly; it does not crash."""

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def no_crash(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """An exception that the aggregator logs is not the bug that a mutant is about."""
    yield
    assert [it.getMessage() for it in caplog.get_records("call") if it.exc_info] == []
