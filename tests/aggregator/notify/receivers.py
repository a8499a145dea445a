"""A receiver over TLS and a forward proxy, both real, on loopback, in the test's own event loop."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

OK = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"


def authority() -> Any:
    """An authority that makes certificates (trustme)."""
    return pytest.importorskip("trustme", reason="pip install trustme: makes certificates").CA()


def server_tls(ca: Any, *names: str, requires_client: Any = None) -> ssl.SSLContext:
    """The context of a server with a certificate of ``ca``; it may require one of its clients."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert(*names).configure_cert(context)
    if requires_client is not None:
        requires_client.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


async def _head(reader: asyncio.StreamReader) -> list[str]:
    return (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]


@asynccontextmanager
async def listening(serve: Any, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve on a free port; close everything at the end."""
    writers: list[asyncio.StreamWriter] = []

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        try:
            await serve(reader, writer)
        except (EOFError, OSError):
            return

    server = await asyncio.start_server(served, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.close()


class Receiver:
    """Accepts everything. Heads of requests, and the common names of clients' certificates."""

    def __init__(self) -> None:
        self.heads: list[list[str]] = []
        self.clients: list[Any] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await _head(reader)
            (length,) = (int(line[15:]) for line in head if line.startswith("content-length:"))
            await reader.readexactly(length)
            self.heads.append(head)
            certificate = writer.get_extra_info("peercert")
            self.clients.append(certificate and certificate["serialNumber"])
            writer.write(OK)


class ForwardProxy:
    """A proxy for CONNECT and for requests in absolute form. `requests` are their first lines."""

    def __init__(self, *, user: str | None = None, answers: bytes | None = None) -> None:
        """Listen for ``user``, that is NAME:PASSWORD; with ``answers``, say only that."""
        self.requests: list[str] = []
        self._answers = answers
        self._authorization = user and "Basic " + base64.b64encode(user.encode()).decode()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await _head(reader)
        self.requests.append(head[0])
        if self._answers is not None:
            writer.write(self._answers)
            await asyncio.Event().wait()
        if self._authorization and f"proxy-authorization: {self._authorization}" not in head:
            writer.write(b"HTTP/1.1 407 Who are you\r\ncontent-length: 0\r\n\r\n")
            return
        method, place, _ = head[0].split(" ")
        port = int(place.removeprefix("http://").split("/")[0].rpartition(":")[2])
        theirs, ours = await asyncio.open_connection("127.0.0.1", port)
        try:
            if method == "CONNECT":
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                path = "/" + place.removeprefix("http://").partition("/")[2]
                kept = [line for line in head[1:] if not line.startswith("proxy-")]
                ours.write("\r\n".join([f"{method} {path} HTTP/1.1", *kept, "", ""]).encode())
            await asyncio.gather(_pipe(reader, ours), _pipe(theirs, writer))
        finally:
            ours.close()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.close()
