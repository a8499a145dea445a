"""Random choices from one stream."""

from collections import Counter

from fanin.harness.explore.draw import Draw


def test_the_same_seed_and_concern_give_the_same_values() -> None:
    """Another concern gives others."""
    first, again, other = Draw(1, "a"), Draw(1, "a"), Draw(1, "b")

    values = [first.duration(0, 10_000) for _ in range(20)]

    assert values == [again.duration(0, 10_000) for _ in range(20)]
    assert values != [other.duration(0, 10_000) for _ in range(20)]


def test_a_duration_is_within_its_bounds() -> None:
    """Both are included; bounds in the wrong order give the lower one."""
    draw = Draw(0)

    values = [draw.duration(7, 5_003) for _ in range(2_000)]

    assert min(values) == 7
    assert 4_900 < max(values) <= 5_003
    assert {draw.duration(1, 2) for _ in range(50)} == {1, 2}
    assert draw.duration(5, 5) == 5
    assert draw.duration(9, 5) == 9


def test_every_order_of_magnitude_is_as_likely() -> None:
    """Between 1 and 1000 ms there are three."""
    draw = Draw(0)

    digits = Counter(len(str(draw.duration(1, 999))) for _ in range(3_000))

    assert {number for number, count in digits.items() if 800 < count < 1_200} == {1, 2, 3}


def test_two_thirds_of_the_durations_have_one_significant_digit() -> None:
    """As people write them."""
    draw = Draw(0)

    values = [draw.duration(1_000, 9_999_999) for _ in range(2_000)]

    assert (
        0.6
        < sum(str(it).rstrip("0").isdecimal() and len(str(it).rstrip("0")) == 1 for it in values) / 2_000
        < 0.75
    )


def test_zero_is_drawn_where_it_is_allowed() -> None:
    """Now and then."""
    draw = Draw(0)

    assert 0 in [draw.duration(0, 1_000_000) for _ in range(200)]


def test_chances_choices_and_samples() -> None:
    """They mean what the functions of `random` with the same names mean."""
    draw = Draw(0)

    assert not draw.chance(0)
    assert draw.chance(1)
    assert {draw.choice("ab") for _ in range(50)} == {"a", "b"}
    assert sorted(draw.sample((1, 2, 3), 3)) == [1, 2, 3]


def test_delays_of_every_kind_are_drawn() -> None:
    """Fixed, uniform and log-normal."""
    draw = Draw(0)

    delays = [draw.delay(1_000) for _ in range(100)]

    assert any(it.fixed is not None for it in delays)
    assert any(it.median is not None for it in delays)
    assert all(it.min <= it.max for it in delays if it.min is not None and it.max is not None)
