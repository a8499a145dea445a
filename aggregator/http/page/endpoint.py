"""``GET /``: the page for browsers, and for programs a sentence about what listens here.

Rules of this file: only a request that prefers HTML gets the page, so that probes of gateways and load
balancers get a small 200 that reads nothing; what the page shows needs the key that its lists need; the key
is taken from a header, from the form, or from the URL as everywhere else, and is in no log line.
"""

import logging
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fanin.aggregator import log
from fanin.aggregator.auth import Authenticator, parse_header_secret
from fanin.aggregator.clock import Clock
from fanin.aggregator.engine import Engine
from fanin.aggregator.errors import MalformedError, UnauthorizedError
from fanin.aggregator.http.body import read_body
from fanin.aggregator.http.page import rendering
from fanin.aggregator.http.page.reading import read_overview
from fanin.aggregator.http.query import read_query
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.settings import Settings

FORM = "application/x-www-form-urlencoded"
# A key, and the tokens of pages of lists.
FORM_FIELDS_MAX = 10
# The lists that have pages: a parameter, or a field of the form, has the token of the page to show.
LISTS = ("waiting", "dead")
WRONG_KEY = "This key is not accepted."

_ABOUT = {
    "service": "fanin",
    "message": (
        "a registry POSTs its webhooks to /api/ImagePush?region=NAME or /webhooks/NAME; a browser gets a page"
    ),
    "health": "/healthz",
    "ready": "/readyz",
}


class StatusPage:
    """The page of one service."""

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        auth: Authenticator,
        clock: Clock,
        engine: Callable[[], Engine],
    ) -> None:
        """Show what ``engine`` returns, which is there once the service has started."""
        self._settings, self._metrics, self._auth, self._clock = settings, metrics, auth, clock
        self._engine = engine

    async def get(self, request: Request) -> Response:
        """Respond to a browser with the page, to programs with JSON."""
        if not prefers_html(request.headers.get("accept", "")):
            return JSONResponse(_ABOUT, headers={"vary": "accept"})
        query = read_query(request.scope["query_string"], LISTS)
        return await self._respond(request, query.get("code"), query, dict(request.headers), query)

    async def post(self, request: Request) -> Response:
        """Respond to the page's own forms, which a browser without JavaScript sends."""
        form = await _form(request)
        headers = {**request.headers, **_as_headers(form.get("code", ""))}
        return await self._respond(request, form.get("code"), form, headers, {})

    async def _respond(
        self,
        request: Request,
        key: str | None,
        after: Mapping[str, str],
        headers: Mapping[str, str],
        query: Mapping[str, str],
    ) -> Response:
        await rendering.prepare()
        try:
            self._auth.require_key(headers, query)
        except UnauthorizedError as exc:
            bearer = headers.get("authorization", "").lower().startswith("bearer ")
            if not (key or bearer or headers.get("x-functions-key")):
                return _html(rendering.locked_page(None))
            log.event(logging.INFO, "refused", status=exc.status, path=request.url.path[:200], reason=exc)
            return _html(rendering.locked_page(WRONG_KEY), exc.status)
        overview = await read_overview(
            self._engine(), self._settings, self._metrics, after=after, now_ms=self._clock.now_ms()
        )
        return _html(rendering.page(self._settings, overview, key=key))


def prefers_html(accept: str) -> bool:
    """Whether a client that sends this ``Accept`` would rather have HTML than JSON: a browser would.

    ``*/*`` alone is what curl and probes send, and no browser for a page.
    """
    quality = {"text/html": 0.0, "application/json": 0.0}
    for part in accept.lower().split(","):
        name, *parameters = (it.strip() for it in part.split(";"))
        if name in quality:
            quality[name] = _quality(parameters)
    return 0 < quality["text/html"] >= quality["application/json"]


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter.removeprefix("q="))
            except ValueError:
                return 0.0
    return 1.0


def _as_headers(given: str) -> dict[str, str]:
    """What was given as the key, as the headers that a program would send: the script does the same.

    Which of the two the service wants is not said: a sender that is refused must not learn it.
    """
    given = given.strip()
    headers = {"x-functions-key": given} if given else {}
    try:
        secret = parse_header_secret(given)
    except ValueError:
        return headers
    return headers | {secret.name: secret.value}


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form of ours.

    Raises:
        HTTPException: it is no form: a webhook went astray, or a program.
        MalformedError: it is another page's form, or broken.
        RequestError: it is too large, or takes too long.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != FORM:
        raise HTTPException(404, "nothing is POSTed to '/'; send webhooks to POST /api/ImagePush?region=NAME")
    body = await read_body(request)
    try:
        return dict(parse_qsl(body.decode("ascii"), errors="strict", max_num_fields=FORM_FIELDS_MAX))
    except ValueError as exc:
        raise MalformedError("the body is not a form of this page") from exc


def _html(text: str, status: int = 200) -> Response:
    return Response(text, status, rendering.headers(), "text/html; charset=utf-8")
