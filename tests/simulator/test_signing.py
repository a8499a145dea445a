"""Signatures, as implementations of Standard Webhooks check them."""

from fanin.simulator.signing import HEADERS, UNKNOWN_SIGNATURE, message_id, secret_at, signature, signed
from fanin.simulator.wire import address, webhook_request

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - published with the test vector
OTHER = "whsec_YW5vdGhlciBzZWNyZXQsIG5ld2VyIGFuZCBiZXR0ZXI="


def test_a_signature_is_what_the_reference_libraries_make_of_it() -> None:
    """Their own test vector: secret, id, timestamp and body, and what must come of them."""
    made = signature(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}')

    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_signed_request_says_who_when_and_what() -> None:
    """Three headers more, the time in whole seconds, and the request is otherwise the same."""
    plain = webhook_request(address("/hook?region={region}", "eastus"), {}, b"{}")

    ready = signed(plain, SECRET, "msg_1", epoch_ms=1_614_265_330_999)

    assert ready.headers[: len(plain.headers)] == plain.headers
    assert ready.headers[len(plain.headers) :] == (
        ("webhook-id", "msg_1"),
        ("webhook-timestamp", "1614265330"),
        ("webhook-signature", f"{UNKNOWN_SIGNATURE} {signature(SECRET, 'msg_1', '1614265330', b'{}')}"),
    )
    assert (ready.body, ready.target, len(HEADERS)) == (plain.body, plain.target, 3)


def test_the_second_secret_is_used_from_its_instant_on() -> None:
    """And without one, the first for ever."""
    rotating = [secret_at((SECRET, OTHER), at, rotates_ms=60_000) for at in (0, 59_999, 60_000)]

    assert rotating == [SECRET, SECRET, OTHER]
    assert secret_at((SECRET,), 10**9, rotates_ms=None) == SECRET


def test_a_delivery_keeps_its_id() -> None:
    """It belongs to the event and its region, whichever attempt or copy it is."""
    assert message_id("e1", "eastus") == message_id("e1", "eastus")
    assert len({message_id("e1", "eastus"), message_id("e1", "westus"), message_id("e2", "eastus")}) == 3
