"""Signs webhooks as Standard Webhooks 1.0.0 specifies: HMAC-SHA256 over id, timestamp and body.

Rules of this file: pure; the instant is given. The secret's bytes are what follows ``whsec_``, in base64.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import replace

from fanin.simulator.wire import WebhookRequest

# What the reference libraries of Standard Webhooks tolerate between a signature's timestamp and now.
TOLERANCE_MS = 5 * 60_000
# A secret that no scenario can name: it is longer than they may be.
FOREIGN_SECRET = "whsec_" + base64.b64encode(bytes(66)).decode()
# A sender may sign in a second way, with a key pair. Who does not know that takes the other signature.
UNKNOWN_SIGNATURE = "v1a," + base64.b64encode(bytes(64)).decode()
HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")


def secret_at(secrets: Sequence[str], at_ms: int, *, rotates_ms: int | None) -> str:
    """The secret that the sender signs with: the first, and from ``rotates_ms`` on the second."""
    rotated = rotates_ms is not None and at_ms >= rotates_ms
    return secrets[1 if rotated else 0]


def message_id(event_id: str, region: str) -> str:
    """A delivery's ``webhook-id``: the same for each of its attempts and copies."""
    return f"msg_{hashlib.blake2b(f'{event_id}/{region}'.encode(), digest_size=12).hexdigest()}"


def signature(secret: str, id_: str, timestamp: str, body: bytes) -> str:
    """The value of ``webhook-signature``."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{id_}.{timestamp}.".encode() + body, "sha256")
    return f"v1,{base64.b64encode(digest).decode()}"


def signed(request: WebhookRequest, secret: str, id_: str, *, epoch_ms: int) -> WebhookRequest:
    """The same request with the three headers, of which the last has several signatures.

    Args:
        request: Unsigned.
        secret: ``whsec_`` and the key's bytes in base64.
        id_: The message's.
        epoch_ms: When it is signed, in Unix milliseconds; the header has whole seconds.
    """
    timestamp = str(epoch_ms // 1000)
    signatures = f"{UNKNOWN_SIGNATURE} {signature(secret, id_, timestamp, request.body)}"
    values = (id_, timestamp, signatures)
    return replace(request, headers=(*request.headers, *zip(HEADERS, values, strict=True)))
