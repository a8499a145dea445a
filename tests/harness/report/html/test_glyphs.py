"""The signs of the pictures."""

from fanin.harness.report.html.glyphs import Glyph, draw


def test_every_sign_has_a_shape_of_its_own() -> None:
    """Whoever does not see the colours sees the shapes."""
    shapes = [draw(glyph, "") for glyph in Glyph if glyph is not Glyph.NONE]

    assert len(set(shapes)) == len(Glyph) - 1
