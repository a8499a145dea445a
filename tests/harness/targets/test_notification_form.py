"""What is said of a first notification that does not hold what the contract asks for."""

from typing import Any

import pytest

from fanin.harness.dialect import CONTRACT, Dialect, NotificationDialect
from fanin.harness.targets.notification_form import note_on_form

RIGHT: dict[str, Any] = {
    "id": "op1", "action": "push", "repository": "team/app", "tag": "1.0", "digest": "sha256:1",
    "outcome": "completed", "arrived": ["eastus"], "missing": [],
}  # fmt: skip


@pytest.mark.parametrize(
    ("key", "body", "said"),
    [
        ("k", {"id": "op1", "status": "done"},
         "has no action, repository, tag, digest, arrived, missing, outcome;"),
        (None, RIGHT, "has no webhook-id;"),
        ("", RIGHT | {"tag": ""}, "has no webhook-id, tag;"),
        ("k", RIGHT | {"missing": "none"}, "has no missing;"),
        ("k", RIGHT | {"outcome": "synced"}, "says 'synced' where it should say completed;"),
        (None, RIGHT | {"outcome": 3}, "has no webhook-id and says 3 where it should say completed;"),
        ("k", None, "is not a JSON object;"),
    ],
)  # fmt: skip
def test_what_a_notification_lacks_is_one_sentence(
    key: str | None, body: dict[str, Any] | None, said: str
) -> None:
    """All of it at once, and the way out."""
    note = note_on_form(key, body, CONTRACT.unobservable)

    assert note.startswith(
        f"the notification of the first push {said} that alone makes most scenarios invalid."
    )
    assert "`notification:` in docs/verify.md" in note


def test_nothing_is_said_of_a_right_one() -> None:
    """Whatever it holds besides, and if it says that it is a timeout: that is judged, not its form."""
    assert note_on_form("k", RIGHT | {"extra": 1}, ()) == ""
    assert note_on_form("k", RIGHT | {"outcome": "timed_out"}, ()) == ""


def test_what_a_target_is_known_not_to_hold_is_not_lacking() -> None:
    """As its target file says."""
    dialect = Dialect(NotificationDialect(key="nothing", tag="nothing", arrived="nothing"))
    body = {name: value for name, value in RIGHT.items() if name not in ("tag", "arrived")}

    assert note_on_form(None, body, dialect.unobservable) == ""
