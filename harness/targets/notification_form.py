"""What the notification of the first push lacks, and most likely every other one of the same target."""

from collections.abc import Collection, Mapping
from typing import Any

from fanin.harness.oracle.notification_body import read_body

_FIELDS = ("id", "action", "repository", "tag", "digest", "arrived", "missing")


def note_on_form(key: str | None, body: Mapping[str, Any] | None, unobservable: Collection[str]) -> str:
    """Say what the notification of a tagged push lacks of what the contract asks for.

    Args:
        key: Its ``webhook-id``.
        body: What it says, in the contract's terms; None where it is no JSON object.
        unobservable: Parts that the target is known not to hold (`fanin.harness.history.NotificationPart`).

    Returns:
        A sentence for people; empty where nothing is lacking.
    """
    if problems := _problems(key, body, unobservable):
        return (
            f"the notification of the first push {' and '.join(problems)}; that alone makes most scenarios"
            " invalid. docs/contract.md says what it holds (clauses 7 and 9). Where yours holds it elsewhere,"
            " or in other words, a target file says so (`notification:` in docs/verify.md)"
        )
    return ""


def _problems(key: str | None, body: Mapping[str, Any] | None, unobservable: Collection[str]) -> list[str]:
    problems, said = [], read_body(body)
    lacking = [] if key or "key" in unobservable else ["webhook-id"]
    if body is None:
        problems.append("is not a JSON object")
    else:
        lacking += [name for name in _FIELDS if getattr(said, name) is None and name not in unobservable]
        if said.raw_outcome in (None, ""):
            lacking.append("outcome")
        elif said.outcome is None:
            problems.append(f"says {said.raw_outcome!r} where it should say completed")
    return [f"has no {', '.join(lacking)}", *problems] if lacking else problems
