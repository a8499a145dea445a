"""Signatures of Standard Webhooks: a receiver can prove who sent a notification, and that it is whole."""

from collections.abc import Sequence
from datetime import UTC, datetime

from standardwebhooks import Webhook

# The specification wants 24 to 64 bytes of randomness.
SECRET_BYTES_MIN, SECRET_BYTES_MAX = 24, 64


class Signer:
    """Signs with every secret it has, so that one can be changed while receivers still know the old one."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._webhooks = [Webhook(secret) for secret in secrets]

    def sign(self, key: str, timestamp_s: int, body: bytes) -> str:
        """The value of ``webhook-signature`` for a message under that key, sent at that time."""
        at, text = datetime.fromtimestamp(timestamp_s, UTC), body.decode()
        return " ".join(webhook.sign(key, at, text) for webhook in self._webhooks)
