"""Looking up names in a thread for each target."""

import asyncio
import socket
import threading
from typing import Any

import pytest

from fanin.aggregator.notify.name_lookup import LookupThread

FOUND = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 443))]

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class NameServer:
    """Responds when it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.queries = 0
        self.go = threading.Event()
        monkeypatch.setattr(socket, "getaddrinfo", self._getaddrinfo)

    def _getaddrinfo(self, host: str, *_: Any, **__: Any) -> Any:
        self.queries += 1
        self.go.wait(10)
        if host == "missing.example":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return FOUND


async def test_attempts_share_a_lookup(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred attempts need one thread, and one that is cancelled leaves the lookup to the others."""
    server, lookup = NameServer(monkeypatch), LookupThread()
    waiting = [asyncio.ensure_future(lookup("receiver.example", 443)) for _ in range(100)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    server.go.set()
    found = await asyncio.gather(*waiting, return_exceptions=True)

    assert isinstance(found[0], asyncio.CancelledError)
    assert found[1:] == [[("192.0.2.1", 443)]] * 99
    assert server.queries == 1


async def test_the_next_lookup_asks_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses change; a connection is kept, an address is not."""
    server, lookup = NameServer(monkeypatch), LookupThread()
    server.go.set()
    await lookup("receiver.example", 443)
    await lookup("receiver.example", 443)

    assert server.queries == 2


async def test_a_name_that_does_not_exist_fails_every_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the resolver's own words."""
    server, lookup = NameServer(monkeypatch), LookupThread()
    server.go.set()
    failures = await asyncio.gather(
        *(lookup("missing.example", 443) for _ in range(3)), return_exceptions=True
    )

    assert [str(failure) for failure in failures] == ["[Errno -2] Name or service not known"] * 3


async def test_no_host_at_all() -> None:
    """What Python cannot encode is an error like any other."""
    with pytest.raises(OSError, match="not a host"):
        await LookupThread()("a" * 64 + ".example", 443)
