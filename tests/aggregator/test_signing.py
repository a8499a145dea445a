"""Signatures of Standard Webhooks, held to the vectors that its libraries publish."""

from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from fanin.aggregator.signing import Signer

# The vector that the libraries of all languages are tested with.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - published
KEY = "msg_p5jXN8AQM9LWM0D4loKWxJek"
TIMESTAMP_S = 1_614_265_330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
# A secret of our own, which a receiver may still have.
OLD = "whsec_aHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVyMg=="


def test_the_published_vector() -> None:
    """Key, time and body in, this signature out."""
    assert Signer([SECRET]).sign(KEY, TIMESTAMP_S, BODY) == SIGNATURE


def test_while_a_secret_is_changed_there_are_two_signatures() -> None:
    """The new one first; the published one is among them."""
    both = Signer([OLD, SECRET]).sign(KEY, TIMESTAMP_S, BODY).split(" ")

    assert both == [Signer([OLD]).sign(KEY, TIMESTAMP_S, BODY), SIGNATURE]


@pytest.mark.parametrize("secret", [SECRET, OLD])
def test_a_receiver_with_either_secret_is_convinced(secret: str) -> None:
    """By the library's own check; and not by another body."""
    now_s = int(datetime.now(UTC).timestamp())
    headers = {
        "webhook-id": KEY,
        "webhook-timestamp": str(now_s),
        "webhook-signature": Signer([OLD, SECRET]).sign(KEY, now_s, BODY),
    }

    assert Webhook(secret).verify(BODY, headers) == {"test": 2432232314}
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY + b" ", headers)
