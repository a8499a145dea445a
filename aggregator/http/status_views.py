"""An operation as it is shown: in Durable Functions' words, and in our own.

Durable Functions' HTTP API, extension 2.13: the check-status answer and the status body have its field names,
in its order. Of the management URIs only the status query is offered, because no other one would work.
"""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import msgspec

from fanin.aggregator.fanin import FanIn, OperationId, notification_of
from fanin.aggregator.notify.formats.json import body_of
from fanin.aggregator.wire import rfc3339

STATUS_PATH = "/runtime/webhooks/durabletask/instances/"
# The original's orchestrator.
ORCHESTRATOR = "WaitForAllRegions"

_encoder = msgspec.json.Encoder()


class CheckStatus(msgspec.Struct, frozen=True):
    """The body of a 202. JSON: ``{id, statusQueryGetUri}``."""

    id: OperationId
    statusQueryGetUri: str  # noqa: N815 - Durable Functions' name


def status_uri(origin: str, operation_id: OperationId) -> str:
    """Where an operation's status is found. ``origin`` is scheme, host and any prefix."""
    return f"{origin}{STATUS_PATH}{quote(operation_id, safe='')}"


def check_status(origin: str, operation_id: OperationId) -> tuple[str, bytes]:
    """Location and body of the answer to an arrival."""
    uri = status_uri(origin, operation_id)
    return uri, _encoder.encode(CheckStatus(operation_id, uri))


def durable_status(state: FanIn, *, show_input: bool = True) -> dict[str, Any]:
    """The status body. A timeout is an output like any other: ``runtimeStatus`` is Completed then, too."""
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


def instance(state: FanIn) -> dict[str, Any]:
    """One entry of the list of instances: what it still waits for, and until when."""
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


def _to_the_second(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms // 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
