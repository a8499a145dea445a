"""Async tests run on asyncio: the engine and the notifier are written for it alone."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
