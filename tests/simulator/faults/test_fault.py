"""What each fault of deliveries says of itself: its words, its needs, and whether its senders try in vain."""

import pytest

from fanin.simulator.faults.delivery import DeliveryFault
from fanin.simulator.faults.fault import Need
from fanin.simulator.faults.registry import kinds
from fanin.simulator.faults.request import (
    Forge,
    Malform,
    SignEarlier,
    UnknownRegion,
    UpgradeH2c,
    WrongKey,
)
from fanin.simulator.faults.transport import (
    DelayBy,
    Drop,
    Duplicate,
    LoseRequest,
    LoseResponse,
    Reorder,
    SlowClient,
)
from fanin.simulator.shapes import Delay
from fanin.simulator.signing import TOLERANCE_MS

ATTEMPT_MS = 10_000
# The fault, its words, and whether no attempt can succeed where one may take `ATTEMPT_MS`.
FAULTS: tuple[tuple[DeliveryFault, str, bool], ...] = (
    (Drop(region="eastus"), "eastus: the registry never sends the webhook", False),
    (DelayBy(by=Delay(fixed=3_000)), "the registry holds the webhook back by 3s", False),
    (
        Duplicate("eastus", "op1", 0.25, after=(1_000, 60_000)),
        "eastus, op1, 25% of webhooks: the registry repeats the webhook 1s, 1m later",
        False,
    ),
    (Reorder(within=2_000), "webhooks change places within 2s", False),
    (LoseRequest(attempts=2), "the first 2 requests are lost on the way", False),
    (LoseResponse(), "the first answer is lost on the way back", False),
    (SlowClient(over=9_999), "the body takes 9.999s", False),
    (SlowClient(over=ATTEMPT_MS), "the body takes 10s", True),
    (Malform(how="huge"), "the body is broken: huge", True),
    (UnknownRegion(), "the URL names region 'mars'", True),
    (UnknownRegion(url_region=""), "the URL names no region", True),
    (WrongKey(), "the request carries a wrong key", True),
    (WrongKey(how="none"), "the request carries no key", True),
    (WrongKey(how="beginning"), "the request carries the key without its last character", True),
    (WrongKey(how="longer"), "the request carries the key and one more character", True),
    (Forge(how="altered"), "the signature is wrong: altered", True),
    (SignEarlier(by=TOLERANCE_MS), "the signature is 5m old", False),
    (SignEarlier(by=TOLERANCE_MS + 1), "the signature is 5m0.001s old", True),
    (UpgradeH2c(), "the request offers to upgrade to HTTP/2", False),
)
NEEDS: dict[type[DeliveryFault], tuple[Need, ...]] = {
    WrongKey: ("function-keys",),
    Forge: ("signatures",),
    SignEarlier: ("signatures",),
}


def test_none_is_left_out() -> None:
    """A new fault needs its line here."""
    assert {type(fault) for fault, _, _ in FAULTS} == set(kinds(DeliveryFault))


@pytest.mark.parametrize(("fault", "words", "in_vain"), FAULTS, ids=[words for _, words, _ in FAULTS])
def test_a_fault_says_what_it_does(fault: DeliveryFault, words: str, in_vain: bool) -> None:  # noqa: FBT001 - a column
    """Which deliveries, with which chance, and what; and whether it is of any use to try them again."""
    assert fault.describe() == words
    assert fault.never_succeeds(ATTEMPT_MS) is in_vain
    assert fault.needs == NEEDS.get(type(fault), ())


def test_what_explains_silence_is_said_by_the_fault() -> None:
    """All others leave a request that must be answered in time."""
    silencing = {kind.__name__ for kind in kinds(DeliveryFault) if kind.silences}

    assert silencing == {"LoseRequest", "LoseResponse", "SlowClient"}


@pytest.mark.parametrize("kind", kinds(DeliveryFault), ids=lambda kind: kind.__name__)
def test_notes_in_a_timeline_are_short(kind: type[DeliveryFault]) -> None:
    """They stand in a cell, and their brief forms in one of half its width."""
    for note in (kind.request_note, kind.silence_note):
        assert note is None or (0 < len(note[0]) <= 16 and len(note[1]) <= 5)


@pytest.mark.parametrize(
    ("delay", "words"),
    [
        (Delay(fixed=3_000), "3s"),
        (Delay(min=1_000, max=5_000), "1s to 5s"),
        (Delay(max=5_000), "0s to 5s"),
        (Delay(median=3_000), "3s, more or less"),
        (Delay(), "0s"),
    ],
)
def test_a_delay_says_how_it_spreads(delay: Delay, words: str) -> None:
    """Fixed, evenly spread, or around a median."""
    assert delay.describe() == words
