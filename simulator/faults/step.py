"""Steps of an aggregator at which a fault can happen.

A step is seen from outside, so that it works on any aggregator: what it answers, and what it sends.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta

Nth = Annotated[int, Meta(ge=1, le=1_000_000)]
Step = Literal["before-response", "after-response", "before-notify", "after-notify"]

ANSWER_STEPS: tuple[Step, ...] = ("before-response", "after-response")
_TEXT: Mapping[Step, str] = {
    "before-response": "after its commit, before its answer leaves",
    "after-response": "when its answer has reached the sender",
    "before-notify": "when it has decided, before the notification arrives",
    "after-notify": "when the sink has the notification, before it can know",
}


class StepTrigger(NamedTuple):
    """The step at which a fault happens, and what narrows it; an empty name narrows nothing."""

    step: Step
    region: str = ""
    operation: str = ""
    nth: int = 1  # the fault happens when the step is reached for the nth time

    def matches(self, step: Step, op: str | None, region: str) -> bool:
        """Whether this is the step. An operation's name stands for all its repeats, ``name/n``."""
        operation = (op or "").partition("/")[0]
        return step == self.step and self.region in ("", region) and self.operation in ("", operation)


def step_text(step: Step, nth: int = 1) -> str:
    """The step in words, and which time it is reached, unless it is the first."""
    return f"{_TEXT[step]}{'' if nth == 1 else f', the {_ordinal(nth)} time'}"


def _ordinal(number: int) -> str:
    """``2nd``, ``11th``, ``23rd``."""
    teens = number // 10 % 10 == 1
    return f"{number}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"
