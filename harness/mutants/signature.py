"""Signatures: who sent it, unaltered, and not long ago."""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from fanin.aggregator.clock import Clock
from fanin.harness.capabilities import OptionalCapability
from fanin.harness.mutants.envelope import asked, whole
from fanin.harness.mutants.mutant import Healthy, Mutant
from fanin.harness.mutants.variation import vary
from fanin.harness.world.asgi import AsgiApp
from fanin.harness.world.target import AppFactory, LoopClock

SIGNATURES: frozenset[OptionalCapability] = frozenset({"signatures"})
HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
TOLERANCE_S = 300
_REFUSED = 401


@dataclass(frozen=True, slots=True)
class Verifier:
    """Standard Webhooks' rules. What a bug leaves out is a flag."""

    secrets: Sequence[str]
    clock: Clock
    believes: bool = False  # everybody
    forgets_time: bool = False
    rotates: bool = True
    dates_by_payload: bool = False

    def accepts(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether one of our secrets signed just this, just now."""
        if self.believes:
            return True
        id_, at, signatures = (headers.get(name, "") for name in HEADERS)
        if not at.isdigit() or not (self.forgets_time or self._is_fresh(int(at), body)):
            return False
        secrets = self.secrets if self.rotates else self.secrets[:1]
        expected = [_sign(secret, f"{id_}.{at}.".encode() + body) for secret in secrets]
        return any(hmac.compare_digest(ours, theirs) for ours in expected for theirs in signatures.split(" "))

    def _is_fresh(self, at_s: int, body: bytes) -> bool:
        if self.dates_by_payload:
            said = msgspec.json.decode(body)["timestamp"]
            at_s = int(datetime.fromisoformat(said[:19] + "+00:00").timestamp())
        return abs(self.clock.now_ms() / 1000 - at_s) <= TOLERANCE_S


def _sign(secret: str, content: bytes) -> str:
    digest = hmac.new(base64.b64decode(secret[len("whsec_") :]), content, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def verifying(**flags: bool) -> AppFactory:
    """The real aggregator behind somebody who checks signatures, if it was told secrets."""
    real = vary()

    def build(environment: Mapping[str, str], epoch_ms: int) -> AsgiApp:
        app = real(environment, epoch_ms)
        secrets = environment.get("WEBHOOK_SECRETS", "").split()
        return _guarded(app, Verifier(secrets, LoopClock(epoch_ms), **flags)) if secrets else app

    return build


def _guarded(app: AsgiApp, verifier: Verifier) -> AsgiApp:
    async def wrapped(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        body = await whole(receive)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        status, answered = _REFUSED, list[tuple[bytes, bytes]]()
        if verifier.accepts(headers, body):
            status, answered = await asked(app, scope, body)
        await send({"type": "http.response.start", "status": status, "headers": answered})
        await send({"type": "http.response.body", "body": b""})

    return wrapped


MUTANTS = (
    Mutant(
        "no-signature-check",
        (),
        "Does not check signatures, so anybody may say that an image has arrived.",
        "signed",
        verifying(believes=True),
        capabilities=SIGNATURES,
    ),
    Mutant(
        "accepts-old-signatures",
        (),
        "Does not look when something was signed, so whoever recorded a request may send it again next year.",
        "signed",
        verifying(forgets_time=True),
        capabilities=SIGNATURES,
    ),
    Mutant(
        "single-secret",
        (),
        "Accepts one secret only, so every delivery is refused while the sender has rotated and it has not.",
        "signed",
        verifying(rotates=False),
        capabilities=SIGNATURES,
    ),
    Mutant(
        "age-from-event-time",
        ("B64",),
        "Measures the age of a request by when its event happened, so retries are refused in the end.",
        "signed",
        verifying(dates_by_payload=True),
        capabilities=SIGNATURES,
    ),
)
HEALTHY = (
    Healthy(
        "verifies-signatures",
        "Refuses what is not signed, or not by a secret that it knows, or more than five minutes ago.",
        verifying(),
        capabilities=SIGNATURES,
    ),
)
