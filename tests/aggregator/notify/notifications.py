"""Notifications to be sent, of which a test says what it is about."""

from typing import Any

from fanin.aggregator.fanin import Notification, Phase, Subject


def notification(**fields: Any) -> Notification:
    """Of an operation whose only region arrived half a second after its start, unless ``fields`` differ."""
    usual: dict[str, Any] = {
        "key": "k",
        "operation_id": "op-1",
        "outcome": Phase.COMPLETED,
        "subject": Subject(action="push"),
        "arrived": ("eastus",),
        "missing": (),
        "started_ms": 0,
        "deadline_ms": 1_000,
        "decided_ms": 500,
    }
    return Notification(**usual | fields)
