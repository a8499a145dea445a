"""The yardstick: a plain Starlette route that decodes a webhook and stores nothing. Prints its port.

It shares nothing with the product: uvicorn with its own HTTP (httptools) on uvloop, Starlette's `Route`,
`Request` and `Response`, and a decoder of the same fields. It is what a service would cost that does not fan
in, does not authenticate and forgets.
"""

import socket

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


class PushTarget(msgspec.Struct):
    """``target`` of the payload."""

    repository: str | None = None
    tag: str | None = None
    digest: str | None = None
    name: str | None = None
    version: str | None = None


class PushRequest(msgspec.Struct):
    """``request`` of the payload."""

    host: str | None = None


class PushEvent(msgspec.Struct):
    """The payload."""

    action: str
    id: str
    target: PushTarget | None = None
    request: PushRequest | None = None


_decoder = msgspec.json.Decoder(PushEvent)


async def push(request: Request) -> Response:
    """Decode the body, respond with 202."""
    event = _decoder.decode(await request.body())
    return JSONResponse({"id": event.id, "region": request.query_params["region"]}, 202)


def main() -> None:
    """Serve until a signal comes."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=2_048)
    print(listener.getsockname()[1], flush=True)
    app = Starlette(routes=[Route("/api/ImagePush", push, methods=["POST"])])
    config = uvicorn.Config(
        app, http="httptools", loop="uvloop", lifespan="off", log_config=None, access_log=False
    )
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
