"""What is wrong with a scenario file, and where: collected while it is read, told all at once.

A message says what was found, what would be accepted, and the nearest valid name, in this order.
"""

import difflib
from collections.abc import Collection, Iterable
from typing import NamedTuple, NoReturn

PROBLEMS_MAX = 100  # whoever has more than this reads the first few and tries again
_QUOTED_MAX = 60  # characters of somebody's text in a message
_LISTED_MAX = 24  # names in a message


class Mark(NamedTuple):
    """A place in a file; both count from 1, columns in characters."""

    line: int
    column: int


NOWHERE = Mark(0, 0)  # what concerns the file as a whole


class Problem(NamedTuple):
    """One thing that is wrong."""

    mark: Mark
    message: str


class ScenarioError(Exception):
    """A scenario cannot be used. Its text is one line per problem: ``file:line:column: message``.

    ``source`` is the file as its reader named it, ``problems`` all that was found in it, in file order.
    """

    def __init__(self, source: str, problems: Iterable[Problem]) -> None:
        self.source, self.problems = source, tuple(sorted(problems, key=lambda each: each.mark))
        super().__init__(self.source, self.problems)

    def __str__(self) -> str:
        return "\n".join(f"{self._place(problem.mark)}: {problem.message}" for problem in self.problems)

    def _place(self, mark: Mark) -> str:
        return self.source if mark == NOWHERE else f"{self.source}:{mark.line}:{mark.column}"


class Report:
    """Collects the problems of one file."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._problems: dict[Problem, None] = {}  # an alias leads to the same place twice

    def add(self, mark: Mark, message: str) -> None:
        """Take note of a problem.

        Raises:
            ScenarioError: that was one too many.
        """
        self._problems[Problem(mark, message)] = None
        if len(self._problems) >= PROBLEMS_MAX:
            self.stop(mark, f"{PROBLEMS_MAX} problems; reading stopped here")

    def stop(self, mark: Mark, message: str) -> NoReturn:
        """Take note of a problem that cannot be read around.

        Raises:
            ScenarioError: always.
        """
        self._problems[Problem(mark, message)] = None
        raise ScenarioError(self.source, self._problems)

    def close(self) -> None:
        """End the reading.

        Raises:
            ScenarioError: there were problems.
        """
        if self._problems:
            raise ScenarioError(self.source, self._problems)


def quoted(text: str) -> str:
    """Somebody's text as a message shows it: in quotes, on one line, not too long."""
    return repr(text if len(text) <= _QUOTED_MAX else f"{text[:_QUOTED_MAX]}…")


def shortened(text: str) -> str:
    """The same without the quotes."""
    return quoted(text)[1:-1]


def listed(names: Collection[str]) -> str:
    """Names as a message lists them, in their own order."""
    if len(names) <= _LISTED_MAX:
        return ", ".join(names)
    first = list(names)[:_LISTED_MAX]
    return f"{', '.join(first)} and {len(names) - _LISTED_MAX} more"


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """The valid name that somebody probably meant; None when none is near."""
    by_folded = {_folded(each): each for each in valid}
    near = difflib.get_close_matches(_folded(name)[:_QUOTED_MAX], by_folded, n=1)
    return by_folded[near[0]] if near else None


def hint(name: str, valid: Iterable[str]) -> str:
    """The end of a message about a name that does not exist."""
    near = nearest(name, valid)
    return "" if near is None else f"; did you mean {near!r}?"


def _folded(name: str) -> str:
    return name.strip().casefold().replace("_", "-")
