"""Middleware in front of an application: what it reads, changes and leaves alone."""

import json
from typing import Any

import pytest

from fanin.harness.mutants.middleware import (
    AppResponse,
    Forward,
    Middleware,
    WebhookCall,
    intercept,
    replace_status,
)

pytestmark = pytest.mark.anyio

BODY = b'{"id": "1", "action": "push"}'


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers 202 with the query and the body that it has read."""
    body = b""
    while True:
        message = await receive()
        body += message["body"]
        if not message.get("more_body"):
            break
    lengths = [value for name, value in scope["headers"] if name == b"content-length"]
    answer = scope["query_string"] + b" " + body + b" " + b",".join(lengths)
    await send({"type": "http.response.start", "status": 202, "headers": [(b"retry-after", b"1")]})
    await send({"type": "http.response.body", "body": answer})


def scope(
    method: str = "POST", path: str = "/api/ImagePush", query: bytes = b"region=east"
) -> dict[str, Any]:
    headers = [(b"Content-Type", b"application/json"), (b"content-length", b"29")]
    return {"type": "http", "method": method, "path": path, "query_string": query, "headers": headers}


async def request(
    middleware: Middleware, scope: dict[str, Any], *messages: dict[str, Any]
) -> tuple[int, bytes] | None:
    """Status and body of the response to a request; None without one."""
    waiting = list(messages or ({"type": "http.request", "body": BODY, "more_body": False},))
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    await middleware(echo)(scope, receive, send)
    return (sent[0]["status"], sent[1]["body"]) if sent else None


async def forwarding(call: WebhookCall, forward: Forward) -> AppResponse:
    return await forward(call)


async def test_a_forwarded_webhook_is_what_was_sent() -> None:
    """In pieces or in one."""
    pieces = (
        {"type": "http.request", "body": BODY[:10], "more_body": True},
        {"type": "http.request", "body": BODY[10:], "more_body": False},
    )

    assert await request(intercept(forwarding), scope(), *pieces) == (202, b"region=east " + BODY + b" 29")


async def test_a_handler_may_change_the_payload_and_the_url() -> None:
    """The length of the body is stated again."""

    async def change(call: WebhookCall, forward: Forward) -> AppResponse:
        return await forward(call.with_payload(id="12").with_query(code="a b"))

    status, answer = await request(intercept(change), scope()) or (0, b"")

    query, body, length = (
        answer.rpartition(b" ")[0].partition(b" ")[0],
        *answer.split(b" ", 1)[1].rsplit(b" ", 1),
    )
    assert (status, query) == (202, b"region=east&code=a+b")
    assert json.loads(body) == {"id": "12", "action": "push"}
    assert int(length) == len(body)


async def test_a_handler_may_answer_by_itself() -> None:
    """The application then sees nothing of the webhook."""

    async def refuse(call: WebhookCall, forward: Forward) -> AppResponse:  # noqa: ARG001 - one signature for all
        return AppResponse(422, body=call.region.encode())

    assert await request(intercept(refuse), scope()) == (422, b"east")


@pytest.mark.parametrize(
    ("path", "query", "region"),
    [
        ("/api/ImagePush", b"region=%20East+", " East "),
        ("/webhooks/west us", b"", "west us"),
        ("/webhooks/west%20us", b"", "west us"),
        ("/api/ImagePush", b"", ""),
    ],
)
def test_the_region_is_read_where_the_url_has_it(path: str, query: bytes, region: str) -> None:
    """Decoded, but not normalised."""
    assert WebhookCall(scope(path=path, query=query), b"").region == region


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"a"', b"\xff"])
def test_a_body_that_is_no_object_has_an_empty_payload(body: bytes) -> None:
    """Its refusal is left to the application."""
    assert WebhookCall(scope(), body).payload == {}


def test_headers_are_found_in_lower_case() -> None:
    """HTTP's names have no case."""
    assert WebhookCall(scope(), b"").headers["content-type"] == "application/json"


async def test_other_requests_are_left_alone() -> None:
    """A handler answers webhooks only."""

    async def never(call: WebhookCall, forward: Forward) -> AppResponse:
        raise AssertionError(call, forward)

    assert await request(intercept(never), scope("GET")) == (202, b"region=east " + BODY + b" 29")


async def test_a_client_that_disconnects_within_the_body_gets_no_answer() -> None:
    """Half a body is no webhook."""
    pieces = (
        {"type": "http.request", "body": BODY[:10], "more_body": True},
        {"type": "http.disconnect"},
    )

    assert await request(intercept(forwarding), scope(), *pieces) is None


async def test_statuses_are_replaced_by_the_applications_own() -> None:
    """A status that has no replacement stays as it is."""
    assert (await request(replace_status({202: 204}), scope()) or (0, b""))[0] == 204
    assert (await request(replace_status({400: 500}), scope()) or (0, b""))[0] == 202
