"""What is wrong with a scenario file, and where: collected while it is read, reported all at once.

A message says what was found, what would be accepted, and the nearest valid name, in this order.
"""

from collections.abc import Iterable
from typing import NamedTuple, NoReturn

PROBLEMS_MAX = 100  # more than are read before the next attempt


class Mark(NamedTuple):
    """A position in a file; both numbers count from 1, columns in characters."""

    line: int
    column: int


NOWHERE = Mark(0, 0)  # of a problem of the file as a whole


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
        """Add a problem.

        Raises:
            ScenarioError: there are `PROBLEMS_MAX` now.
        """
        self._problems[Problem(mark, message)] = None
        if len(self._problems) >= PROBLEMS_MAX:
            self.stop(mark, f"{PROBLEMS_MAX} problems; reading stopped here")

    def stop(self, mark: Mark, message: str) -> NoReturn:
        """Add a problem after which reading cannot go on.

        Raises:
            ScenarioError: always.
        """
        self._problems[Problem(mark, message)] = None
        raise ScenarioError(self.source, self._problems)

    def close(self) -> None:
        """End a step of reading.

        Raises:
            ScenarioError: there were problems.
        """
        if self._problems:
            raise ScenarioError(self.source, self._problems)
