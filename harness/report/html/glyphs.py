"""The signs of the pictures. Each has a shape of its own, so that no meaning depends on colour."""

from enum import Enum

from markupsafe import Markup

from fanin.harness.report.html.markup import tag


class Glyph(Enum):
    """A sign, and what it stands for in the legend."""

    NONE = ""
    REGISTRY_EVENT = "pushed or deleted in the registry"
    COUNTED = "accepted, the first of its region: it counted"
    DUPLICATE = "accepted again: a duplicate"
    LATE = "accepted, after the outcome or the deadline"
    AT_DEADLINE = "accepted as the deadline passed: on time or late"
    NO_EFFECT = "accepted, and rightly without effect"
    REFUSED = "rightly refused"
    WRONG = "must not happen"
    LOST = "never got there"
    INDEFINITE = "no definite answer: it may have counted"
    UNSENT = "never sent"
    COMPLETED = "notified: completed"
    TIMED_OUT = "notified: timed out"
    ARMED = "the timer is armed"
    CANCELLED = "the timer is cancelled"
    FIRES = "the timer fires"
    DOWN = "a fault begins"
    UP = "up again, or recovered"


_RING = "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0Z"
_OUTLINES = {
    Glyph.REGISTRY_EVENT: ("solid", "M0 -5.5L5.5 0L0 5.5L-5.5 0Z"),
    Glyph.COUNTED: ("solid", _RING),
    Glyph.DUPLICATE: ("hollow", _RING + "M-1.5 0a1.5 1.5 0 1 0 3 0a1.5 1.5 0 1 0 -3 0Z"),
    Glyph.LATE: ("hollow", "M-4 -4.5L5 0L-4 4.5Z"),
    Glyph.AT_DEADLINE: ("half", _RING),
    Glyph.NO_EFFECT: ("hollow", _RING),
    Glyph.REFUSED: ("hollow", "M-4 -4H4V4H-4Z"),
    Glyph.WRONG: ("solid", "M0 -6.5L6.5 5H-6.5Z"),
    Glyph.LOST: ("stroke", "M-4 -4L4 4M4 -4L-4 4"),
    Glyph.INDEFINITE: ("hollow", "M0 -5.5L5.5 0L0 5.5L-5.5 0Z"),
    Glyph.UNSENT: ("hollow", _RING + "M-3.2 3.2L3.2 -3.2"),
    Glyph.COMPLETED: ("solid", "M-6 0a6 6 0 1 0 12 0a6 6 0 1 0 -12 0Z"),
    Glyph.TIMED_OUT: ("solid", "M-5 -6H5L-5 6H5Z"),
    Glyph.ARMED: ("solid", "M-1.5 -6H1.5V6H-1.5Z"),
    Glyph.CANCELLED: ("hollow", "M-1.5 -6H1.5V6H-1.5Z"),
    Glyph.FIRES: ("solid", "M1 -7L-4.5 1.5H-0.5L-1.5 7L4.5 -2H0.5Z"),
    Glyph.DOWN: ("solid", "M-5.5 -4H5.5L0 5Z"),
    Glyph.UP: ("solid", "M-5.5 4H5.5L0 -5Z"),
}
_TICK = "M-3 0.2L-0.8 2.6L3.2 -2.4"


def draw(glyph: Glyph, tone: str, x: float = 0, y: float = 0) -> Markup:
    """One sign around a point."""
    if glyph not in _OUTLINES:
        return Markup()
    how, outline = _OUTLINES[glyph]
    shapes = [tag("path", d=outline, class_=f"g-{how}")]
    if glyph is Glyph.AT_DEADLINE:
        shapes.append(tag("path", d="M0 -4.5a4.5 4.5 0 0 1 0 9Z", class_="g-solid"))
    if glyph is Glyph.COMPLETED:
        shapes.append(tag("path", d=_TICK, class_="g-tick"))
    if glyph is Glyph.WRONG:
        shapes.append(tag("path", d="M0 -2.5V1.5M0 3.2V4", class_="g-tick"))
    return tag("g", *shapes, class_=f"glyph {tone}", transform=f"translate({x:.1f} {y:.1f})")


def hatch(name: str) -> Markup:
    """The pattern that marks an interval with a fault; `hatched` fills with it."""
    lines = tag("path", d="M0 6L6 0M-1 1L1 -1M5 7L7 5", class_="hatching")
    return tag(
        "defs", tag("pattern", lines, id=f"{name}-hatch", width=6, height=6, patternUnits="userSpaceOnUse")
    )


def hatched(name: str) -> str:
    """A fill for elements of the picture of that name."""
    return f"url(#{name}-hatch)"
