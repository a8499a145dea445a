"""One line per decision, so that people can read it, ``grep`` can find it, or a collector can parse it.

As text, a line is ``time level event key=value …``; a value with a space, a quote or an equals sign is
written as a JSON string. As JSON, it is one object: ``{time, level, event, …}``, numbers and lists as such.
None is left out. Never pass a URL, a header or a body: they may hold secrets.
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
# A library that is not told where to log stays silent; `configure` says where.
LOGGER.addHandler(logging.NullHandler())


def event(level: int, name: str, **facts: object) -> None:
    """Log one event with its facts, in the order given."""
    if LOGGER.isEnabledFor(level):
        LOGGER.log(level, line(name, **facts))


def lines(level: int, those: list[str]) -> None:
    """Log several events at once, which costs little more than one. Each still gets a line of its own."""
    if those:
        LOGGER.log(level, "\n".join(those))


def line(name: str, **facts: object) -> str:
    """One event as text, in the format that `configure` was told."""
    if _json_lines:
        said = {key: value for key, value in facts.items() if value is not None}
        return json.dumps({"event": name, **said}, default=str)
    return " ".join([name, *[f"{key}={_word(value)}" for key, value in facts.items() if value is not None]])


def _word(value: object) -> str:
    if isinstance(value, (tuple, list)):
        value = ",".join(str(part) for part in value)
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text)


class _Lines(logging.Handler):
    """Writes to stderr, all lines of one turn of the event loop at once: a write costs as much as a line."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[str] = []
        self._second, self._stamp = -1.0, ""

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self._line(record))
        if len(self._lines) > 1:
            return  # the turn's first line has ordered the write
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
        trouble = logging.Formatter().formatException(record.exc_info) if record.exc_info else ""
        text, level = record.getMessage(), record.levelname.lower()
        if _json_lines:
            return _objects(stamp, level, record.name, text, trouble)
        return "".join(f"{stamp} {level} {it}\n" for it in text.split("\n")) + (trouble and trouble + "\n")


def _objects(stamp: str, level: str, logger: str, text: str, trouble: str) -> str:
    """Lines of JSON: ours are objects already, other packages' messages become one."""
    head = json.dumps({"time": stamp, "level": level})[:-1]
    if text.startswith('{"event"') and logger == LOGGER.name:
        return "".join(f"{head}, {it[1:]}\n" for it in text.split("\n"))
    facts = {"event": "said", "logger": logger, "message": text, "traceback": trouble}
    return f"{head}, {json.dumps({key: it for key, it in facts.items() if it})[1:]}\n"


def configure(level: int, form: str = "text") -> None:
    """Write our events from ``level`` on, and other packages' warnings, to stderr, in one of `FORMATS`.

    Said again, it counts instead: whoever builds the application several times wants each line once.
    """
    global _json_lines  # noqa: PLW0603 - a process has one log
    _json_lines = form == "json"
    # Nobody reads these facts, and collecting them costs more than the rest of a line.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.logAsyncioTasks = False  # type: ignore[attr-defined] # typeshed does not know it
    root = logging.getLogger()
    for earlier in [it for it in root.handlers if isinstance(it, _Lines)]:
        earlier.flush()
        root.removeHandler(earlier)
    root.addHandler(_Lines())
    root.setLevel(logging.WARNING)
    LOGGER.setLevel(level)
