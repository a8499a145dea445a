"""What one request carries: mostly one delivery; several where the sender gathers events in envelopes.

Rules of this file: nothing here waits or sends; a request is signed when it is sent, each attempt anew.
"""

from fanin.simulator.language.scenario import Scenario
from fanin.simulator.plan import Delivery
from fanin.simulator.signing import FOREIGN_SECRET, message_id, secret_at, signed
from fanin.simulator.wire import WebhookRequest, envelope_request, with_body

type Deliveries = tuple[Delivery, ...]  # of one region, at least one


def request_of(parcel: Deliveries, scenario: Scenario, *, at_ms: int, epoch_ms: int) -> WebhookRequest:
    """The request for one attempt at it.

    Args:
        parcel: What it carries.
        scenario: Says whether there are envelopes and signatures.
        at_ms: When it leaves, from the scenario's start.
        epoch_ms: The same in Unix milliseconds.
    """
    first = parcel[0]
    request = first.request
    if scenario.sender.envelope is not None:
        request = envelope_request([each.request for each in parcel])
    if not scenario.signing.secrets or first.forged == "unsigned":
        return request
    secret = FOREIGN_SECRET if first.forged == "wrong-secret" else _secret(scenario, at_ms)
    id_ = message_id(first.id, first.region)
    result = signed(request, secret, id_, epoch_ms=epoch_ms - first.signed_earlier_ms)
    # JSON still, and the same to whoever reads it; only its bytes are not.
    return with_body(result, result.body + b"\n") if first.forged == "altered" else result


def _secret(scenario: Scenario, at_ms: int) -> str:
    signing = scenario.signing
    return secret_at(signing.secrets, at_ms, rotates_ms=signing.rotates)
