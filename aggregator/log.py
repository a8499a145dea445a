"""One line per decision, ``event key=value …``, so that people can read it and ``grep`` can find it.

A value with a space, a quote or an equals sign is written as a JSON string. None is left out.
Never pass a URL, a header or a body: they may hold secrets.
"""

import json
import logging
import re
from datetime import UTC, datetime

_PLAIN = re.compile(r"[\w.:/@+,-]+")
LOGGER = logging.getLogger("aggregator")
# A library that is not told where to log stays silent; `configure` says where.
LOGGER.addHandler(logging.NullHandler())


def event(level: int, name: str, **facts: object) -> None:
    """Log one event with its facts, in the order given."""
    if LOGGER.isEnabledFor(level):
        words = [f"{key}={_word(value)}" for key, value in facts.items() if value is not None]
        LOGGER.log(level, "%s", " ".join([name, *words]))


def _word(value: object) -> str:
    if isinstance(value, (tuple, list)):
        value = ",".join(str(part) for part in value)
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text)


class _Line(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC)
        head = f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z {record.levelname.lower()}"
        trouble = f"\n{self.formatException(record.exc_info)}" if record.exc_info else ""
        return f"{head} {record.getMessage()}{trouble}"


def configure(level: int) -> None:
    """Write our events from ``level`` on, and other packages' warnings, to stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Line())
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    LOGGER.setLevel(level)
