"""HTTP/1.1 as uvicorn speaks it, with a limit to the size of a request's head.

Bodies are limited where they are read (`aggregator.app`); heads are gathered by the server itself, which has
no limit of its own.
"""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# A registry's head has some 300 bytes; proxies and cookies add thousands. Other servers take 8 to 64 KiB.
HEAD_BYTES_MAX = 32_768

_BODY = (
    b'{"error":"head-too-large","message":"request line and headers have more than %d bytes"}'
    % HEAD_BYTES_MAX
)
_ANSWER = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n%s" % (len(_BODY), _BODY)
)


class _HeadTooLargeError(Exception):
    """Ends parsing."""


class LimitedHttp(HttpToolsProtocol):
    """Answers 431 and closes when a head is too large, whether it ever ends or not."""

    _in_head = False
    _head_bytes = 0
    _refused = False

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head and not self._refused:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self._refuse()

    def on_message_begin(self) -> None:
        self._in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        size = len(self.url)
        for name, value in self.headers:
            size += len(name) + len(value)
        if size > HEAD_BYTES_MAX:
            self._refused = True
            raise _HeadTooLargeError
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        if self._refused:
            self._refuse()
        else:
            super().send_400_response(msg)

    def _refuse(self) -> None:
        self._refused = True
        self.transport.write(_ANSWER)
        self.transport.close()
