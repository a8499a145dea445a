"""JSON bodies of the HTTP API: an operation's status, entries of the lists of instances and of the outbox.

The check-status response and the status body have the field names of Durable Functions' HTTP API (extension
2.13), in its order. Of its management URIs only the status query is offered: no other one would work here.
"""

import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import msgspec

from fanin.aggregator.engine import OutboxEntry, TargetState
from fanin.aggregator.fanin import FanIn, OperationId, notification_of
from fanin.aggregator.notify.formats.json import body_of
from fanin.aggregator.notify.rehearsal import RehearsalResult
from fanin.aggregator.wire import rfc3339

STATUS_PATH = "/runtime/webhooks/durabletask/instances/"
# The name of the original's orchestrator.
ORCHESTRATOR = "WaitForAllRegions"

# What needs no percent-encoding (RFC 3986, section 2.3), as the UUIDs of registries do not.
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]+")

_encoder = msgspec.json.Encoder()


class CheckStatus(msgspec.Struct, frozen=True):
    """The body of a 202. JSON: ``{id, statusQueryGetUri}``."""

    id: OperationId
    statusQueryGetUri: str  # noqa: N815 - Durable Functions' name


def status_uri(origin: str, operation_id: OperationId) -> str:
    """The URI of an operation's status. ``origin`` is scheme, host and any prefix."""
    if not _UNRESERVED.fullmatch(operation_id):
        operation_id = quote(operation_id, safe="")
    return f"{origin}{STATUS_PATH}{operation_id}"


def check_status(origin: str, operation_id: OperationId) -> tuple[str, bytes]:
    """Location header and body of the response to an arrival."""
    uri = status_uri(origin, operation_id)
    return uri, _encoder.encode(CheckStatus(operation_id, uri))


def durable_status(state: FanIn, *, show_input: bool = True) -> dict[str, Any]:
    """The status body. ``runtimeStatus`` is Completed after a timeout, too: a timeout is an output."""
    decided_ms = state.decided_ms
    latest_ms = max(decided_ms or 0, *state.arrived.values(), *state.late.values())
    return {
        "name": ORCHESTRATOR,
        "instanceId": state.operation_id,
        "runtimeStatus": "Running" if decided_ms is None else "Completed",
        "input": {"regions": state.expected, "event": state.subject} if show_input else None,
        "customStatus": {
            "arrived": sorted(state.arrived),
            "missing": state.missing,
            "late": sorted(state.late),
            "deadline": rfc3339(state.deadline_ms),
        },
        "output": None if decided_ms is None else body_of(notification_of(state, decided_ms=decided_ms)),
        "createdTime": _to_the_second(state.started_ms),
        "lastUpdatedTime": _to_the_second(latest_ms),
    }


def instance_view(state: FanIn) -> dict[str, Any]:
    """One entry of the list of instances: its missing regions and its deadline."""
    return {
        "id": state.operation_id,
        "state": state.phase.value,
        "missing": state.missing,
        "arrived": {region: rfc3339(ms) for region, ms in state.arrived.items()},
        "late": {region: rfc3339(ms) for region, ms in state.late.items()},
        "duplicates": state.duplicates,
        "started": rfc3339(state.started_ms),
        "deadline": rfc3339(state.deadline_ms),
        "decided": None if state.decided_ms is None else rfc3339(state.decided_ms),
        "action": state.subject.action,
        "repository": state.subject.repository,
        "tag": state.subject.tag,
        "digest": state.subject.digest,
    }


def outbox_entry_view(entry: OutboxEntry) -> dict[str, Any]:
    """One entry of the outbox. It leaves out the target's URL, which may hold a secret."""
    return {
        "operation": entry.operation_id,
        "target": entry.target,
        "state": "paused" if entry.paused else "waiting" if entry.dead_ms is None else "dead",
        "outcome": entry.outcome.value,
        "key": entry.key,
        "attempts": entry.attempts,
        "next_attempt": None if entry.due_ms is None else rfc3339(entry.due_ms),
        "dead_lettered": None if entry.dead_ms is None else rfc3339(entry.dead_ms),
        "error": entry.error,
    }


def target_view(state: TargetState) -> dict[str, Any]:
    """One entry of the list of targets."""
    return {
        "target": state.target,
        "configured": state.state is not None,
        "state": "paused" if state.paused else state.state,
        "waiting": state.pending,
        "dead": state.dead,
    }


def _to_the_second(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms // 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"


def rehearsal_view(result: RehearsalResult) -> dict[str, Any]:
    """A test message's result as JSON."""
    return {
        "target": result.target,
        "accepted": result.error is None,
        "error": result.error,
        "took_ms": result.took_ms,
    }
