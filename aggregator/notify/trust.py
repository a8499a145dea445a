"""Certificates of one target: which authorities are trusted, and how we identify ourselves.

The files are looked at for each new connection, so that a certificate that was renewed is used without a
restart. What cannot be read then leaves the last one in force.
"""

import logging
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from fanin.aggregator import log

type _Identity = tuple[tuple[int, ...] | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """The files of a target; without them, the system's authorities are trusted (or SSL_CERT_FILE)."""

    ca_file: Path | None = None  # trusted instead of the system's authorities
    client_cert: Path | None = None  # with its chain; also with its key, unless that is in a file of its own
    client_key: Path | None = None
    client_key_password: str | None = field(default=None, repr=False)

    def context(self) -> ssl.SSLContext:
        """A context of what is in the files now.

        Raises:
            ValueError: a file cannot be read, or does not hold what it should; the message names it.
        """
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ValueError) as exc:
            raise ValueError(f"{self.ca_file}: no certificates can be read: {_why(exc)}") from exc
        if self.client_cert is not None:
            try:
                context.load_cert_chain(self.client_cert, self.client_key, password=self._password)
            except (OSError, ValueError) as exc:
                files = " and ".join(str(path) for path in (self.client_cert, self.client_key) if path)
                raise ValueError(f"{files}: no certificate with its key: {_why(exc)}") from exc
        return context

    def identity(self) -> _Identity:
        """What changes when a file is replaced or written."""
        return tuple(_identity(path) for path in (self.ca_file, self.client_cert, self.client_key) if path)

    def _password(self) -> str:
        # Without this, OpenSSL asks for it at the terminal.
        if self.client_key_password is None:
            raise ValueError("the key is encrypted, and client_key_password_env or _file is not set")
        return self.client_key_password


class TlsContexts:
    """The contexts of one target, made anew when a file changes."""

    def __init__(self, files: TlsFiles) -> None:
        """Read the files.

        Raises:
            ValueError: as `TlsFiles.context`.
        """
        self._files, self._identity, self._context = files, files.identity(), files.context()

    def current(self) -> ssl.SSLContext:
        """The context for a new connection."""
        identity = self._files.identity()
        if identity != self._identity:
            self._identity = identity
            try:
                self._context = self._files.context()
            except ValueError as exc:
                log.event(logging.ERROR, "certificates-unreadable", reason=exc)
            else:
                log.event(logging.INFO, "certificates-reloaded", files=_names(self._files))
        return self._context


def _names(files: TlsFiles) -> str:
    return ",".join(str(path) for path in (files.ca_file, files.client_cert, files.client_key) if path)


def _identity(path: Path) -> tuple[int, ...] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns


def _why(exc: Exception) -> str:
    if isinstance(exc, ssl.SSLError):
        return exc.reason or "not PEM"
    if isinstance(exc, OSError):
        return exc.strerror or str(exc)
    return str(exc)
