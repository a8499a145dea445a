"""Structured logging: one line per event, as text or as JSON.

As text, a line is ``time level event key=value …``; a value with a space, a quote or an equals sign is
written as a JSON string. As JSON, it is one object: ``{time, level, event, …}``, numbers and lists as such.
Fields that are None are left out. Never log a URL, a header or a body: they may hold secrets.
"""

import json
import logging
import re
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache

from fanin.aggregator.log_queue import LogQueue

FORMATS = {"text": "for people", "json": "for collectors"}

_is_plain = re.compile(r"[\w.:/@+,-]+").fullmatch
LOGGER = logging.getLogger("fanin")
_json_lines = False
# A library is silent until the application configures logging; `configure` does that.
LOGGER.addHandler(logging.NullHandler())


def event(level: int, name: str, **fields: object) -> None:
    """Log one event with its fields, in the order given."""
    if LOGGER.isEnabledFor(level):
        _log(level, line(name, **fields))


def lines(level: int, events: list[str]) -> None:
    """Log several events in one call, which costs little more than one. Each gets a line of its own."""
    if events and LOGGER.isEnabledFor(level):
        _log(level, "\n".join(events))


def _log(level: int, text: str) -> None:
    """Log without `Logger.log`, which looks for its caller on the stack, and would find this module."""
    LOGGER.handle(LOGGER.makeRecord(LOGGER.name, level, __file__, 0, text, (), None))


def line(name: str, **fields: object) -> str:
    """Format one event as text, in the format that `configure` set."""
    if _json_lines:
        present = {key: value for key, value in fields.items() if value is not None}
        return json.dumps({"event": name, **present}, default=str)
    text = name
    for key, value in fields.items():
        if type(value) is int or (type(value) is str and _is_plain(value)):
            text += f" {key}={value}"
        elif value is not None:
            text += f" {key}={_kept(value) if isinstance(value, (tuple, StrEnum)) else _text(value)}"
    return text


def _text(value: object) -> str:
    text = ",".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)
    return text if _is_plain(text) else json.dumps(text)


# Outcomes and sets of regions are few, and are logged with every operation.
_kept = lru_cache(maxsize=256)(_text)


class _Lines(logging.Handler):
    """Writes lines to stderr through a queue: logging neither waits nor fails, whatever becomes of stderr."""

    def __init__(self) -> None:
        super().__init__()
        self._queue = LogQueue()
        self._reported = 0  # dropped lines that a line has reported
        self._second, self._stamp = -1.0, ""

    @property
    def dropped(self) -> int:
        """How many lines could not be written."""
        return self._queue.dropped

    def emit(self, record: logging.LogRecord) -> None:
        dropped = self._queue.dropped
        text = self._line(record)
        if dropped > self._reported:
            name = line("log-lines-dropped", lines=dropped - self._reported)
            report = logging.makeLogRecord(
                {"name": LOGGER.name, "levelno": logging.WARNING, "levelname": "WARNING", "msg": name}
            )
            text = self._line(report) + text
        if self._queue.add(text):
            self._reported = dropped

    def flush(self) -> None:
        self._queue.flush()

    def close(self) -> None:
        self._queue.close()
        super().close()

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
        head = f"{stamp} {level} "
        whole = head + text.replace("\n", f"\n{head}") + "\n"
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
    for earlier in _handlers():
        root.removeHandler(earlier)
        earlier.close()
    root.addHandler(_Lines())
    root.setLevel(logging.WARNING)
    LOGGER.setLevel(level)


def dropped_lines() -> int:
    """How many lines could not be written since `configure`."""
    return sum(handler.dropped for handler in _handlers())


def _handlers() -> list[_Lines]:
    return [it for it in logging.getLogger().handlers if isinstance(it, _Lines)]
