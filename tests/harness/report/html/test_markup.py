"""Markup: elements, and what becomes of text in them."""

from fanin.harness.report.html.markup import safe, tag


def test_markup_escapes_and_cleans_whatever_is_no_markup() -> None:
    """There is one door into markup, and nothing gets through it as it is."""
    made = tag("text", "</text><b>", tag("g"), class_='a"b', stroke_width=1.25, role=None)

    assert made == '<text class="a&#34;b" stroke-width="1.2">&lt;/text&gt;&lt;b&gt;<g></g></text>'
    assert safe("a\x1b\u202e\ud800b") == "a" + "\N{REPLACEMENT CHARACTER}" * 3 + "b"
