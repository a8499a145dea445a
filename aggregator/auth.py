"""Authentication of requests: function keys, a secret header, signatures.

Rules of this file: a refused sender does not learn which credential was missing or wrong; every comparison
takes the same time, whatever is offered; a secret is never part of a message. Only the log has the reason.

A webhook needs every credential that is configured. All other endpoints (status, instances, metrics, outbox)
need a key; if no keys are configured, the header.
"""

import asyncio
import hashlib
import hmac
import logging
import os
import re
import stat
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from standardwebhooks import Webhook, WebhookVerificationError

from fanin.aggregator import log
from fanin.aggregator.errors import UnauthorizedError
from fanin.aggregator.region_names import QUOTES
from fanin.aggregator.signing import SECRET_BYTES_MAX, SECRET_BYTES_MIN, SECRET_PREFIX, is_secret

# The shortest time between two checks of the file of keys: a request after it sees a change.
RELOAD_S = 1.0
# How long a signature can be valid, from five minutes before its timestamp to five after, and how many ids of
# messages are remembered for so long: 160 a second.
MESSAGE_S, MESSAGES_MAX = 600.0, 100_000
# More than a thousand of the longest keys.
KEYS_BYTES_MAX = 1 << 20
# RFC 9110, section 5.6.2.
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# Of shells, Azure Pipelines, Octopus and Helm. Such a key would be known to every reader of the template.
_PLACEHOLDER = re.compile(r"[$#]\{.*\}#?|\$\(.*\)|\{\{.*\}\}")
_MOUNTS = Path("/proc/self/mountinfo")
# No key or header needs more, and the cost of a comparison grows with the length.
SECRET_LENGTH_MAX = 1_024
# A shorter secret, or one with fewer different characters, is warned of. 16 hexadecimal digits are 64 bits.
SECRET_LENGTH_MIN, SECRET_CHARACTERS_MIN = 16, 6


class HeaderSecret(NamedTuple):
    """A header that every webhook must carry, as ACR's custom headers can."""

    name: str  # as headers are looked up: in small letters
    value: str

    def __repr__(self) -> str:
        return f"HeaderSecret({self.name})"


class SigningSecret(NamedTuple):
    """A secret of Standard Webhooks."""

    secret: str
    region: str | None  # it signs this region's webhooks only; None: those of any region

    def __repr__(self) -> str:
        return f"SigningSecret({self.region})"


# --- parsing ---


def parse_keys(text: str) -> tuple[str, ...]:
    """Parse keys that are separated by commas.

    Raises:
        ValueError: a key is empty, or cannot be sent in a request.
    """
    return _validated(part.strip() for part in text.split(","))


