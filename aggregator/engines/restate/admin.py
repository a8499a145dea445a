"""The server's admin interface: it learns from us where our handlers are, and lists what it keeps."""

import json
from typing import Any, NamedTuple

import msgspec

from fanin.aggregator.engines.restate import sort_key
from fanin.aggregator.engines.restate.http import Client, Response
from fanin.aggregator.errors import MalformedError, quoted

_OK = range(200, 300)


class RefusedError(Exception):
    """The server did not do what it was asked for; the message is its own."""


class Table(NamedTuple):
    """The states of one kind of object."""

    service: str
    entry: str  # the name of the state's only entry


class Stored(NamedTuple):
    """States by key, in order, and the token that asks for more; None at the end."""

    rows: list[tuple[str, bytes]]
    next: str | None


class Admin:
    """What we ask of the admin interface."""

    def __init__(self, client: Client, name: str) -> None:
        self._client, self._name = client, name

    async def register(self, uri: str, *, force: bool) -> None:
        """Tell the server that our handlers are at ``uri``; it asks there what they are. Again is harmless.

        Raises:
            RefusedError, UnreachableError, NoAnswerError: they are not known there.
        """
        request = {"uri": uri, "use_http_11": True, "force": force}
        _accepted(await self._client.post("/deployments", json.dumps(request).encode()))

    async def knows(self, uri: str, revision: str) -> bool:
        """Whether calls go to our handlers at ``uri``, in this revision of theirs."""
        answer = await self._client.get(f"/services/{self._name}")
        if answer.status not in _OK:
            return False
        service = msgspec.json.decode(answer.body)
        if service.get("metadata", {}).get("revision") != revision:
            return False
        deployment = await self._client.get(f"/deployments/{service['deployment_id']}")
        said = msgspec.json.decode(_accepted(deployment).body)
        return bool(str(said.get("uri", "")).rstrip("/") == uri.rstrip("/"))

    async def page(self, table: Table, *, letter: str | None, after: str | None, limit: int) -> Stored:
        """What is stored, in the order of ranks; with ``letter``, only what has it in its rank.

        Raises:
            MalformedError: ``after`` is not a token of such a page.
            RefusedError, UnreachableError, NoAnswerError: there is no list now.
        """
        where = [f"service_name = {_text(table.service)}", f"key = {_text(table.entry)}"]
        rank = f"substr(value_utf8, 1, {sort_key.LENGTH})"
        if letter is not None:
            where.append(f"substr(value_utf8, {sort_key.LENGTH}, 1) = {_text(letter)}")
        if after is not None:
            try:
                last, key = sort_key.split(after)
            except ValueError as exc:
                raise MalformedError(f"after={quoted(after)} is not what a page gave as its next") from exc
            where.append(
                f"({rank} > {_text(last)} OR ({rank} = {_text(last)} AND service_key > {_text(key)}))"
            )
        sql = "SELECT service_key, value_utf8 FROM state WHERE "
        rows = await self._query(f"{sql}{' AND '.join(where)} ORDER BY {rank}, service_key LIMIT {limit}")
        following = (
            sort_key.token(rows[-1]["value_utf8"], rows[-1]["service_key"]) if len(rows) == limit else None
        )
        return Stored([(row["service_key"], row["value_utf8"].encode()) for row in rows], following)

    async def _query(self, sql: str) -> list[dict[str, Any]]:
        answer = _accepted(await self._client.post("/query", json.dumps({"query": sql}).encode()))
        rows: list[dict[str, Any]] = msgspec.json.decode(answer.body)["rows"]
        return rows


def _accepted(answer: Response) -> Response:
    if answer.status in _OK:
        return answer
    try:
        said = msgspec.json.decode(answer.body)["message"]
    except (msgspec.DecodeError, KeyError, TypeError):
        said = answer.body[:200].decode(errors="replace")
    raise RefusedError(f"answered {answer.status}: {said}")


def _text(value: str) -> str:
    """A string as SQL writes it."""
    return "'" + value.replace("'", "''") + "'"
