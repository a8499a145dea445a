"""Puts the player's scripts and style together, and makes pages of them.

Rules of this file: pure but for reading this package's own files; no text of a run can break out of a page.
"""

import base64
import hashlib
import re
from functools import cache
from importlib import resources
from typing import Any

import msgspec
from markupsafe import Markup

# In the order in which they need each other.
SCRIPTS = (
    "dom", "clock", "stored", "scene", "timeline", "verdict", "code", "predict", "share", "player", "editor",
    "breaks", "live", "main",
)  # fmt: skip
_IMPORT = re.compile(r"^import\s[^;]*;\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=const|let|function|class|async)", re.MULTILINE)


def _text(name: str) -> str:
    return resources.files("fanin.harness.report").joinpath("player", name).read_text(encoding="utf-8")


@cache
def script() -> str:
    """All modules as one script, in a scope of its own."""
    parts = (f"// {name}.js\n" + _EXPORT.sub("", _IMPORT.sub("", _text(f"{name}.js"))) for name in SCRIPTS)
    return '"use strict";\n{\n' + "\n".join(parts) + "}\n"


@cache
def style() -> str:
    """The style sheet."""
    return _text("player.css")


@cache
def script_hash() -> str:
    """What a page's content security policy allows: this script and no other."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script().encode()).digest()).decode()


def content_policy(*, live: bool) -> str:
    """The content security policy of a page; a live one may ask its own server."""
    connect = "'self'" if live else "'none'"
    return (
        f"default-src 'none'; script-src '{script_hash()}'; style-src 'unsafe-inline'; img-src data:;"
        f" connect-src {connect}; base-uri 'none'; form-action 'none'"
    )


def data(name: str, value: Any) -> Markup:
    """A value for the scripts, as an element that holds JSON."""
    encoded = msgspec.json.encode(value).decode()
    for sign, escaped in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026")):
        encoded = encoded.replace(sign, escaped)
    return Markup(f'<script type="application/json" id="{name}">{encoded}</script>')  # noqa: S704 - escaped above
