"""Markup that no text can break out of: elements for the pictures, and the templates' environment."""

from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from fanin.harness.report.line import clean


def tag(name: str, /, *inside: object, **attributes: object) -> Markup:
    """One element. Attributes that are None are left out; ``class_`` loses its ``_``, others have hyphens."""
    rendered = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{safe(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    content = "".join(safe(child) for child in inside)
    return Markup(f"<{name}{rendered}>{content}</{name}>")  # noqa: S704 - made of escaped parts only


def safe(value: object) -> str:
    """Markup as it is, numbers short, and any other text cleaned and escaped."""
    if isinstance(value, Markup):
        return value
    if isinstance(value, float):
        return f"{value:.1f}".removesuffix(".0")
    return str(escape(clean(str(value))))


@cache
def style() -> Markup:
    """The style sheet, which every page contains."""
    text = resources.files("fanin.harness.report").joinpath("html", "style.css").read_text(encoding="utf-8")
    return Markup(text)  # noqa: S704 - a file of this package


@cache
def templates() -> Environment:
    """The environment of the pages. Every expression in a template passes through `safe`."""
    return Environment(
        loader=PackageLoader("fanin.harness.report", "html"),
        autoescape=True,
        finalize=_cleaned,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _cleaned(value: Any) -> Any:
    return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value
