"""Two runs side by side on one page, each in a frame of its own: the pages of both, unchanged."""

from collections.abc import Sequence

from markupsafe import escape

from fanin.harness.report.html.markup import style, templates


def render(name: str, what: str, sides: Sequence[tuple[str, str]]) -> str:
    """One self-contained page.

    Args:
        name: What is compared.
        what: A sentence about it.
        sides: Of each run a heading and its page (`fanin.harness.report.html.run_page.render`).
    """
    framed = [(heading, escape(page)) for heading, page in sides]  # cleaning would take its line breaks
    comparison = templates().get_template("comparison.html.j2")
    return comparison.render(name=name, what=what, sides=framed, style=style())
