"""Values as the page writes them: names that senders chose, periods, instants. Pure.

Repository names and tags come from senders, so they are taken to be hostile: what could reorder or
hide text is written as an escape, and a long one is cut. The template escapes markup.
"""

from datetime import UTC, datetime

from fanin.aggregator.fanin import FanIn, Subject

# No registry allows longer names of repositories (255) and tags (128); a sender may.
NAME_MAX = 300
# How much of a digest is enough to tell it from others.
DIGEST_SHOWN = len("sha256:") + 12

_SECOND, _MINUTE, _HOUR, _DAY = 1_000, 60_000, 3_600_000, 86_400_000


def plain(text: str) -> str:
    """A text on one line and of bounded length, without signs that cannot be seen or reorder others."""
    cut = text if len(text) <= NAME_MAX else text[: NAME_MAX - 1] + "…"
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in cut)


def image(subject: Subject) -> str:
    """The image or the chart that an operation is about, as it is pulled."""
    name = subject.repository or subject.name or "(no repository)"
    host = f"{subject.host}/" if subject.host else ""
    tag = subject.tag or subject.version
    if tag:
        return f"{host}{name}:{tag}"
    return f"{host}{name}@{subject.digest}" if subject.digest else f"{host}{name}"


def digest(subject: Subject) -> str | None:
    """The beginning of the digest, where a tag names the image."""
    if not (subject.digest and (subject.tag or subject.version)):
        return None
    return subject.digest if len(subject.digest) <= DIGEST_SHOWN else subject.digest[:DIGEST_SHOWN] + "…"


def period(ms: int) -> str:
    """A period in its two largest units: ``3 h 12 min``. The script counts on in the same form."""
    ms = max(0, ms)
    if ms < _MINUTE:
        return f"{ms // _SECOND} s"
    if ms < _HOUR:
        return f"{ms // _MINUTE} min {ms % _MINUTE // _SECOND} s"
    if ms < _DAY:
        return f"{ms // _HOUR} h {ms % _HOUR // _MINUTE} min"
    return f"{ms // _DAY} d {ms % _DAY // _HOUR} h"


def instant(ms: int) -> str:
    """An instant in UTC, to the second, as ``<time>`` has it."""
    return f"{datetime.fromtimestamp(ms // 1000, UTC):%Y-%m-%d %H:%M:%S}Z"


def clock(ms: int) -> str:
    """The time of day in UTC."""
    return f"{datetime.fromtimestamp(ms // 1000, UTC):%H:%M:%S} UTC"


def behind(state: FanIn, at_ms: int) -> str:
    """How long after an operation's first arrival something happened."""
    return f"+{period(at_ms - state.started_ms)}"
