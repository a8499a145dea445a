"""What travels on the stage: webhooks, notifications, connections that are refused, and what came of each."""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from fanin.harness.oracle.evidence import Attempt, Notification
from fanin.harness.report.analysis import RunAnalysis
from fanin.harness.report.recording.captions import Captions
from fanin.simulator.faults.sink import SinkFault


class PlayedMessage(msgspec.Struct, frozen=True, omit_defaults=True):
    """A webhook and its answer, or a notification and its answer."""

    number: int  # of the attempt, or of the notification
    kind: Literal["webhook", "notification", "connection"]
    sent: int  # of a notification: when it was received
    fate: Literal["answered", "lost", "refused", "cut", "broken", "silent", "open"]
    answered: int | None = None
    status: int | None = None
    lane: str = ""
    op: str = ""
    tone: str = "plain"
    label: str = ""
    copy: int = 0
    retry: int = 0


def messages(analysis: RunAnalysis, captions: Captions) -> Iterator[PlayedMessage]:
    """All that travels, of each kind in the order in which it was sent."""
    for attempt in analysis.evidence.attempts:
        yield _webhook(analysis, attempt, captions)
    for received in analysis.evidence.notifications:
        yield _notification(analysis, received, captions)
    for number, (_, applied, fault) in enumerate(analysis.faults_applied):
        if isinstance(fault, SinkFault) and fault.refuses_connections:
            yield PlayedMessage(-number - 1, "connection", applied.at, "refused", applied.at, tone="fault")


def _webhook(analysis: RunAnalysis, attempt: Attempt, captions: Captions) -> PlayedMessage:
    sent, ended = attempt.sent, attempt.ended
    caption = captions.of(attempt.ended_index or 0, ended) if ended else None
    fate: dict[str, Any] = {
        "": "answered",
        "refused": "refused",
        "lost": "lost",
        "reset": "broken",
        "timeout": "silent",
    }
    if any(fault.silence_note is not None for fault in analysis.delivery_faults(attempt)):
        fate["reset"] = "cut"  # there was an answer, and the network lost it
    return PlayedMessage(
        sent.attempt, "webhook", sent.at, fate.get(ended.error, "open") if ended else "open",
        ended.at if ended else None, ended.status if ended else None, sent.region,
        analysis.operation_of(attempt).name, caption.tone.name.lower() if caption else "odd",
        caption.label if caption else "?", sent.copy, sent.retry,
    )  # fmt: skip


def _notification(analysis: RunAnalysis, received: Notification, captions: Captions) -> PlayedMessage:
    response, operation = received.response, analysis.notified_operation(received)
    first = captions.of(received.index, received.received)
    error = response.error if response else "hung"
    fate: dict[str, Any] = {"": "answered", "hung": "silent", "reset": "cut", "disconnected": "cut"}
    return PlayedMessage(
        received.received.request, "notification", received.at, fate[error],
        response.at if response else None, response.status if response else None,
        op=operation.name if operation else "", tone=first.tone.name.lower(), label=first.label,
    )  # fmt: skip
