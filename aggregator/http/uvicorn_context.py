"""What uvicorn says to a connection and wants from it: everything that is uvicorn's own stands here.

Its protocol classes are no public interface, so its version has an upper bound in pyproject.toml.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, cast
from weakref import WeakKeyDictionary

from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import service_unavailable
from uvicorn.protocols.utils import (
    get_client_addr,
    get_local_addr,
    get_path_with_query_string,
    get_remote_addr,
    is_ssl,
)
from uvicorn.server import ServerState

from fanin.aggregator.http.exchange import EXTENSIONS, AsgiApp, Exchange, Message
from fanin.aggregator.http.request_parser import RequestHead
from fanin.aggregator.http.shared_limits import DeferredJobs

_ACCESS_LOGGER = logging.getLogger("uvicorn.access")
# By server, which has an event loop.
_DEFERRED: WeakKeyDictionary[ServerState, DeferredJobs] = WeakKeyDictionary()


class UvicornContext:
    """One connection's side of uvicorn."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        if not config.loaded:
            config.load()
        self.keep_alive_s = float(config.timeout_keep_alive)
        self.deferred = _DEFERRED.get(server_state) or _DEFERRED.setdefault(server_state, DeferredJobs(loop))
        self._app, self._concurrency_max = config.loaded_app, config.limit_concurrency
        self._root_path, self._raw_root_path = config.root_path, config.root_path.encode()
        begin = getattr(config.loaded_app, "begin", None)  # of a `DirectApp`
        self._begin: Callable[[Exchange, Message], bool] | None = begin
        if self._root_path or self._concurrency_max is not None:
            self._begin = None
        self._asgi = {"version": config.asgi_version, "spec_version": "2.3"}
        self._state, self._app_state, self._loop = server_state, app_state, loop
        self._connections = cast("set[asyncio.BaseProtocol]", server_state.connections)
        self._logs_access = _ACCESS_LOGGER.hasHandlers()

    def opened(self, connection: asyncio.BaseProtocol, transport: asyncio.Transport) -> None:
        """Count the connection among those that are asked to shut down, and note where it leads."""
        self._connections.add(connection)
        self._server, self._client = get_local_addr(transport), get_remote_addr(transport)
        self._scheme = "https" if is_ssl(transport) else "http"
        self._connection = {"scheme": self._scheme, "server": self._server, "client": self._client}

    def closed(self, connection: asyncio.BaseProtocol) -> None:
        """Forget the connection, for which a shutdown would wait."""
        self._connections.discard(connection)

    def scope(self, head: RequestHead) -> Message:
        """What the application is to know of a request (ASGI's HTTP connection scope)."""
        return {
            "type": "http",
            "asgi": self._asgi,
            "http_version": "1.1" if head.minor_version else "1.0",
            "server": self._server,
            "client": self._client,
            "scheme": self._scheme,
            "method": head.method,
            "root_path": self._root_path,
            "path": self._root_path + head.path,
            "raw_path": self._raw_root_path + head.raw_path,
            "query_string": head.query,
            "headers": head.headers,
            "state": self._app_state.copy(),
            "extensions": EXTENSIONS,
        }

    def run(self, exchange: Exchange) -> None:
        """Run the application, or respond with 503 when uvicorn's limit of concurrent requests is reached."""
        if self._begin is not None and exchange.is_complete and self._begin(exchange, self._connection):
            return
        app, tasks, most = self._app, self._state.tasks, self._concurrency_max
        if most is not None and (len(self._connections) >= most or len(tasks) >= most):
            app = cast("AsgiApp", service_unavailable)
        # Begun at once, not in the next iteration of the loop: a webhook is in the store's inbox sooner.
        task = asyncio.Task(exchange.run(app, self.scope(exchange.head)), loop=self._loop, eager_start=True)
        if not task.done():
            tasks.add(task)
            exchange.ended = partial(tasks.discard, task)

    def responded(self) -> None:
        """Count a response, after so many of which uvicorn may be asked to stop."""
        self._state.total_requests += 1

    def default_headers(self) -> list[tuple[bytes, bytes]]:
        """What every response carries, such as its date."""
        return self._state.default_headers

    def log_access(self, head: RequestHead, status: int) -> None:
        """Log a request as uvicorn does, where that is wanted."""
        if self._logs_access:
            scope = cast("Any", self.scope(head))
            target, version = get_path_with_query_string(scope), scope["http_version"]
            words = (get_client_addr(scope), head.method, target, version, status)
            _ACCESS_LOGGER.info('%s - "%s %s HTTP/%s" %d', *words)
