"""Power that is lost at any moment: nothing acknowledged is gone, and the service opens what it finds."""

from pathlib import Path
from shutil import which

import pytest

from benchmarks.power_loss import Call, Losses, calls, lose, record
from tests.heavy import needs

pytestmark = [
    pytest.mark.real_time,
    needs("strace", there=which("strace") is not None, get="apt-get install strace"),
]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> list[Call]:
    """What the service wrote, flushed and answered while it took six hundred webhooks."""
    folder = tmp_path_factory.mktemp("recorded")
    with record(folder, 600).open() as lines:
        return list(calls(lines, folder / "data"))


def test_what_was_acknowledged_is_on_the_disk(recorded: list[Call], tmp_path: Path) -> None:
    """Whatever the disk has of what was not flushed, torn writes among it."""
    assert sum(it.what == "acknowledge" for it in recorded) == 600
    assert lose(recorded, tmp_path, moments=40, seed=1) == Losses(160, [], 0)


def test_without_flushes_it_would_be_gone(recorded: list[Call], tmp_path: Path) -> None:
    """A test that could not fail would prove nothing."""
    assert lose(recorded, tmp_path, moments=10, seed=1, flushes=False).lost > 0
