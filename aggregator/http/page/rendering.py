"""The page as HTML. Script and style are in the page itself, so that it asks for nothing else.

Rules of this file: every value is escaped (the template has no ``safe``); the page may run and show what its
security policy names by digest, and nothing that a value could bring along.
"""

import asyncio
import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from fanin.aggregator.durations import format_duration
from fanin.aggregator.http.page import words
from fanin.aggregator.http.page.reading import Overview
from fanin.aggregator.settings import Settings

if TYPE_CHECKING:
    from jinja2 import Template

# By state of a target's breaker: its word on the page, and its tone.
STATES = {
    "closed": ("working", "good"),
    "failing": ("failing", "odd"),  # closed, and what was sent last was not accepted
    "open": ("down", "bad"),
    "half-open": ("down, tried now", "bad"),
    "paused": ("paused", "odd"),
}


class Exact(str):
    """A value that a form or the script sends back: escaped, and otherwise as it is."""

    __slots__ = ()


def page(settings: Settings, overview: Overview, *, key: str | None) -> str:
    """The page with everything on it.

    Args:
        settings: Those of the service.
        overview: What to show.
        key: What was given as the key in a form or in the URL, so that the forms for more rows have it, too.
    """
    return _template().render(
        overview=overview,
        regions=tuple(settings.regions),
        timeout=format_duration(settings.timeout_ms),
        timeout_ms=settings.timeout_ms,
        key=key,
        problem=None,
    )


def locked_page(problem: str | None) -> str:
    """The page that asks for the key, and says what was wrong with the last one."""
    return _template().render(overview=None, regions=(), timeout="", timeout_ms=0, key=None, problem=problem)


async def prepare() -> None:
    """Load the template beside the event loop: it takes a tenth of a second, for which no webhook waits."""
    if not _template.cache_info().currsize:
        await asyncio.to_thread(_template)


@cache
def headers() -> Mapping[str, str]:
    """The headers of the page: no other site may show, script or read it, and no cache keeps it."""
    policy = {
        "default-src": "'none'",
        "script-src": _digest("page.js"),
        "style-src": _digest("page.css"),
        "connect-src": "'self'",
        "img-src": "data:",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "content-security-policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "cache-control": "no-store",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "referrer-policy": "no-referrer",
        "vary": "accept",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
    }


def _digest(name: str) -> str:
    """The source expression of a policy that allows exactly this file's text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(_file(name).encode()).digest()).decode()}'"


def _file(name: str) -> str:
    return resources.files("fanin.aggregator.http.page").joinpath(name).read_text(encoding="utf-8")


@cache
def _template() -> "Template":
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        autoescape=True,
        finalize=_finalised,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        {name: getattr(words, name) for name in ("image", "digest", "period", "instant", "clock", "behind")},
        states=STATES,
        style=Markup(_file("page.css")),  # noqa: S704 - a file of this package
        script=Markup(_file("page.js")),  # noqa: S704 - a file of this package
    )
    environment.filters["exact"] = Exact
    return environment.from_string(_file("page.html.j2"))


def _finalised(value: object) -> object:
    """Text of others is made plain before it is escaped, unless it is sent back as it is."""
    return words.plain(value) if type(value) is str else value
