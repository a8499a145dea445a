"""Asking a running service, for commands that show something of it.

The key is taken from FANIN_KEY, or is the first of the service's own in FANIN_KEYS or FANIN_KEYS_FILE; the
secret header, where there are no keys, from FANIN_HEADER_SECRET; never from a flag, where others could see
it.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from fanin.aggregator.auth import parse_header_secret, parse_keys, read_keys

REQUEST_S = 30.0
PAGE = 500
DEFAULT_PORT = "8080"
_OK, _UNAUTHORIZED = 200, 401


class RequestFailedError(click.ClickException):
    """The service did not tell; the message says why, without the key."""


class ServiceClient:
    """One running service, as its operator reaches it."""

    def __init__(self, url: str | None) -> None:
        """Reach the service at ``url``, or where the environment says (FANIN_URL, FANIN_PORT)."""
        self.url = (url or os.environ.get("FANIN_URL") or _local()).rstrip("/")

    async def request(self, method: str, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        """The JSON object that it answers.

        Raises:
            RequestFailedError: it does not, or it refuses.
        """
        import aiohttp

        headers = _credentials(os.environ)
        patience = aiohttp.ClientTimeout(total=REQUEST_S)
        try:
            async with (
                aiohttp.ClientSession(headers=headers, timeout=patience) as session,
                session.request(method, f"{self.url}{path}", params=query, allow_redirects=False) as answer,
            ):
                return self._understood(answer.status, await answer.read())
        except TimeoutError:
            raise RequestFailedError(f"{self.url} did not answer within {REQUEST_S:g} s") from None
        except aiohttp.InvalidURL:
            raise RequestFailedError(f"{self.url!r} is not a URL like http://127.0.0.1:8080") from None
        except (aiohttp.ClientError, OSError) as exc:
            reason = getattr(exc, "strerror", None) or type(exc).__name__
            raise RequestFailedError(
                f"{self.url}: {reason}; name the service with --url or FANIN_URL"
            ) from None

    async def entries(
        self, path: str, field: str, query: Mapping[str, str], *, limit: int | None = None
    ) -> tuple[list[Mapping[str, Any]], bool]:
        """A list that comes in pages, up to ``limit`` entries of it, and whether there are more.

        Raises:
            RequestFailedError: as `request`; or what it answers is no such list.
        """
        found: list[Mapping[str, Any]] = []
        asked = {"limit": str(PAGE), **query}
        while True:
            page = await self.request("GET", path, asked)
            if not {field, "next"} <= page.keys():
                raise RequestFailedError(
                    f"{self.url} answered something else than a list: this is no aggregator"
                )
            found += page[field]
            if limit is not None and (len(found) > limit or (len(found) == limit and page["next"])):
                return found[:limit], True
            if page["next"] is None:
                return found, False
            asked["after"] = page["next"]

    def _understood(self, status: int, body: bytes) -> dict[str, Any]:
        if status == _UNAUTHORIZED:
            raise RequestFailedError(f"{self.url} wants a key, or another one: set FANIN_KEY")
        try:
            said = json.loads(body)
            if status == _OK and isinstance(said, dict):
                return said
            problem = str(said["message"])
        except (ValueError, KeyError, TypeError):
            problem = "this is no aggregator"
        raise RequestFailedError(f"{self.url} answered {status}: {problem}")


def _credentials(environment: Mapping[str, str]) -> dict[str, str]:
    """The headers that open the door."""
    if key := _key(environment):
        return {"x-functions-key": key}
    try:
        if text := environment.get("FANIN_HEADER_SECRET"):
            secret = parse_header_secret(text)
            return {secret.name: secret.value}
    except ValueError as exc:
        raise RequestFailedError(f"no header to show: {exc}") from exc
    return {}


def _key(environment: Mapping[str, str]) -> str | None:
    """The key to show, from wherever the service may have its own."""
    if key := environment.get("FANIN_KEY", "").strip():
        return key
    try:
        if keys := environment.get("FANIN_KEYS"):
            return parse_keys(keys)[0]
        if file := environment.get("FANIN_KEYS_FILE"):
            return read_keys(Path(file).expanduser())[0]
    except ValueError as exc:
        raise RequestFailedError(f"no key to show: {exc}") from exc
    return None


def _local() -> str:
    port = os.environ.get("FANIN_PORT") or os.environ.get("PORT") or DEFAULT_PORT
    return f"http://127.0.0.1:{port}"
