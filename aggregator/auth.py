"""Who may come in: function keys, a secret header, signatures.

Rules of this file: whoever is refused learns nothing, not even which lock it was; every comparison takes the
same time whatever is offered; a secret is never part of a message, so only the operator's log has the reason.

A webhook opens every lock that is set. Everything else (status, instances, figures, the outbox) asks for a
key; where there are no keys, for the header.
"""

import asyncio
import hashlib
import hmac
import logging
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from standardwebhooks import Webhook, WebhookVerificationError

from fanin.aggregator import log
from fanin.aggregator.errors import UnauthorizedError
from fanin.aggregator.signing import SECRET_BYTES_MAX, SECRET_BYTES_MIN, SECRET_PREFIX, is_secret

# How often the file of keys is looked at, at most: a change counts with the first request after so long.
LOOK_S = 1.0
# RFC 9110, section 5.6.2.
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# Nobody's key or header is longer, and comparing costs by length.
SECRET_LENGTH_MAX = 1_024


class HeaderSecret(NamedTuple):
    """A header that every webhook must carry, as ACR's custom headers can."""

    name: str  # as headers are looked up: in small letters
    value: str

    def __repr__(self) -> str:
        return f"HeaderSecret({self.name})"


# --- reading them ---


def parse_keys(text: str) -> tuple[str, ...]:
    """Keys separated by commas.

    Raises:
        ValueError: an empty one, or one that no request could carry.
    """
    return _sound(part.strip() for part in text.split(","))


def read_keys(path: Path) -> tuple[str, ...]:
    """A file of keys: one a line; empty lines and lines that begin with ``#`` say nothing.

    Raises:
        ValueError: not readable, no key in it, or one that no request could carry.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as exc:
        raise ValueError(f"cannot read {path}: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise ValueError(f"{path} is not UTF-8 at byte {exc.start}") from exc
    keys = [line.strip() for line in lines]
    keys = [key for key in keys if key and not key.startswith("#")]
    if not keys:
        raise ValueError(f"{path} has no key; expected one a line")
    return _sound(keys)


def _sound(keys: Iterable[str]) -> tuple[str, ...]:
    keys = tuple(keys)
    if not all(keys):
        raise ValueError("has an empty key between its commas")
    for n, key in enumerate(keys, 1):
        if len(key) > SECRET_LENGTH_MAX or not (key.isascii() and key.isprintable()):
            raise ValueError(f"key {n} is not of 1 to {SECRET_LENGTH_MAX} printable ASCII characters")
    return keys


def parse_header_secret(text: str) -> HeaderSecret:
    """``Name: value``.

    Raises:
        ValueError: not of that form. The value is not quoted.
    """
    name, colon, value = (part.strip() for part in text.partition(":"))
    fits = len(value) <= SECRET_LENGTH_MAX and value.isascii() and value.isprintable()
    if not (colon and value and fits and _HEADER_NAME.fullmatch(name)):
        raise ValueError(
            "not of the form 'Name: value', such as 'Authorization: Bearer …' "
            "(it is not shown because it holds a secret)"
        )
    return HeaderSecret(name.lower(), value)


def parse_signing_secrets(text: str) -> tuple[str, ...]:
    """Secrets of Standard Webhooks, ``whsec_`` and base64, separated by commas.

    Raises:
        ValueError: not of that form, or too short. They are not quoted.
    """
    secrets = tuple(part.strip() for part in text.split(","))
    for n, secret in enumerate(secrets, 1):
        if not (secret.startswith(SECRET_PREFIX) and is_secret(secret)):
            raise ValueError(
                f"secret {n} is not '{SECRET_PREFIX}' and the base64 of {SECRET_BYTES_MIN} to "
                f"{SECRET_BYTES_MAX} bytes (it is not shown); "
                "make one with: echo whsec_$(openssl rand -base64 32)"
            )
    return secrets


# --- checking requests ---


class Authenticator:
    """Checks the credentials of requests: function keys, a secret header, signatures."""

    def __init__(
        self,
        *,
        keys: tuple[str, ...] = (),
        keys_file: Path | None = None,
        header: HeaderSecret | None = None,
        signing: tuple[str, ...] = (),
    ) -> None:
        """Take what the settings say; ``keys`` are what ``keys_file`` held when they were read."""
        self.keys = keys
        self._digests = [_digest(key) for key in keys]
        self._file = keys_file
        self._seen = _look(keys_file) if keys_file else None
        self._looked_s = 0.0  # loop time
        self._header = (header.name, _digest(header.value)) if header else None
        self._signing = [Webhook(secret) for secret in signing]

    def require_key(self, headers: Mapping[str, str], query: Mapping[str, str]) -> None:
        """Ask for a key, or where there are none for the header.

        Azure Functions' two places for a key: the header ``x-functions-key``, the parameter ``code``.

        Raises:
            UnauthorizedError: there are locks, and this opens none.
        """
        if not self._digests:
            self.require_header(headers)
            return
        if self._file is not None:
            self._look_again(self._file)
        offered = _digest(headers.get("x-functions-key") or query.get("code", ""))
        if not sum(hmac.compare_digest(offered, digest) for digest in self._digests):
            raise UnauthorizedError("no function key, or a wrong one")

    def require_header(self, headers: Mapping[str, str]) -> None:
        """Ask for the secret header, if one is set.

        Raises:
            UnauthorizedError: it is not there, or has another value.
        """
        if self._header is None:
            return
        name, digest = self._header
        if not hmac.compare_digest(_digest(headers.get(name, "")), digest):
            raise UnauthorizedError(f"no header {name}, or a wrong one")

    def verify_signature(self, headers: Mapping[str, str], body: bytes) -> None:
        """Ask for a signature of Standard Webhooks, no older or newer than five minutes, if secrets are set.

        One that is sent again is a duplicate like any other, so nothing is remembered here.

        Raises:
            UnauthorizedError: none fits.
        """
        if not self._signing:
            return
        reason = ""
        for webhook in self._signing:
            try:
                webhook.verify(body, dict(headers), json_parse=False)
            except (WebhookVerificationError, ValueError) as exc:  # ValueError: not even of that form
                reason = str(exc) if isinstance(exc, WebhookVerificationError) else "malformed"
            else:
                return
        raise UnauthorizedError(f"no signature that fits: {reason}")

    def _look_again(self, path: Path) -> None:
        """Take over a changed file of keys. One that cannot be used changes nothing."""
        now_s = asyncio.get_running_loop().time()
        if now_s < self._looked_s + LOOK_S:
            return
        self._looked_s = now_s
        seen = _look(path)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self.keys = read_keys(path)
        except ValueError as exc:
            log.event(logging.ERROR, "keys-unreadable", reason=exc, keys=len(self.keys))
            return
        self._digests = [_digest(key) for key in self.keys]
        log.event(logging.WARNING, "keys-reloaded", keys=len(self.keys))


def _digest(secret: str) -> bytes:
    """Equal length for everything, so that comparing does not tell a secret's."""
    return hashlib.sha256(secret.encode()).digest()


def _look(path: Path) -> tuple[int, int, int] | None:
    """What changes when a file does, also when another one takes its name, as mounted secrets do."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
