"""How messages show names and values: quoted, listed, and with the nearest valid name."""

import difflib
from collections.abc import Collection, Iterable

_QUOTED_MAX = 60  # characters of a value in a message
_LISTED_MAX = 24  # names in a message


def quoted(text: str) -> str:
    """A value as a message shows it: in quotes, on one line, cut after 60 characters."""
    return repr(text if len(text) <= _QUOTED_MAX else f"{text[:_QUOTED_MAX]}…")


def shortened(text: str) -> str:
    """A value as `quoted` shows it, without the quotes."""
    return quoted(text)[1:-1]


def listed(names: Collection[str], most: int = _LISTED_MAX) -> str:
    """The first ``most`` names with commas between them, and how many more there are."""
    shown = ", ".join(list(names)[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """The valid name that is most like this one, case and separators aside; None when none is near."""
    by_form = {_comparable(each): each for each in valid}
    near = difflib.get_close_matches(_comparable(name)[:_QUOTED_MAX], by_form, n=1)
    return by_form[near[0]] if near else None


def hint(name: str, valid: Iterable[str]) -> str:
    """The end of a message about a name that does not exist."""
    near = nearest(name, valid)
    return "" if near is None else f"; did you mean {near!r}?"


def _comparable(name: str) -> str:
    return name.strip().casefold().replace("_", "-")
