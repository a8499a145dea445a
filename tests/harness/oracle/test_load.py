"""When an aggregator may have been too busy, by what could be seen from outside."""

import pytest

from fanin.harness.history import History
from fanin.harness.oracle.evidence import collect
from fanin.harness.oracle.load import BURST, DeliveryLoad, says_when
from tests.harness.oracle.histories import EAST, WEST, Line, down, history, pause, sent, up

ASKED = sent(EAST, 60, status=503, retry_after="1")


def busy(*lines: Line, boot: bool = True) -> bool:
    """Whether it may have been busy for the attempt that is sent at 60 s."""
    played: History = history(ASKED, *lines, boot=boot)
    evidence = collect(played)
    (asked,) = (it for it in evidence.attempts if it.sent.at == 60_000 and it.ended_at == 60_003)
    return DeliveryLoad(evidence).may_be_busy(asked)


@pytest.mark.parametrize("when", ["0", " 30 ", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_a_number_of_seconds_and_a_date_say_when(when: str) -> None:
    """Both forms of RFC 9110."""
    assert says_when(when)


@pytest.mark.parametrize("when", [None, "", "soon", "-5", "1.5", "9" * 5_000, "\x00"])
def test_nothing_else_says_when(when: str | None) -> None:
    """A sender cannot follow it."""
    assert not says_when(when)


BUSY: dict[str, tuple[Line, ...]] = {
    "another one is open": (sent(WEST, 59, ok=2_000),),
    "another one is sent before the response": (sent(WEST, 60.003),),
    "another one has no response": (sent(WEST, 55, error="timeout", after=10_000),),
    "very many came before": tuple(sent(WEST, 59.5, op=f"op{n}") for n in range(BURST)),
    "very many came before in one request": tuple(
        sent(WEST, 59.5, op=f"op{n}", envelope=7) for n in range(BURST)
    ),
    "it came up just before": (down(58), up(59)),
    "it went on just before": (sent(WEST, 1), pause(50, 58)),
}
IDLE: dict[str, tuple[Line, ...]] = {
    "nothing else was sent": (),
    "the others have ended": (sent(WEST, 59.99), sent(WEST, 60.004)),
    "many came before": tuple(sent(WEST, 59.5, op=f"op{n}") for n in range(BURST - 1)),
    "it came up long before": (down(50), up(54.999)),
    "it has acknowledged one since it came up": (down(58), up(59), sent(WEST, 59.5)),
}


@pytest.mark.parametrize("name", BUSY)
def test_with_something_to_do_it_may_be_busy(name: str) -> None:
    """DeliveryLoad can be seen from outside."""
    assert busy(*BUSY[name])


@pytest.mark.parametrize("name", IDLE)
def test_with_nothing_to_do_it_is_not_busy(name: str) -> None:
    """Then 503 is a refusal by another name."""
    assert not busy(*IDLE[name])


def test_what_travels_in_one_request_is_one_request() -> None:
    """The events of an envelope are answered together."""
    both_in_one = history(
        sent(EAST, 60, envelope=7, status=503, retry_after="1"),
        sent(EAST, 60, envelope=7, status=503, retry_after="1", op="op2"),
    )
    evidence = collect(both_in_one)

    assert not DeliveryLoad(evidence).may_be_busy(evidence.attempts[0])


def test_what_travels_together_is_no_burst_for_itself() -> None:
    """However many events a request has, it is not refused because of them."""
    many = history(
        *(sent(EAST, 60, envelope=7, status=503, retry_after="1", op=f"op{n}") for n in range(BURST + 5))
    )
    evidence = collect(many)

    assert not DeliveryLoad(evidence).may_be_busy(evidence.attempts[0])


def test_before_it_ever_came_up_it_is_not_busy() -> None:
    """A history may hold anything."""
    assert not busy(boot=False)
