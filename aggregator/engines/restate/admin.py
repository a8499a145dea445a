"""The server's admin interface: it registers our handlers, and lists stored states."""

import json
from typing import Any, NamedTuple

import msgspec

from fanin.aggregator.engines.restate import sort_key
from fanin.aggregator.engines.restate.http import RestateClient, ServerResponse
from fanin.aggregator.errors import MalformedError, quoted

_OK = range(200, 300)


class RefusedError(Exception):
    """The server refused a request; the message is its own."""


class StateTable(NamedTuple):
    """The states of one kind of object."""

    service: str
    entry: str  # the name of the state's only entry


class StatePage(NamedTuple):
    """States by key, in order, and the token that asks for more; None at the end."""

    rows: list[tuple[str, bytes]]
    next: str | None


class AdminClient:
    """A client of the admin interface."""

    def __init__(self, client: RestateClient, name: str) -> None:
        self._client, self._name = client, name

    async def register(self, uri: str, *, force: bool) -> None:
        """Register our handlers at ``uri``; the server asks there what they are. Repeating it is harmless.

        Raises:
            RefusedError, UnreachableError, NoResponseError: they are not registered.
        """
        request = {"uri": uri, "use_http_11": True, "force": force}
        _accepted(await self._client.post("/deployments", json.dumps(request).encode()))

    async def has_registered(self, uri: str, revision: str) -> bool:
        """Whether calls go to our handlers at ``uri``, in this revision."""
        response = await self._client.get(f"/services/{self._name}")
        if response.status not in _OK:
            return False
        service = msgspec.json.decode(response.body)
        if service.get("metadata", {}).get("revision") != revision:
            return False
        deployment = await self._client.get(f"/deployments/{service['deployment_id']}")
        registered = msgspec.json.decode(_accepted(deployment).body)
        return bool(str(registered.get("uri", "")).rstrip("/") == uri.rstrip("/"))

    async def page(self, table: StateTable, *, kind: str | None, after: str | None, limit: int) -> StatePage:
        """States in the order of their sort keys; with ``kind``, only those that have it in their sort key.

        Raises:
            MalformedError: ``after`` is not a token of such a page.
            RefusedError, UnreachableError, NoResponseError: there is no list now.
        """
        where = [f"service_name = {_text(table.service)}", f"key = {_text(table.entry)}"]
        order = f"substr(value_utf8, 1, {sort_key.LENGTH})"
        if kind is not None:
            where.append(f"substr(value_utf8, {sort_key.LENGTH}, 1) = {_text(kind)}")
        if after is not None:
            try:
                last, key = sort_key.split(after)
            except ValueError as exc:
                raise MalformedError(f"after={quoted(after)} is not what a page gave as its next") from exc
            where.append(
                f"({order} > {_text(last)} OR ({order} = {_text(last)} AND service_key > {_text(key)}))"
            )
        sql = "SELECT service_key, value_utf8 FROM state WHERE "
        rows = await self._query(f"{sql}{' AND '.join(where)} ORDER BY {order}, service_key LIMIT {limit}")
        following = (
            sort_key.token(rows[-1]["value_utf8"], rows[-1]["service_key"]) if len(rows) == limit else None
        )
        return StatePage([(row["service_key"], row["value_utf8"].encode()) for row in rows], following)

    async def newest(self, table: StateTable, *, first: int, limit: int) -> list[bytes]:
        """The states of one class of sort keys, in the opposite order.

        Raises:
            RefusedError, UnreachableError, NoResponseError: there is no list now.
        """
        rows = await self._query(
            f"SELECT value_utf8 FROM state WHERE service_name = {_text(table.service)}"  # noqa: S608 - escaped
            f" AND key = {_text(table.entry)} AND substr(value_utf8, 1, 1) = {_text(str(first))}"
            f" ORDER BY substr(value_utf8, 1, {sort_key.LENGTH}) DESC, service_key LIMIT {limit}"
        )
        return [row["value_utf8"].encode() for row in rows]

    async def _query(self, sql: str) -> list[dict[str, Any]]:
        response = _accepted(await self._client.post("/query", json.dumps({"query": sql}).encode()))
        rows: list[dict[str, Any]] = msgspec.json.decode(response.body)["rows"]
        return rows


def _accepted(response: ServerResponse) -> ServerResponse:
    if response.status in _OK:
        return response
    try:
        message = msgspec.json.decode(response.body)["message"]
    except (msgspec.DecodeError, KeyError, TypeError):
        message = response.body[:200].decode(errors="replace")
    raise RefusedError(f"answered {response.status}: {message}")


def _text(value: str) -> str:
    """A string as SQL writes it."""
    return "'" + value.replace("'", "''") + "'"
