"""Lines of a report: text in tones. Whether the tones become colours is decided where it is printed.

Rules of this file: no control character is ever printed, whatever the judged aggregator wrote; every sign
outside ASCII that the reports themselves use passes unchanged, and has an ASCII stand-in of the same width.
"""

import codecs
import textwrap
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from typing import Any

import click

WIDTH = 100
_SENTENCE_MIN = 24  # columns for a sentence, however wide the name beside it is


class Tone(Enum):
    """What a piece of text means to its reader; the value is how `click.style` shows it."""

    PLAIN = ()
    QUIET = (("dim", True),)  # lifelines, repetition
    STRONG = (("bold", True),)  # headings
    GOOD = (("fg", "green"),)  # counted, accepted
    ODD = (("fg", "yellow"),)  # worth a look, and legal: dropped, late, duplicate, refused
    FAULT = (("fg", "magenta"),)  # what the harness broke on purpose
    BAD = (("fg", "red"), ("bold", True))  # breaks a rule


Span = tuple[str, Tone]
Line = tuple[Span, ...]

# Same width on both sides, so that a terminal without these glyphs keeps its columns.
_ASCII = str.maketrans(
    {
        "│": "|",
        "┊": ":",
        "●": "*",
        "◆": "#",
        "→": ">",
        "…": "~",
        "✗": "x",
        "·": ".",
        "\N{EN DASH}": "-",
        "\N{NO-BREAK SPACE}": " ",
    }
)


def line(text: str, tone: Tone = Tone.PLAIN) -> Line:
    """A line in one tone."""
    return ((text, tone),)


def plain(row: Line) -> str:
    """The line's text, without trailing space."""
    return clean("".join(text for text, _ in row).rstrip())


def paint(rows: Iterable[Line], *, colour: bool, encoding: str = "utf-8") -> str:
    """The lines as one text for a stream of that encoding; glyphs it lacks become ASCII of the same width."""
    painted = "\n".join(_coloured(row) if colour else plain(row) for row in rows)
    return encodable(painted, encoding)


def encodable(text: str, encoding: str) -> str:
    """The text, or where the encoding cannot hold it, ASCII stand-ins for glyphs and ``?`` for the rest.

    An encoding that Python does not know counts as ASCII.
    """
    try:
        codecs.lookup(encoding)
    except LookupError:
        encoding = "ascii"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_ASCII).encode(encoding, "replace").decode(encoding)
    return text


def _coloured(row: Line) -> str:
    spans = list(row)
    while spans and not spans[-1][0].strip():
        spans.pop()
    if spans:
        spans[-1] = (spans[-1][0].rstrip(), spans[-1][1])
    return "".join(_styled(text, tone) for text, tone in spans)


def _styled(text: str, tone: Tone) -> str:
    style: dict[str, Any] = dict(tone.value)
    return click.style(clean(text), **style) if style and text.strip() else clean(text)


def clean(text: str) -> str:
    """The text with U+FFFD for each character that shows nothing and may steer a terminal or an editor.

    These are the characters that `str.isprintable` refuses (controls, format characters such as those that
    turn the direction of writing, line separators, surrogates, unassigned ones), except spaces of any width:
    a no-break space is a space to its reader.
    """
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable() or unicodedata.category(character) == "Zs"
        else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )


def shorten(text: str, width: int) -> str:
    """The text, cut to so many characters with an ellipsis."""
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"


def wrap(text: str, width: int = WIDTH, *, indent: str = "", hanging: str = "") -> list[str]:
    """Break text into lines no wider than ``width``; only a longer word is broken, behind a hyphen."""
    lines = textwrap.wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=hanging,
        break_on_hyphens=False,
        break_long_words=False,
    )
    return [part for text in lines for part in _cut(text, width)] or [indent]


def _cut(text: str, width: int) -> Iterator[str]:
    while len(text) > width:
        end = text.rfind("-", 1, width) + 1 or width
        yield text[:end]
        text = text[end:]
    if text:
        yield text


def in_columns(rows: Sequence[tuple[str, str]], *, indent: str = "", width: int = WIDTH) -> Iterator[Line]:
    """Names, and beside each what is said of it, which goes on below its own beginning."""
    column = max((len(name) for name, _ in rows), default=0)
    for name, text in rows:
        before = f"{indent}{name:<{column}}  "
        for part in wrap(text, max(width - len(before), _SENTENCE_MIN)):
            yield ((before, Tone.PLAIN), (part, Tone.QUIET if indent else Tone.PLAIN))
            before = " " * len(before)


def listed(items: Sequence[str], most: int = 6, joint: str = ", ") -> str:
    """``a, b, c``, and how many more there are."""
    shown = joint.join(items[:most])
    return f"{shown} and {len(items) - most} more" if len(items) > most else shown
