"""A receiver that does harm: ``python -m tests.e2e.hostile_receiver KIND``. Prints its port.

Each connection has a thread, which reads a request, then sends what the kind says until the other side closes
the connection.
"""

import itertools
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator

ACCEPTED = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
# Repeated without an end, as fast as the other side reads.
_BLOCK = 1 << 16


def _endless(block: bytes, *, after: bytes = b"") -> Iterator[bytes]:
    yield after
    yield from itertools.repeat(block * (_BLOCK // len(block)))


def _slowly(block: bytes, *, after: bytes = b"") -> Iterator[bytes]:
    yield after
    while True:
        time.sleep(0.02)
        yield block


def _silent() -> Iterator[bytes]:
    time.sleep(60)
    yield b""


def _later(block: bytes, *, after: bytes) -> Iterator[bytes]:
    yield after
    time.sleep(0.01)
    yield block
    time.sleep(60)


KINDS: dict[str, Callable[[], Iterator[bytes]]] = {
    "endless header fields": lambda: _endless(b"a: b\r\n", after=b"HTTP/1.1 200 OK\r\n"),
    "an endless header field": lambda: _endless(b"a", after=b"HTTP/1.1 200 OK\r\na: "),
    "an endless field name": lambda: _endless(b"a", after=b"HTTP/1.1 200 OK\r\n"),
    "an endless reason": lambda: _endless(b"a", after=b"HTTP/1.1 200 "),
    "endless informational responses": lambda: _endless(b"HTTP/1.1 103 A\r\n\r\n"),
    "endless informational responses, slowly": lambda: _slowly(b"HTTP/1.1 100 A\r\n\r\n"),
    "an endless status line": lambda: _endless(b"0", after=b"HTTP/1.1 "),
    "endless empty lines": lambda: _endless(b"\r\n"),
    "an endless body": lambda: _endless(b"a", after=b"HTTP/1.1 200 OK\r\n\r\n"),
    "endless chunks of one byte": lambda: _endless(
        b"1\r\na\r\n", after=b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    ),
    "endless trailers": lambda: _endless(
        b"a: b\r\n", after=b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n"
    ),
    "endless responses": lambda: _endless(ACCEPTED),
    "endless bytes on an idle connection": lambda: _endless(b"a", after=ACCEPTED),
    "a few bytes on an idle connection": lambda: _later(b"HTTP/1.1 2", after=ACCEPTED),
    "a response on an idle connection": lambda: _later(ACCEPTED, after=ACCEPTED),
    "a head that comes slowly": lambda: _slowly(b"a", after=b"HTTP/1.1 200 OK\r\na: "),
    "no response": _silent,
    "another protocol": lambda: _slowly(b"a", after=b"SSH-2.0-OpenSSH_9.9\r\n"),
}


def _serve(connection: socket.socket, kind: Callable[[], Iterator[bytes]]) -> None:
    try:
        with connection:
            connection.recv(_BLOCK)
            for block in kind():
                connection.sendall(block)
    except OSError:
        return  # the other side has closed the connection


def main() -> None:
    kind = KINDS[sys.argv[1]]
    with socket.create_server(("127.0.0.1", 0), backlog=1_000) as listener:
        print(listener.getsockname()[1], flush=True)  # noqa: T201 - read by the test
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_serve, args=(connection, kind), daemon=True).start()


if __name__ == "__main__":
    main()
