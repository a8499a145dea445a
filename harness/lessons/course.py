"""The course: which scenario each chapter fails, why, and what the next one changes.

Rules of this file: the words are short enough for a terminal; ``docs/guide/`` has the long ones. Whether a
chapter does what is said here is tested, not believed.
"""

import difflib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module, resources
from typing import Any

from fanin.harness.capabilities import DEFAULT_CAPABILITIES


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """One chapter: an aggregator, and the scenario that it fails."""

    number: int
    title: str
    idea: str  # what this chapter's aggregator does
    fails: str | None  # the scenario that shows its bug; None in the last chapter
    why: str = ""  # why it fails it
    mend: str = ""  # what the next chapter changes

    @property
    def module(self) -> str:
        """Where its code is, for ``fanin verify --app MODULE:create_app``."""
        return f"{__package__}.chapter_{self.number}"

    @property
    def source(self) -> str:
        """Its code."""
        return (resources.files(__package__) / f"chapter_{self.number}.py").read_text(encoding="utf-8")

    @property
    def build(self) -> Callable[[], Any]:
        """Returns its ASGI application; settings are read from the environment."""
        return import_module(self.module).create_app  # type: ignore[no-any-return]


# They correlate by the payload's id: an image that is pushed again would take more lines than a lesson has.
CAPABILITIES = DEFAULT_CAPABILITIES - {"image-correlation"}
# What even the first chapter can do.
BASICS = ("slow-region", "dropped-region")

LESSONS = (
    Lesson(
        number=1,
        title="A counter",
        idea="Count the webhooks of each push. As many as there are regions: all of them have the image.",
        fails="duplicate-not-quorum",
        why="Senders repeat a webhook whose response they did not see, and some repeat it without a reason."
        " Three webhooks of one region are as many as one of each of three: a count sees no difference.",
        mend="Keep the names of the regions in a set, which a repetition does not change.",
    ),
    Lesson(
        number=2,
        title="A set",
        idea="Keep the set of the regions that have reported, and decide each push once.",
        fails="crash-after-ack",
        why="The set lives in the process. 202 said that the webhook need not be sent again; then the process"
        " died, and with it the only record of what the registry believes to be delivered.",
        mend="Commit the arrival to a file, and flush it, before the 202 leaves.",
    ),
    Lesson(
        number=3,
        title="A durable set",
        idea="Commit each arrival to SQLite before it is acknowledged, and read the file at each start.",
        fails="restart-every-30s",
        why="The timeout is a countdown that each start begins anew. Deploys and autoscalers restart"
        " services all the time, and every restart moves the deadline; with enough of them it never comes.",
        mend="Store the deadline as an instant, with the first arrival, and sleep for what is left of it.",
    ),
    Lesson(
        number=4,
        title="An absolute deadline",
        idea="Store the instant of the deadline with the first arrival; a start computes what is left of it.",
        fails="crash-at-the-finish",
        why="The outcome is stored, and the process dies before the notification is sent. The next process"
        " finds a push that is decided, and nothing in the file says that the sink does not know.",
        mend="Let the outcome's row be the outbox: what is not accepted is sent again, at each start too.",
    ),
    Lesson(
        number=5,
        title="An outbox",
        idea="One row stores the outcome and whether the sink has accepted it. It is sent until it has.",
        fails="sink-response-lost",
        why="The sink accepted the notification, and its response was lost. To send it again is right; to"
        " send it under another key makes two outcomes of one, and the sink acts twice.",
        mend="Draw the key once, store it with the operation, and send it in each attempt.",
    ),
    Lesson(
        number=6,
        title="Effectively once",
        idea="One key per outcome in all attempts; regions and deadline as they were at the first webhook;"
        " and an outcome is remembered for a week, since senders repeat for days.",
        fails=None,
    ),
)


def earlier(lesson: Lesson) -> tuple[str, ...]:
    """The scenarios that a chapter survives: the basics, and those that earlier chapters failed."""
    failed = (before.fails for before in LESSONS[: lesson.number - 1])
    return (*BASICS, *(name for name in failed if name is not None))


def difference(lesson: Lesson) -> Iterator[str]:
    """What the next chapter changes in the code, as a unified diff without its first two lines."""
    after = LESSONS[lesson.number]
    lines = difflib.unified_diff(lesson.source.splitlines(), after.source.splitlines(), n=1, lineterm="")
    return (line for line in list(lines)[2:])
