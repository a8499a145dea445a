"""Where the simulated network differed from asyncio's, it is like asyncio's.

Writing to a transport that closes is no error there: what is written is dropped, and a client that writes
while the other end hangs up learns of it when it reads.
"""

from typing import Any

from simloop._transports import _SimStreamTransport

_write = _SimStreamTransport.write


def _write_or_drop(transport: _SimStreamTransport, data: Any) -> None:
    if not transport.is_closing():
        _write(transport, data)
    elif not isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(f"data argument must be a bytes-like object, not {type(data).__name__!r}")


def mend() -> None:
    """Change simloop's transports, for good."""
    _SimStreamTransport.write = _write_or_drop  # type: ignore[assignment,method-assign]
