"""The server's admin interface: it learns from us where our handlers are, and lists what it keeps."""

import json
from typing import Any

import msgspec

from aggregator.engines.restate.http import Answer, Client
from aggregator.engines.restate.operation import LETTERS, RANK_LENGTH, STATE, load
from aggregator.errors import MalformedError, quoted
from aggregator.fanin import FanIn, Phase

_OK = range(200, 300)
# A token is the rank of the last one shown and its key.
_AFTER_RANK = ":"


class RefusedError(Exception):
    """The server did not do what it was asked for; the message is its own."""


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

    async def page(
        self, phase: Phase | None, after: str | None, limit: int
    ) -> tuple[list[FanIn], str | None]:
        """Operations in the order of their ranks, and the token for more.

        Raises:
            MalformedError: ``after`` is not such a token.
            RefusedError, UnreachableError, NoAnswerError: there is no list now.
        """
        where = [f"service_name = {_text(self._name)}", f"key = {_text(STATE)}"]
        rank = f"substr(value_utf8, 1, {RANK_LENGTH})"
        if phase is not None:
            where.append(f"substr(value_utf8, {RANK_LENGTH}, 1) = {_text(LETTERS[phase])}")
        if after is not None:
            last, key = _token(after)
            where.append(
                f"({rank} > {_text(last)} OR ({rank} = {_text(last)} AND service_key > {_text(key)}))"
            )
        rows = await self._query(
            f"SELECT service_key, value_utf8 FROM state WHERE {' AND '.join(where)} "  # noqa: S608 - see _text
            f"ORDER BY {rank}, service_key LIMIT {limit}"
        )
        stored = [row["value_utf8"] for row in rows]
        more = (
            f"{stored[-1][:RANK_LENGTH]}{_AFTER_RANK}{rows[-1]['service_key']}"
            if len(rows) == limit
            else None
        )
        return [load(text.encode()) for text in stored], more

    async def _query(self, sql: str) -> list[dict[str, Any]]:
        answer = _accepted(await self._client.post("/query", json.dumps({"query": sql}).encode()))
        rows: list[dict[str, Any]] = msgspec.json.decode(answer.body)["rows"]
        return rows


def _accepted(answer: Answer) -> Answer:
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


def _token(text: str) -> tuple[str, str]:
    rank, sign, key = text[:RANK_LENGTH], text[RANK_LENGTH : RANK_LENGTH + 1], text[RANK_LENGTH + 1 :]
    if sign != _AFTER_RANK or rank[:2] not in {"1-", "2-"} or not key:
        raise MalformedError(f"after={quoted(text)} is not the next of a page")
    return rank, key
