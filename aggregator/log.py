"""Structured logging: one line per event, as text or as JSON.

As text, a line is ``time level event key=value …``; a value with a space, a quote or an equals sign is
written as a JSON string. As JSON, it is one object: ``{time, level, event, …}``, numbers and lists as such.
Fields that are None are left out. Never log a URL, a header or a body: they may hold secrets.
"""

import asyncio
import json
import logging
import re
import sys
from datetime import UTC, datetime

FORMATS = {"text": "for people", "json": "for collectors"}

_PLAIN = re.compile(r"[\w.:/@+,-]+")
LOGGER = logging.getLogger("fanin")
_json_lines = False
# A library is silent until the application configures logging; `configure` does that.
LOGGER.addHandler(logging.NullHandler())


def event(level: int, name: str, **fields: object) -> None:
    """Log one event with its fields, in the order given."""
    if LOGGER.isEnabledFor(level):
        LOGGER.log(level, line(name, **fields))


def lines(level: int, events: list[str]) -> None:
    """Log several events in one call, which costs little more than one. Each gets a line of its own."""
    if events:
        LOGGER.log(level, "\n".join(events))


def line(name: str, **fields: object) -> str:
    """Format one event as text, in the format that `configure` set."""
    if _json_lines:
        present = {key: value for key, value in fields.items() if value is not None}
        return json.dumps({"event": name, **present}, default=str)
    texts = [f"{key}={_text(value)}" for key, value in fields.items() if value is not None]
    return " ".join([name, *texts])


def _text(value: object) -> str:
    if isinstance(value, (tuple, list)):
        value = ",".join(str(part) for part in value)
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text)


class _Lines(logging.Handler):
    """Writes to stderr, all lines of one turn of the event loop in one write."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[str] = []
        self._second, self._stamp = -1.0, ""

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self._line(record))
        if len(self._lines) > 1:
            return  # the turn's first line has scheduled the write
        try:
            asyncio.get_running_loop().call_soon(self.flush)
        except RuntimeError:
            self.flush()

    def flush(self) -> None:
        if self._lines:
            text, self._lines = "".join(self._lines), []
            sys.stderr.write(text)
            sys.stderr.flush()

    def _line(self, record: logging.LogRecord) -> str:
        second, rest = divmod(record.created, 1)
        if second != self._second:
            self._second = second
            self._stamp = f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}"
        stamp = f"{self._stamp}.{int(rest * 1000):03}Z"
        traceback = logging.Formatter().formatException(record.exc_info) if record.exc_info else ""
        text, level = record.getMessage(), record.levelname.lower()
        if _json_lines:
            return _objects(stamp, level, record.name, text, traceback)
        whole = "".join(f"{stamp} {level} {it}\n" for it in text.split("\n"))
        return f"{whole}{traceback}\n" if traceback else whole


def _objects(stamp: str, level: str, logger: str, text: str, traceback: str) -> str:
    """Lines of JSON: our events are objects already, other packages' messages become one."""
    head = json.dumps({"time": stamp, "level": level})[:-1]
    if text.startswith('{"event"') and logger == LOGGER.name:
        return "".join(f"{head}, {it[1:]}\n" for it in text.split("\n"))
    fields = {"event": "message", "logger": logger, "message": text, "traceback": traceback}
    return f"{head}, {json.dumps({key: it for key, it in fields.items() if it})[1:]}\n"


def configure(level: int, form: str = "text") -> None:
    """Write our events from ``level`` on, and other packages' warnings, to stderr, in one of `FORMATS`.

    A second call replaces the first, so that a process that builds several applications logs each line once.
    """
    global _json_lines  # noqa: PLW0603 - a process has one log
    _json_lines = form == "json"
    # These fields are not written, and collecting them costs more than the rest of a line.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.logAsyncioTasks = False  # type: ignore[attr-defined] # typeshed does not know it
    root = logging.getLogger()
    for earlier in [it for it in root.handlers if isinstance(it, _Lines)]:
        earlier.flush()
        root.removeHandler(earlier)
    root.addHandler(_Lines())
    root.setLevel(logging.WARNING)
    LOGGER.setLevel(level)
