"""The client of a running service, for the commands that show or change something of it.

The key is taken from FANIN_KEY, or is the first of the service's own in FANIN_KEYS or FANIN_KEYS_FILE; the
secret header, where there are no keys, from FANIN_HEADER_SECRET. FANIN_KEY_FILE and FANIN_HEADER_SECRET_FILE
name files of them. None of these is a flag, because other users can read the command lines of processes.
"""

import json
import os
import re
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import click

from fanin.aggregator.auth import parse_header_secret, parse_keys, read_keys
from fanin.aggregator.errors import SettingsError
from fanin.aggregator.injected import without_injected
from fanin.aggregator.secret_files import with_secret_files

REQUEST_S = 30.0
PAGE = 500
DEFAULT_PORT = "8080"


class RequestFailedError(click.ClickException):
    """The service did not respond as asked; the message says why, without the key."""


class ServiceClient:
    """A client of one running service."""

    def __init__(self, url: str | None) -> None:
        """Use the service at ``url``, or at the one that the environment names (FANIN_URL, FANIN_PORT)."""
        self.url = (url or os.environ.get("FANIN_URL") or _local_url()).rstrip("/")

    def request(
        self, method: str, path: str, query: Mapping[str, str], *, timeout_s: float = REQUEST_S
    ) -> dict[str, Any]:
        """Send one request; return the JSON object of its response.

        Raises:
            RequestFailedError: no response, or a refusal.
            click.UsageError: the URL is none.
        """
        import httpx

        headers = _credentials(os.environ)
        try:
            # No proxy: the service is a neighbour, and its key must not pass through other hands.
            with httpx.Client(headers=headers, timeout=timeout_s, trust_env=False) as client:
                response = client.request(method, f"{self.url}{path}", params=query)
        except httpx.TimeoutException:
            raise RequestFailedError(f"{self.url} did not respond within {timeout_s:g} s") from None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise click.UsageError(f"{self.url!r} is not a URL like http://127.0.0.1:8080") from None
        except httpx.HTTPError as exc:
            # "[Errno 111] Connection refused": the number says nothing to people.
            reason = re.sub(r"^\[Errno -?\d+\] ", "", str(exc)) or type(exc).__name__
            raise RequestFailedError(
                f"{self.url}: {reason}; name the service with --url or FANIN_URL"
            ) from None
        return self._parse(response.status_code, response.content)

    def entries(
        self, path: str, field: str, query: Mapping[str, str], *, limit: int | None = None
    ) -> tuple[list[Mapping[str, Any]], bool]:
        """Get a list page by page, up to ``limit`` entries; return them, and whether there are more.

        Raises:
            RequestFailedError, click.UsageError: as `request`; or the response is not such a list.
        """
        found: list[Mapping[str, Any]] = []
        parameters = {"limit": str(PAGE), **query}
        while True:
            page = self.request("GET", path, parameters)
            if not {field, "next"} <= page.keys():
                raise RequestFailedError(f"{self.url} responded with no list: it is not an aggregator")
            found += page[field]
            if limit is not None and (len(found) > limit or (len(found) == limit and page["next"])):
                return found[:limit], True
            if page["next"] is None:
                return found, False
            parameters["after"] = page["next"]

    def _parse(self, status: int, body: bytes) -> dict[str, Any]:
        if status == HTTPStatus.UNAUTHORIZED:
            raise RequestFailedError(f"{self.url} requires a key, or another one: set FANIN_KEY")
        try:
            response = json.loads(body)
            if status == HTTPStatus.OK and isinstance(response, dict):
                return response
            problem = str(response["message"])
        except (ValueError, KeyError, TypeError):
            problem = "it is not an aggregator"
        raise RequestFailedError(f"{self.url} responded {status}: {problem}")


def _credentials(environment: Mapping[str, str]) -> dict[str, str]:
    """The headers that authenticate a request."""
    try:
        environment = with_secret_files(environment)
    except SettingsError as exc:
        raise RequestFailedError(f"no key to send: {exc}") from exc
    if key := _key(environment):
        return {"x-functions-key": key}
    try:
        if text := environment.get("FANIN_HEADER_SECRET"):
            secret = parse_header_secret(text)
            return {secret.name: secret.value}
    except ValueError as exc:
        raise RequestFailedError(f"no secret header to send: {exc}") from exc
    return {}


def _key(environment: Mapping[str, str]) -> str | None:
    """The key to send: FANIN_KEY, or the first of the service's own."""
    if key := environment.get("FANIN_KEY", "").strip():
        if not (key.isascii() and key.isprintable()):
            raise RequestFailedError("FANIN_KEY is not printable ASCII, so no service has such a key")
        return key
    try:
        if keys := environment.get("FANIN_KEYS"):
            return parse_keys(keys)[0]
        if file := environment.get("FANIN_KEYS_FILE"):
            return read_keys(Path(file).expanduser())[0]
    except ValueError as exc:
        raise RequestFailedError(f"no key to send: {exc}") from exc
    return None


def _local_url() -> str:
    environment = without_injected(os.environ)
    port = environment.get("FANIN_PORT") or environment.get("PORT") or DEFAULT_PORT
    return f"http://127.0.0.1:{port}"