def read_keys(path: Path) -> tuple[str, ...]:
    """Read a file of keys, one per line. Empty lines and lines that begin with ``#`` are ignored.

    Raises:
        ValueError: the file cannot be read, has no key, or has one that cannot be sent in a request.
    """
    try:
        with path.open("rb") as file:
            lines = file.read(KEYS_BYTES_MAX).decode().splitlines()
    except OSError as exc:
        raise ValueError(f"cannot read {path}: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise ValueError(f"{path} is not UTF-8 at byte {exc.start}") from exc
    keys = [line.strip() for line in lines]
    keys = [key for key in keys if key and not key.startswith("#")]
    if not keys:
        raise ValueError(f"{path} has no key; expected one per line")
    return _validated(keys)


def mount_warning(path: Path) -> str | None:
    """Say why changes of the file at ``path`` would not be seen, or None if they would.

    A bind mount of a file, as ``docker -v FILE:FILE`` and Kubernetes' ``subPath`` make it, keeps its inode:
    a file that is renamed over it outside is never seen inside. [proc_pid_mountinfo(5)]
    """
    try:
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:  # not Linux
        return None
    points = {line.split(" ")[4] for line in mounts if line.count(" ") > 4}  # noqa: PLR2004 - the fifth field
    if _as_mount_point(os.path.realpath(path)) not in points:
        return None
    return f"{path} is itself a mount point, so a file renamed over it is not seen; mount its folder instead"


def _as_mount_point(path: str) -> str:
    """Escape blanks and backslashes as the kernel does."""
    return re.sub(r"[ \t\n\\]", lambda found: f"\\{ord(found[0]):03o}", path)


def _validated(keys: Iterable[str]) -> tuple[str, ...]:
    keys = tuple(keys)
    if not all(keys):
        raise ValueError("has an empty key between its commas")
    for n, key in enumerate(keys, 1):
        if len(key) > SECRET_LENGTH_MAX or not (key.isascii() and key.isprintable()):
            raise ValueError(f"key {n} is not of 1 to {SECRET_LENGTH_MAX} printable ASCII characters")
        if key[0] in QUOTES and key[0] in (key[-1], keys[-1][-1]):
            raise ValueError(f"key {n} is in quotes, which `docker --env-file` keeps; write it without them")
        if _PLACEHOLDER.fullmatch(key):
            raise ValueError(f"key {n} is a placeholder that was not replaced; write the key itself")
    return keys


def parse_header_secret(text: str) -> HeaderSecret:
    """Parse ``Name: value``.

    Raises:
        ValueError: not of that form. The message does not quote the value.
    """
    name, colon, value = (part.strip() for part in text.partition(":"))
    fits = len(value) <= SECRET_LENGTH_MAX and value.isascii() and value.isprintable()
    if not (colon and value and fits and _HEADER_NAME.fullmatch(name)):
        raise ValueError(
            "not of the form 'Name: value', such as 'Authorization: Bearer …' "
            "(it is not shown because it holds a secret)"
        )
    return HeaderSecret(name.lower(), value)


def parse_signing_secrets(text: str) -> tuple[SigningSecret, ...]:
    """Parse secrets of Standard Webhooks, ``whsec_`` and base64, separated by commas.

    ``eastus=whsec_…`` is a secret that signs webhooks of this region only.

    Raises:
        ValueError: not of that form, or too short. The message does not quote them.
    """
    found = []
    for n, part in enumerate(text.split(","), 1):
        before, prefix, encoded = part.strip().partition(SECRET_PREFIX)
        region, equals, rest = before.partition("=")
        if not (prefix and is_secret(encoded)) or rest or bool(equals) != bool(region.strip()):
            raise ValueError(
                f"secret {n} is not '{SECRET_PREFIX}' and the base64 of {SECRET_BYTES_MIN} to "
                f"{SECRET_BYTES_MAX} bytes, with REGION= before it or not (it is not shown); "
                "make one with: echo whsec_$(openssl rand -base64 32)"
            )
        found.append(SigningSecret(prefix + encoded, region.strip().casefold() or None))
    return tuple(found)


def credential_warnings(
    keys: Iterable[str], keys_file: Path | None, header: HeaderSecret | None
) -> list[str]:
    """What is weak about credentials, in sentences without the secrets."""
    found = [
        f"function key {n} {problem}; make one with: openssl rand -hex 24"
        for n, key in enumerate(keys, 1)
        if (problem := _weakness(key))
    ]
    if header and (problem := _weakness(header.value)):
        found.append(f"the value of the header {header.name} {problem}")
    if keys_file is not None:
        try:
            mode = keys_file.stat().st_mode
        except OSError:
            return found
        if stat.S_ISREG(mode) and mode & (stat.S_IROTH | stat.S_IWOTH):
            found.append(f"every user of this machine can read or change {keys_file}; chmod o= takes it away")
    return found


def _weakness(secret: str) -> str:
    if len(secret) < SECRET_LENGTH_MIN:
        return f"has fewer than {SECRET_LENGTH_MIN} characters and can be guessed"
    if len(set(secret)) < SECRET_CHARACTERS_MIN:
        return f"has fewer than {SECRET_CHARACTERS_MIN} different characters and can be guessed"
    return ""


# --- checking requests ---


class Authenticator:
    """Checks the credentials of requests: function keys, a secret header, signatures."""

    def __init__(
        self,
        *,
        keys: tuple[str, ...] = (),
        keys_file: Path | None = None,
        header: HeaderSecret | None = None,
        signing: tuple[SigningSecret, ...] = (),
    ) -> None:
        """Use the credentials of the settings; ``keys`` is the content of ``keys_file`` at the start."""
        self.keys = keys
        self._digests = [_digest(key) for key in keys]
        # A pipe (``--keys-file <(…)``) can be read once only.
        self._file = keys_file if keys_file is None or not keys_file.is_fifo() else None
        if self._file is not None and (warning := mount_warning(self._file)):
            log.event(logging.WARNING, "keys-file-mounted", reason=warning)
        self._problem = ""  # why the file could not be read the last time
        self._checked_s = 0.0  # loop time
        self._header = (header.name, _digest(header.value)) if header else None
        self._signing = [(Webhook(secret), region) for secret, region in signing]
        # By digest of a message's id: the region that it came from, and when that may be forgotten.
        self._message_regions: OrderedDict[bytes, tuple[str, float]] = OrderedDict()

    def require_key(self, headers: Mapping[str, str], query: Mapping[str, str]) -> None:
        """Ask for a key, or where there are none for the header.

        Azure Functions' two places for a key: the header ``x-functions-key``, the parameter ``code``; else
        ``Authorization: Bearer``, which Prometheus sends.

        Args:
            headers: By name in any letter case.
            query: By name in small letters.

        Raises:
            UnauthorizedError: there are locks, and this opens none.
        """
        if not self._digests:
            self.require_header(headers)
            return
        if self._file is not None:
            self._reload(self._file)
        offered = _digest(headers.get("x-functions-key") or query.get("code") or _bearer(headers))
        if not sum(hmac.compare_digest(offered, digest) for digest in self._digests):
            raise UnauthorizedError("the function key is missing or wrong")

    def require_header(self, headers: Mapping[str, str]) -> None:
        """Check the secret header, if one is configured.

        Raises:
            UnauthorizedError: the header is missing, or has another value.
        """
        if self._header is None:
            return
        name, digest = self._header
        if not hmac.compare_digest(_digest(headers.get(name, "")), digest):
            raise UnauthorizedError(f"the header {name} is missing or wrong")

    def verify_signature(self, headers: Mapping[str, str], body: bytes, region: str) -> None:
        """Verify the Standard Webhooks signature, if secrets are configured.

        Its timestamp may differ by five minutes. A request that is replayed for its own region is a duplicate
        like any other. The region is in the URL, which is not signed: a secret of the region binds it, and
        with any other one a message's id counts for the first region that it comes from.

        Raises:
            UnauthorizedError: no signature is valid, or the message came from another region before.
        """
        if not self._signing:
            return
        reason = "no secret is of its region"
        for webhook, of_region in self._signing:
            if of_region not in (None, region):
                continue
            try:
                webhook.verify(body, dict(headers), json_parse=False)
            except (WebhookVerificationError, ValueError) as exc:  # ValueError: not even of that form
                reason = str(exc) if isinstance(exc, WebhookVerificationError) else "malformed"
            else:
                if of_region is None:
                    self._bind(headers["webhook-id"], region)
                return
        raise UnauthorizedError(f"no valid signature: {reason}")

    def _bind(self, message_id: str, region: str) -> None:
        """Remember the region of a message, for as long as its signature is valid."""
        now_s = asyncio.get_running_loop().time()
        known = self._message_regions
        while known and (len(known) > MESSAGES_MAX or next(iter(known.values()))[1] < now_s):
            known.popitem(last=False)
        digest = _digest(message_id)
        if known.setdefault(digest, (region, now_s + MESSAGE_S))[0] != region:
            raise UnauthorizedError("the message's webhook-id came from another region before")

    def _reload(self, path: Path) -> None:
        """Reload the keys if their file has changed. If it cannot be read, the last keys stay valid.

        The file itself is compared, not its time or size: one that is replaced between a look at those and
        the reading, or twice within the clock's grain, would never be read again.
        """
        now_s = asyncio.get_running_loop().time()
        if now_s < self._checked_s + RELOAD_S:
            return
        self._checked_s = now_s
        try:
            keys = read_keys(path)
        except ValueError as exc:
            if str(exc) != self._problem:
                self._problem = str(exc)
                log.event(logging.ERROR, "keys-unreadable", reason=exc, keys=len(self.keys))
            return
        self._problem = ""
        if keys == self.keys:
            return
        self.keys = keys
        self._digests = [_digest(key) for key in keys]
        log.event(logging.WARNING, "keys-reloaded", keys=len(keys))


def _bearer(headers: Mapping[str, str]) -> str:
    """The token of ``Authorization: Bearer``. The scheme's letter case does not matter (RFC 9110, 11.1)."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.casefold() == "bearer" else ""


def _digest(secret: str) -> bytes:
    """Digests have one length, so the time of a comparison does not reveal a secret's length."""
    return hashlib.sha256(secret.encode()).digest()
