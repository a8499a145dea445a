"""The texts of a notification for people, without markup, which each format adds."""

from collections.abc import Callable, Iterable

from fanin.aggregator.fanin import Notification, Phase
from fanin.aggregator.wire import rfc3339

# The outcome that a test message has on the wire.
TEST = "test"


def outcome_of(notification: Notification) -> str:
    """The outcome as receivers get it."""
    return TEST if notification.test else notification.outcome.value


def image(notification: Notification) -> str:
    """The image: ``team/app:1.4.2``, or as much of it as the webhook has."""
    subject = notification.subject
    name = subject.repository or subject.name
    if not name:
        return subject.digest or notification.operation_id
    version = subject.tag or subject.version
    if version:
        return f"{name}:{version}"
    return f"{name}@{subject.digest}" if subject.digest else name


def headline(notification: Notification) -> str:
    """One sentence: the image, the action and the outcome."""
    if notification.test:
        return "Test message from fanin: nothing was pushed, and there is nothing to do"
    total = len(notification.arrived) + len(notification.missing)
    what = f"{image(notification)}: {notification.subject.action}"
    if notification.outcome is Phase.COMPLETED:
        return f"{what} confirmed by {'its region' if total == 1 else f'all {total} regions'}"
    if notification.outcome is Phase.COMPLETED_LATE:
        return f"{what} confirmed by all {total} regions after all, after it had timed out"
    return f"{what} timed out, {len(notification.missing)} of {total} regions missing"


def facts(notification: Notification) -> list[tuple[str, tuple[str, ...]]]:
    """Labels and values, the most important first; empty ones are left out."""
    subject = notification.subject
    found: list[tuple[str, tuple[str | None, ...]]] = [
        ("Missing", notification.missing),
        ("Arrived", notification.arrived),
        ("Repository", (subject.repository or subject.name,)),
        ("Tag", (subject.tag or subject.version,)),
        ("Digest", (subject.digest,)),
        ("Registry", (subject.host,)),
        ("Deadline", (rfc3339(notification.deadline_ms),)),
        ("Operation", (notification.operation_id,)),
    ]
    present = [(label, tuple(value for value in values if value)) for label, values in found]
    return [(label, values) for label, values in present if values]


def cut(text: str, length_max: int) -> str:
    """The text, or its beginning and an ellipsis."""
    return text if len(text) <= length_max else text[: length_max - 1] + "…"


def joined(names: Iterable[str], length_max: int, *, mark: Callable[[str], str] = str) -> str:
    """Join names with commas: as many as fit into ``length_max`` characters, and the number of the rest.

    Args:
        names: The names.
        length_max: The largest length of the result, with markup.
        mark: Adds markup to a name.
    """
    marked = [mark(name) for name in names]
    if len(whole := ", ".join(marked)) <= length_max:
        return whole
    text, shown = "", 0
    for name in marked:
        longer = f"{text}, {name}" if text else name
        if len(f"{longer} and {len(marked) - shown - 1} more") > length_max:
            break
        text, shown = longer, shown + 1
    rest = len(marked) - shown
    return f"{text} and {rest} more" if text else f"{rest} names too long to show"
