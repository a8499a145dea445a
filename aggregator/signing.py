"""Signatures of Standard Webhooks: what a secret looks like, and how notifications are signed.

`fanin.aggregator.auth` verifies the signatures of webhooks that come in.
"""

import binascii
from collections.abc import Sequence
from datetime import UTC, datetime

from standardwebhooks import Webhook

SECRET_PREFIX = "whsec_"  # noqa: S105 - of every secret
# Of a symmetric secret, as the specification has it.
SECRET_BYTES_MIN, SECRET_BYTES_MAX = 24, 64


def is_secret(text: str) -> bool:
    """Whether this is base64 of as many bytes as a secret has. Prefix and padding may be missing."""
    encoded = text.removeprefix(SECRET_PREFIX)
    try:
        size = len(binascii.a2b_base64(encoded + "=" * (-len(encoded) % 4), strict_mode=True))
    except ValueError:  # binascii.Error is one
        return False
    return SECRET_BYTES_MIN <= size <= SECRET_BYTES_MAX


class Signer:
    """Signs with every secret it has, so that a secret can be replaced while receivers have the old one."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._webhooks = [Webhook(secret) for secret in secrets]

    def sign(self, key: str, timestamp_s: int, body: bytes) -> str:
        """Return the value of ``webhook-signature`` for a message with that key, sent at that time."""
        at, text = datetime.fromtimestamp(timestamp_s, UTC), body.decode()
        return " ".join(webhook.sign(key, at, text) for webhook in self._webhooks)
