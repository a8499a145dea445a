"""Markup: elements, and what becomes of text in them."""

import pytest
from jinja2 import UndefinedError

from fanin.harness.report.html.markup import safe, style, tag, templates


def test_markup_escapes_and_cleans_whatever_is_no_markup() -> None:
    """There is one door into markup, and nothing gets through it as it is."""
    made = tag("text", "</text><b>", tag("g"), class_='a"b', stroke_width=1.25, role=None)

    assert made == '<text class="a&#34;b" stroke-width="1.2">&lt;/text&gt;&lt;b&gt;<g></g></text>'
    assert safe("a\x1b\u202e\ud800b") == "a" + "\N{REPLACEMENT CHARACTER}" * 3 + "b"


def test_a_template_cleans_and_escapes_every_expression() -> None:
    """And leaves markup as it is, and refuses what it was not given."""
    template = templates().from_string("{{ text }} {{ made }} {{ number }}")

    page = template.render(text="<\x1b>", made=tag("b", "x"), number=7)
    assert page == "&lt;\N{REPLACEMENT CHARACTER}&gt; <b>x</b> 7"
    with pytest.raises(UndefinedError):
        template.render(text="")


def test_every_page_has_the_style_sheet_as_it_is() -> None:
    """Its quotes and arrows are not escaped."""
    assert "&#" not in style()
    assert "tr:target th" in style()
