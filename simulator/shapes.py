"""What the shapes of a scenario are made of: names, images, addresses, counts, delays.

Rule of this file: patterns keep to what ECMAScript's dialect knows too, because the JSON Schema repeats them.
They are checked where a value is read, never again.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from fanin.simulator.durations import Millis, format_duration

# Repository names are lower case, as the registry has them; ``{n}`` may stand wherever a letter may.
_WORD = "(?:[a-z0-9]|[{]n[}])+"
_PATH = rf"{_WORD}(?:(?:[.]|__?|-+){_WORD})*"
_REPOSITORY = f"{_PATH}(?:/{_PATH})*"
_TAG = "(?:[A-Za-z0-9_]|[{]n[}])(?:[A-Za-z0-9._-]|[{]n[}]){0,127}"
_IMAGE = f"^{_REPOSITORY}(?:(?::{_TAG})?(?:@sha256:[0-9a-f]{{64}})?|@)$"
_SCOPE = f"^(?:{_REPOSITORY}(?::(?:{_TAG}|[*]))?)?$"
_GLOB = "^!?[A-Za-z0-9*?][A-Za-z0-9*?._/-]*$"
_HEADER_NAME = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"
_HOST = "^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]{1,5})?$"


def _text(description: str, pattern: str | None = None, *, most: int | None = None, least: int = 0) -> Meta:
    """A rule for text. A message about text that breaks it says: write ``description``."""
    return Meta(pattern=pattern, min_length=least or None, max_length=most, description=description)


Slug = Annotated[str, _text("lower-case words with hyphens", "^[a-z0-9]+(?:-[a-z0-9]+)*$", most=64)]
OneLine = Annotated[str, _text("one line of at most 100 characters", r"^[^\r\n]+$", most=100)]
Name = Annotated[str, _text("letters, digits, '.', '_' and '-'", "^[A-Za-z0-9][A-Za-z0-9._-]*$", most=64)]
RegionName = Annotated[
    str,
    _text(
        "letters, digits, spaces, '.', '_' and '-'", "^[A-Za-z0-9](?:[A-Za-z0-9 ._-]*[A-Za-z0-9])?$", most=64
    ),
]
RegionRef = Annotated[str, _text("one of the scenario's regions", least=1, most=80)]
OperationRef = Annotated[str, _text("one of the scenario's operations", least=1, most=80)]
Image = Annotated[
    str, _text("repo:tag, repo, repo@sha256:… or repo:tag@sha256:… in lower case", _IMAGE, most=512)
]
Scope = Annotated[str, _text("repo:*, repo:tag, repo (its latest) or '' for everything", _SCOPE, most=512)]
Glob = Annotated[
    str,
    _text("letters, digits, '.', '_', '/', '-', '*' and '?', perhaps after a '!'", _GLOB, most=256),
]
Uri = Annotated[str, _text("a percent-encoded path and query that starts with '/'", "^/[!-~]*$", most=2_000)]
HeaderName = Annotated[str, _text("an HTTP header's name", _HEADER_NAME, most=256)]
HeaderValue = Annotated[str, _text("an HTTP header's value, in ASCII", r"^[\t -~]*$", most=4_000)]
Host = Annotated[str, _text("a host name in lower case", _HOST, most=255)]
Key = Annotated[str, _text("ASCII without spaces", "^[!-~]+$", most=256)]
Secret = Annotated[
    str, _text("whsec_ and 24 to 64 bytes in base64", "^whsec_[A-Za-z0-9+/]{32,86}={0,2}$", most=128)
]
ShortText = Annotated[str, _text("text of at most 256 characters", most=256)]
EventId = Annotated[str, _text("text of 1 to 256 characters", least=1, most=256)]
Some = Annotated[Millis, Meta(ge=1)]  # a duration that is not 0
Count = Annotated[int, Meta(ge=1, le=1_000)]


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A misspelt field is an error, never a default."""


class Delay(Strict, frozen=True):
    """How long something takes: fixed, evenly spread, or log-normal around a median.

    YAML writes a bare duration for a fixed delay, ``{min: 1s, max: 5s}`` for an even spread and
    ``{median: 3s, sigma: 0.8}`` for a log-normal one. Draws come from the run's seed.

    Attributes:
        fixed: Always so long; the same as a bare duration.
        min: The shortest of an even spread; needs ``max``.
        max: The longest of an even spread; needs ``min``.
        median: One half of the draws is shorter, the other longer.
        sigma: How far the draws lie from the median, as the logarithm's standard deviation.
    """

    fixed: Millis | None = None
    min: Millis | None = None
    max: Millis | None = None
    median: Some | None = None
    sigma: Annotated[float, Meta(ge=0, le=5)] = 0.5

    def describe(self) -> str:
        """``3s``, ``1s to 5s``, or ``3s, more or less`` for a log-normal one."""
        if self.median is not None:
            return f"{format_duration(self.median)}, more or less"
        if self.min is not None or self.max is not None:
            return f"{format_duration(self.min or 0)} to {format_duration(self.max or 0)}"
        return format_duration(self.fixed or 0)
