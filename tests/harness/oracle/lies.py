"""Ways in which a harness is known to lie, each with a check that notices it."""

from collections.abc import Callable
from typing import NamedTuple

import pytest

type Patch = pytest.MonkeyPatch


class Lie(NamedTuple):
    """A check that the harness as it is passes, and a bug with which it must not."""

    check: Callable[[], None]
    bug: Callable[[Patch], None]

    def must_be_noticed(self, patch: Patch) -> None:
        """The check fails while the bug is in. One that notices nothing proves nothing."""
        self.bug(patch)
        with pytest.raises(AssertionError):
            self.check()
