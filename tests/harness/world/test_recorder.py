"""The history while it is written."""

from fanin.harness.history import End
from fanin.harness.world.recorder import Recorder


def test_what_comes_after_the_end_is_not_recorded() -> None:
    """A run is stopped in order, and nothing of that is part of it."""
    recorder = Recorder(lambda: 7)
    recorder.write(End(1))

    recorder.close()
    recorder.write(End(2))

    assert recorder.entries == [End(1)]
    assert recorder.now_ms() == 7


def test_attempts_and_notifications_are_numbered_from_1() -> None:
    """Each with numbers of its own, so that records can refer to them."""
    recorder = Recorder(lambda: 0)

    assert [recorder.next_attempt() for _ in range(3)] == [1, 2, 3]
    assert [recorder.next_post() for _ in range(2)] == [1, 2]
