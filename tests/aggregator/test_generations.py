"""Which push of an image an arrival belongs to, by the payload ids of its regions."""

from fanin.aggregator.generations import IDS_MAX, NONE, Place, Pushes

EAST, NORTH, WEST = "eastus", "northeurope", "westeurope"


def after(*events: tuple[str, str], is_decided: bool = False) -> Pushes:
    """The pushes after these regions have sent these ids, one a millisecond."""
    pushes = NONE
    for at_ms, (region, event_id) in enumerate(events):
        place = pushes.place_of(region, event_id, is_decided=is_decided, generation=1)
        pushes = pushes.with_event(region, event_id, at_ms, place)
    return pushes


def test_an_id_that_the_region_has_sent_is_a_duplicate() -> None:
    """Whatever became of the push."""
    pushes = after((EAST, "1"))

    assert pushes.place_of(EAST, "1", is_decided=False, generation=1) is Place.EARLIER
    assert pushes.place_of(EAST, "1", is_decided=True, generation=1) is Place.EARLIER


def test_while_it_waits_every_region_that_has_not_reported_counts() -> None:
    """By whichever push: the content is the same."""
    pushes = after((EAST, "1"))

    assert pushes.place_of(WEST, "1", is_decided=False, generation=1) is Place.CURRENT
    assert pushes.place_of(WEST, "2", is_decided=False, generation=1) is Place.CURRENT


def test_another_id_of_a_region_that_has_reported_is_of_the_next_push() -> None:
    """Regions need not share ids for that."""
    pushes = after((EAST, "e1"), (WEST, "w1"))

    assert pushes.place_of(EAST, "e2", is_decided=False, generation=1) is Place.NEXT
    assert pushes.place_of(EAST, "e2", is_decided=True, generation=1) is Place.NEXT
    assert pushes.place_of(EAST, "w1", is_decided=True, generation=1) is Place.CURRENT


def test_a_region_that_was_missing_is_late_unless_ids_say_otherwise() -> None:
    """Where two regions shared an id, a third one's other id cannot be of that push."""
    own_ids = after((EAST, "e1"), (WEST, "w1"))
    shared = after((EAST, "1"), (WEST, "1"))

    assert own_ids.place_of(NORTH, "n1", is_decided=True, generation=1) is Place.CURRENT
    assert shared.place_of(NORTH, "1", is_decided=True, generation=1) is Place.CURRENT
    assert shared.place_of(NORTH, "2", is_decided=True, generation=1) is Place.NEXT


def test_an_id_that_is_ahead_in_another_region_is_of_the_next_push() -> None:
    """After the outcome; before it, the region counts by it and is ahead as well."""
    pushes = after((EAST, "1"), (EAST, "2"), (WEST, "2"))

    assert pushes.current == {EAST: "1", WEST: "2"}
    assert pushes.ahead == {EAST: ("2",), WEST: ("2",)}
    assert pushes.place_of(NORTH, "2", is_decided=True, generation=1) is Place.CURRENT
    assert (
        after((EAST, "1"), (WEST, "1"), (EAST, "2")).place_of(WEST, "2", is_decided=True, generation=1)
        is Place.NEXT
    )


def test_the_next_generation_takes_the_first_of_what_was_ahead() -> None:
    """And keeps what is left for the one after it; regions that are not expected any more are left out."""
    pushes = after((EAST, "1"), (WEST, "1"), (EAST, "2"), (EAST, "3"), (WEST, "2"))

    renewed = pushes.renewed((EAST,), forgotten_ms=0)

    assert renewed.current == {EAST: "2"}
    assert renewed.ahead == {EAST: ("3",)}
    assert renewed.ids == pushes.ids


def test_an_id_of_an_earlier_push_begins_nothing() -> None:
    """A region that has reported the present push sends what others sent of the one before."""
    renewed = after((EAST, "1"), (EAST, "2")).renewed((EAST, WEST), forgotten_ms=0).with_event(WEST, "2", 9)

    assert renewed.place_of(WEST, "1", is_decided=True, generation=1) is Place.EARLIER
    assert renewed.with_event(WEST, "1", 10, Place.EARLIER).current == renewed.current


def test_ids_are_forgotten_with_the_retention_and_beyond_a_limit() -> None:
    """So that an image that is pushed for years does not grow for years."""
    pushes = after(*((EAST, f"{n}") for n in range(IDS_MAX + 5)))

    assert len(pushes.ids[EAST]) == IDS_MAX
    assert "0" not in pushes.ids[EAST]
    assert list(pushes.renewed((EAST,), forgotten_ms=IDS_MAX + 4).ids[EAST]) == [f"{IDS_MAX + 4}"]
    assert pushes.renewed((EAST,), forgotten_ms=IDS_MAX + 9).ids == {}


def test_without_an_id_nothing_is_remembered() -> None:
    """Operations that the payload's id names have one push each."""
    assert NONE.with_event(EAST, "", 1) is NONE


def test_a_region_that_has_sent_fewer_ids_than_there_were_pushes_begins_nothing() -> None:
    """Where ids are each region's own, it may be late for one of them; what it sends is kept."""
    pushes = after((EAST, "e1"), (WEST, "w1"), (EAST, "e2")).renewed((EAST, NORTH, WEST), forgotten_ms=0)
    pushes = pushes.with_event(WEST, "w2", 5).with_event(NORTH, "n1", 6)

    assert pushes.place_of(NORTH, "n2", is_decided=True, generation=2) is Place.AHEAD
    assert pushes.place_of(EAST, "e3", is_decided=True, generation=2) is Place.NEXT
    assert pushes.with_event(NORTH, "n2", 7, Place.AHEAD).ahead == {NORTH: ("n2",)}
