"""What it looks like that a delivery was refused, or accepted, though it should not have been."""

from fanin.harness.oracle.evidence import Attempt
from fanin.harness.oracle.hints.arrivals import RACE_MS
from fanin.harness.oracle.violation import OperationView
from fanin.simulator.faults.delivery import DeliveryFault
from fanin.simulator.wire import normalise_region

_NOT_SIGNED = 401
# So old may a signed request be, by the library's default.
_AGED_MS = 5 * 60_000


def of_refusal(attempt: Attempt, status: int, view: OperationView, *, late: bool) -> str:
    """The bugs that it looks like that a valid delivery was refused."""
    sent = attempt.sent
    if sent.envelope:
        return "B62 B63"
    if status == _NOT_SIGNED:
        occurred = min(it.at for it in view.operation.events)
        return "B64" if sent.at - occurred >= _AGED_MS and not _was_refused_before(attempt, view) else ""
    names = {sent.url_region or "", attempt.region or ""}
    if any(name != normalise_region(name) for name in names):
        return "B32"
    if late:
        return "B46"
    if _offers_upgrade(attempt, view):
        return ""  # a server that loses the body then
    first = [it for it in view.operation.attempts if it is not attempt and it.counts is not False]
    return "B04" if any(abs(it.sent.at - sent.at) <= RACE_MS for it in first) else ""


def _offers_upgrade(attempt: Attempt, view: OperationView) -> bool:
    faults = view.evidence.scenario.faults
    mine = (it.fault for it in view.evidence.faults_applied if it.attempt == attempt.sent.attempt)
    known = (faults[it] for it in mine if 0 <= it < len(faults))
    return any(isinstance(it, DeliveryFault) and it.offers_upgrade for it in known)


def _was_refused_before(attempt: Attempt, view: OperationView) -> bool:
    """Whether the same was refused when it was not old."""
    earlier = (it for it in view.operation.attempts if it.sent.at < attempt.sent.at)
    return any(
        it.region == attempt.region and it.ended is not None and it.ended.status == _NOT_SIGNED
        for it in earlier
    )


def of_silence(attempt: Attempt, error: str) -> str:
    """The bugs that it looks like that a delivery had no response."""
    if error == "timeout":
        return "B69" if attempt.invalid_because else "B24"
    return "B69" if error == "reset" else ""
