"""An aggregator that speaks a language of its own: another notification, and 409 for what it has taken."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from unmodified import create_app as in_our_words  # type: ignore[import-not-found]

SPELLED = {"completed": "synced", "timed_out": "expired"}


class Translated:
    """Posts what the aggregator inside would post, in other words."""

    def __init__(self, session: Any) -> None:
        self._session = session

    async def post(self, url: str, *, json: dict[str, Any], headers: dict[str, str]) -> Any:
        image = {name: json[name] for name in ("repository", "tag", "digest")}
        body = {"data": {"push": json["id"], "late": ", ".join(json["missing"]), "image": image}}
        named = {"x-event-key": headers["webhook-id"], "x-outcome": SPELLED[json["outcome"]]}
        return await self._session.post(url, json=body, headers=named)


def create_app() -> Starlette:
    inside = in_our_words()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with inside.router.lifespan_context(app):
            app.state.http = Translated(app.state.http)
            yield

    async def push(request: Request) -> Response:
        await inside.routes[0].endpoint(request)
        return Response(status_code=409)

    return Starlette(routes=[Route("/api/ImagePush", push, methods=["POST"])], lifespan=lifespan)
