"""Signatures of webhooks: by a known secret, of exactly this body, and not long ago."""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from fanin.aggregator.clock import Clock
from fanin.harness.capabilities import OptionalCapability
from fanin.harness.mutants.middleware import AppResponse, Forward, WebhookCall, intercept
from fanin.harness.mutants.mutant import Healthy, Mutant
from fanin.harness.mutants.variation import vary
from fanin.harness.world.asgi import AsgiApp
from fanin.harness.world.target import AppFactory, LoopClock

SIGNATURES: frozenset[OptionalCapability] = frozenset({"signatures"})
HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
TOLERANCE_S = 300
UNAUTHORIZED = 401


@dataclass(frozen=True, slots=True)
class SignatureVerifier:
    """The rules of Standard Webhooks. Each flag is a bug, or leaves out a rule."""

    secrets: Sequence[str]
    clock: Clock
    checks_signature: bool = True
    checks_age: bool = True
    knows_all_secrets: bool = True
    age_from_event: bool = False
    reads_list: bool = True

    def accepts(self, call: WebhookCall) -> bool:
        """Whether the request was signed with one of the secrets, within the last five minutes."""
        if not self.checks_signature:
            return True
        headers = call.headers
        id_, at, signatures = (headers.get(name, "") for name in HEADERS)
        if not at.isdigit() or (self.checks_age and not self._is_fresh(int(at), call)):
            return False
        secrets = self.secrets if self.knows_all_secrets else self.secrets[:1]
        expected = [_sign(secret, f"{id_}.{at}.".encode() + call.body) for secret in secrets]
        listed = signatures.split(" ") if self.reads_list else [signatures]
        return any(hmac.compare_digest(ours, theirs) for ours in expected for theirs in listed)

    def _is_fresh(self, at_s: int, call: WebhookCall) -> bool:
        if self.age_from_event:
            text = call.payload["timestamp"]
            at_s = int(datetime.fromisoformat(text[:19] + "+00:00").timestamp())
        return abs(self.clock.now_ms() / 1000 - at_s) <= TOLERANCE_S


def _sign(secret: str, content: bytes) -> str:
    digest = hmac.new(base64.b64decode(secret[len("whsec_") :]), content, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def _verifying(**flags: bool) -> AppFactory:
    """The real aggregator, with this check of signatures in place of its own, if it is given secrets."""

    def factory(environment: Mapping[str, str], epoch_ms: int) -> AsgiApp:
        secrets = environment.get("WEBHOOK_SECRETS", "").split()
        if not secrets:
            return vary()(environment, epoch_ms)
        verifier = SignatureVerifier(secrets, LoopClock(epoch_ms), **flags)

        async def handle(call: WebhookCall, forward: Forward) -> AppResponse:
            return await forward(call) if verifier.accepts(call) else AppResponse(UNAUTHORIZED)

        without = {name: value for name, value in environment.items() if name != "FANIN_SIGNING_SECRETS"}
        return vary(middleware=intercept(handle))(without, epoch_ms)

    return factory


MUTANTS = (
    Mutant(
        "no-signature-check",
        (),
        "Does not check signatures, so every request may report that an image has arrived.",
        "signed",
        _verifying(checks_signature=False),
        capabilities=SIGNATURES,
    ),
    Mutant(
        "accepts-old-signatures",
        (),
        "Does not check when a request was signed, so a recorded request can be sent again a year later.",
        "signed",
        _verifying(checks_age=False),
        capabilities=SIGNATURES,
    ),
    Mutant(
        "single-secret",
        (),
        "Accepts one secret only, so every delivery is refused after the sender has rotated its secret.",
        "signed",
        _verifying(knows_all_secrets=False),
        capabilities=SIGNATURES,
    ),
    Mutant(
        "expects-one-signature",
        ("B64",),
        "Compares the whole header with one signature, so a delivery that is signed in two ways is refused.",
        "signed",
        _verifying(reads_list=False),
        capabilities=SIGNATURES,
    ),
    Mutant(
        "age-from-event-time",
        ("B64",),
        "Computes the age of a request from the time of its event, so late retries are refused.",
        "signed",
        _verifying(age_from_event=True),
        capabilities=SIGNATURES,
    ),
)
HEALTHY = (
    Healthy(
        "verifies-signatures",
        "Refuses a request that is not signed, or with an unknown secret, or more than five minutes ago.",
        _verifying(),
        capabilities=SIGNATURES,
    ),
)
