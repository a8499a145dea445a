"""Opens connections to one target: look-up, TCP, a proxy's tunnel, TLS.

Over ``http`` a proxy is sent the request itself; over ``https`` it is asked for a tunnel (CONNECT, RFC 9110,
section 9.3.6), in which TLS is spoken with the target. The proxy may itself be spoken to over TLS.
"""

import asyncio
import os
import ssl
from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, cast

from fanin.aggregator.notify.address import Address
from fanin.aggregator.notify.connection import Connection, ConnectionFailedError
from fanin.aggregator.notify.happy_eyeballs import connect_first, in_order
from fanin.aggregator.notify.name_lookup import NameLookup, SocketAddress
from fanin.aggregator.notify.progress import AttemptPhase, AttemptProgress
from fanin.aggregator.notify.trust import TlsContexts, TlsFiles

# How many addresses of a host are tried. With a quarter of a second between them, the last one has its turn
# after four seconds.
ADDRESSES_MAX = 16
# How long TLS with one address may take, with the tunnel, while there are others left.
HANDSHAKE_S = 5.0


class Connector:
    """Opens connections to a target, directly or by way of its proxy."""

    def __init__(
        self,
        address: Address,
        lookup: NameLookup,
        *,
        proxy: Address | None = None,
        tls_files: TlsFiles | None = None,
    ) -> None:
        """Read the certificates.

        Raises:
            ValueError: they cannot be read.
        """
        self._address, self._lookup, self._proxy = address, lookup, proxy
        self._tls = TlsContexts(tls_files or TlsFiles()) if address.tls else None
        self._proxy_tls = _proxy_context(tls_files) if proxy is not None and proxy.tls else None
        self._preferred: SocketAddress | None = None  # that accepted last
        self._avoided: set[SocketAddress] = set()  # those that accepted, and then gave no response

    async def connect(self, progress: AttemptProgress) -> Connection:
        """Open a connection.

        Raises:
            OSError: there is no connection.
            ConnectionFailedError: the proxy makes none.
        """
        peer = self._proxy or self._address
        found = list(dict.fromkeys(await self._lookup(peer.host, peer.port)))
        self._avoided.intersection_update(found)
        left = in_order(found, preferred=self._preferred, avoided=self._avoided)[:ADDRESSES_MAX]
        failure: OSError | ConnectionFailedError = OSError(f"{peer.host} has no address")
        while left:
            progress.phase = AttemptPhase.CONNECT
            try:
                address, transport = await connect_first(left, _open)
            except OSError as exc:
                raise _of_all(exc, found) from exc
            left.remove(address)
            self._avoided.add(address)  # unless it gets further, in the time that there is
            try:
                async with asyncio.timeout(HANDSHAKE_S if left else None):
                    connection = await self._handshakes(transport, progress)
            except (OSError, ConnectionFailedError) as exc:
                failure = exc
            else:
                self._avoided.discard(address)
                self._preferred = address
                connection.on_failure = partial(self._avoided.add, address)
                return connection
        raise failure

    async def _handshakes(self, transport: asyncio.Transport, progress: AttemptProgress) -> Connection:
        """Everything between TCP and the request."""
        protocol = transport.get_protocol()
        if protocol is None:  # the peer has closed the connection already
            raise ConnectionFailedError("connection reset before a response")
        connection = cast("Connection", protocol)
        try:
            if self._proxy is not None and self._proxy_tls is not None:
                progress.phase = AttemptPhase.PROXY_TLS
                connection = await _start_tls(connection, self._proxy_tls, self._proxy.host)
            if self._tls is not None:
                if self._proxy is not None:
                    progress.phase = AttemptPhase.TUNNEL
                    await _tunnel(connection, self._proxy, self._address)
                progress.phase = AttemptPhase.TLS
                connection = await _start_tls(connection, self._tls.current(), self._address.host)
        except BaseException:
            transport.abort()
            raise
        return connection


async def _open(host: str, port: int) -> asyncio.Transport:
    transport, _ = await asyncio.get_running_loop().create_connection(Connection, host, port)
    return transport


async def _start_tls(connection: Connection, context: ssl.SSLContext, host: str) -> Connection:
    """Speak TLS over a connection; return the one inside it."""
    inside = Connection()
    transport: Any = await asyncio.get_running_loop().start_tls(
        connection.transport, inside, context, server_hostname=host
    )
    if transport is None:  # it was closed meanwhile
        raise ConnectionFailedError("connection closed during TLS")
    inside.connection_made(transport)
    return inside


async def _tunnel(connection: Connection, proxy: Address, address: Address) -> None:
    """Ask a proxy for a tunnel."""
    host = f"[{address.host}]" if ":" in address.host else address.host
    lines = [f"CONNECT {host}:{address.port} HTTP/1.1", f"host: {host}:{address.port}"]
    if proxy.authorization:
        lines.append(f"proxy-authorization: {proxy.authorization}")
    response = await connection.post("\r\n".join([*lines, "", ""]).encode())
    if response.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        raise ConnectionFailedError("the proxy answered 407: it wants another name and password")
    if response.status not in range(200, 300):
        raise ConnectionFailedError(f"the proxy makes no connection: it answered {response.status}")


def _proxy_context(files: TlsFiles | None) -> ssl.SSLContext:
    """What a proxy's own certificate is verified with: the system's authorities, and the target's."""
    context = ssl.create_default_context()
    if files is not None and files.ca_file is not None:
        context.load_verify_locations(files.ca_file)
    return context


def _of_all(failure: OSError, addresses: Sequence[SocketAddress]) -> OSError | ConnectionFailedError:
    """The failure of the last address, and how many others failed."""
    if len(addresses) == 1:
        return failure
    return ConnectionFailedError(f"{reason_of(failure)} (the last of {len(addresses)} addresses)")


def reason_of(failure: OSError) -> str:
    """Why there is no connection. The URL is left out, because it may hold a secret."""
    if isinstance(failure, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {failure.verify_message}"
    if isinstance(failure, ssl.SSLError):
        return f"no TLS: {failure.reason}"
    if failure.errno:
        # Names that cannot be resolved have negative numbers, which only their own text explains.
        return os.strerror(failure.errno) if failure.errno > 0 else str(failure.strerror)
    return str(failure) or type(failure).__name__
