"""HTTP to a Restate server: requests go to the first of its nodes that can be reached.

A call is held open until the server responds, so there are as many connections as calls under way, up to a
limit; further calls wait in line.
"""

import os
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import aiohttp
from yarl import URL

from fanin.aggregator.notify.address import Address

# A request for a connection that the system drops is repeated after 1 and 3 s: long enough for both.
CONNECT_S = 3.5
# How many calls are under way at once. The system drops requests for connections when more arrive together
# than the server's queue for them holds, which is 128; its limit of open ones is 1,000 for each node.
CONNECTIONS_MAX = 100
_JSON = {"content-type": "application/json", "accept": "application/json"}


class ServerResponse(NamedTuple):
    """A response as a whole."""

    status: int
    body: bytes


class UnreachableError(Exception):
    """Nothing was sent: there is no connection."""


class NoResponseError(Exception):
    """The request was sent, and whether it was carried out is unknown."""


class RestateClient:
    """Requests to a server of several nodes: to the first that can be reached, and then to that one."""

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._addresses = deque(addresses)  # the one in use first
        self._session: aiohttp.ClientSession | None = None  # opened by the first request

    async def post(self, path: str, body: bytes) -> ServerResponse:
        """Send JSON and wait for the whole response; the caller limits how long.

        Raises:
            UnreachableError: nothing was sent.
            NoResponseError: it was sent, and there is no response that can be read.
        """
        return await self._request("POST", path, body)

    async def get(self, path: str) -> ServerResponse:
        """Get a resource.

        Raises:
            UnreachableError, NoResponseError: as `post`.
        """
        return await self._request("GET", path, None)

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def _request(self, method: str, path: str, body: bytes | None) -> ServerResponse:
        if self._session is None:
            self._session = _session()
        failures = []
        for address in tuple(self._addresses):
            try:
                return await _exchange(self._session, address, method, path, body)
            except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as exc:
                failures.append(f"{address.host_header}: {_reason(exc)}")
                if self._addresses[0] is address:
                    self._addresses.rotate(-1)
            except (aiohttp.ClientError, OSError) as exc:
                raise NoResponseError(str(exc) or type(exc).__name__) from exc
        raise UnreachableError(f"no connection to {'; '.join(failures)}")


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=_JSON,
        skip_auto_headers=("accept-encoding", "user-agent"),
    )


async def _exchange(
    session: aiohttp.ClientSession, address: Address, method: str, path: str, body: bytes | None
) -> ServerResponse:
    scheme = "https" if address.tls else "http"
    # Paths are percent-encoded already, and keys may have any character.
    url = URL(f"{scheme}://{address.host_header}{address.path.rstrip('/')}{path}", encoded=True)
    headers = {"authorization": address.authorization} if address.authorization else None
    async with session.request(method, url, data=body, headers=headers, allow_redirects=False) as response:
        return ServerResponse(response.status, await response.read())


def _reason(exc: aiohttp.ClientError) -> str:
    if not isinstance(exc, aiohttp.ClientConnectorError):
        return "no connection in time"
    # Names that cannot be resolved have negative numbers, which only their own text explains.
    error = exc.os_error
    return os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
