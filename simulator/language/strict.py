"""What all shapes of a scenario have in common, and the one that most of them use.

Both belong to `language.scenario`, which says what a shape may and may not do; import them from there.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from fanin.simulator.language.durations import Millis
from fanin.simulator.language.patterns import Some


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A misspelt field is an error, never a default."""


class Delay(Strict, frozen=True):
    """How long something takes: fixed, evenly spread, or log-normal around a median.

    YAML writes a bare duration for a fixed delay, ``{min: 1s, max: 5s}`` for an even spread and
    ``{median: 3s, sigma: 0.8}`` for a log-normal one. LazyRandom come from the run's seed.

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
