"""Sender profiles keep the schedules that their sources state. This module alone covers every branch."""

from itertools import accumulate

import pytest

from fanin.simulator.delivery import (
    ATTEMPTS_MAX,
    PROFILES,
    Profile,
    next_attempt_after_ms,
    parse_retry_after,
    profile_of,
)
from fanin.simulator.durations import format_duration, parse_duration
from fanin.simulator.language.scenario import Sender


def retry(
    status: int | None, *, made: int = 1, profile: str = "retry", after: str | None = None
) -> int | None:
    """What follows an attempt that was answered ``status`` and, perhaps, ``Retry-After: after``."""
    asked = parse_retry_after(after)
    return next_attempt_after_ms(PROFILES[profile], made, status=status, retry_after_ms=asked)


def schedule(profile: Profile, *, status: int | None = 500) -> list[str]:
    """When each attempt starts, if every one fails at once."""
    gaps, made = [0], 1
    while (gap := next_attempt_after_ms(profile, made, status=status)) is not None and made < 20:
        gaps.append(gap)
        made += 1
    return [format_duration(at) for at in accumulate(gaps)]


def hours(*times: str) -> list[str]:
    """``hh:mm:ss`` as durations."""
    return [format_duration(parse_duration("{}h{}m{}s".format(*time.split(":")))) for time in times]


def test_acr_tries_once() -> None:
    """The registry's maintainers do not contradict that a webhook is never tried again."""
    assert schedule(PROFILES["acr"]) == ["0s"]
    assert schedule(PROFILES["acr"], status=None) == ["0s"]


def test_svix_tries_eight_times_within_27_h_35_min_5_s() -> None:
    """Svix's documented retry schedule."""
    assert schedule(PROFILES["retry"]) == hours(
        "0:0:0", "0:0:5", "0:5:5", "0:35:5", "2:35:5", "7:35:5", "17:35:5", "27:35:5"
    )


def test_standard_webhooks_tries_ten_times_within_75_h_35_min_5_s() -> None:
    """The example schedule of the specification, with its column of times since the start."""
    assert schedule(PROFILES["standard-webhooks"]) == hours(
        "0:0:0", "0:0:5", "0:5:5", "0:35:5", "2:35:5", "7:35:5", "17:35:5", "31:35:5", "51:35:5", "75:35:5"
    )


def test_cncf_distribution_tries_ten_times_at_once_and_then_every_second() -> None:
    """Its breaker opens at the tenth failure in a row; it only gives up where a simulation has to."""
    assert schedule(PROFILES["cncf-distribution"])[:13] == ["0s"] * 10 + ["1s", "2s", "3s"]
    assert retry(None, made=ATTEMPTS_MAX - 1, profile="cncf-distribution") == 1_000
    assert retry(None, made=ATTEMPTS_MAX, profile="cncf-distribution") is None


def test_event_grid_repeats_for_a_day() -> None:
    """Its documented schedule; the attempt after twelve hours more would come when the event has expired."""
    assert schedule_until_expired() == hours(
        "0:0:0", "0:0:10", "0:0:40", "0:1:40", "0:6:40", "0:16:40", "0:46:40",
        "1:46:40", "4:46:40", "10:46:40", "22:46:40",
    )  # fmt: skip
    assert retry(500, made=30, profile="event-grid") is None


def schedule_until_expired() -> list[str]:
    """When each attempt of Event Grid starts, if every one fails at once."""
    at_ms, made, found = 0, 1, ["0s"]
    profile = PROFILES["event-grid"]
    while (gap := next_attempt_after_ms(profile, made, status=500, age_ms=at_ms)) is not None:
        at_ms, made = at_ms + gap, made + 1
        found.append(format_duration(at_ms))
    return found


@pytest.mark.parametrize(
    ("status", "expected"), [(408, "2m"), (503, "30s"), (500, "10s"), (404, "10s"), (None, "10s")]
)
def test_event_grid_waits_longer_after_some_codes(status: int | None, expected: str) -> None:
    """At least so long, whatever the schedule says."""
    gap_ms = retry(status, profile="event-grid", after="600")

    assert gap_ms is not None
    assert format_duration(gap_ms) == expected


@pytest.mark.parametrize(
    ("profile", "timeout_ms", "serial"),
    [
        ("acr", 10_000, False),
        ("retry", 15_000, False),
        ("standard-webhooks", 15_000, False),
        ("cncf-distribution", 1_000, True),
        ("event-grid", 30_000, False),
    ],
)
def test_a_profile_waits_for_an_answer_as_long_as_its_source_says(
    profile: str, timeout_ms: int, *, serial: bool
) -> None:
    """Only CNCF Distribution keeps a queue per endpoint and sends from it one by one."""
    assert (PROFILES[profile].timeout_ms, PROFILES[profile].serial) == (timeout_ms, serial)


@pytest.mark.parametrize(
    ("profile", "status", "goes_on"),
    [
        ("acr", 200, False), ("acr", 503, False), ("acr", None, False),
        ("retry", 200, False), ("retry", 202, False), ("retry", 299, False),
        ("retry", 199, True), ("retry", 300, True), ("retry", 302, True), ("retry", 400, True),
        ("retry", 410, True), ("retry", 429, True), ("retry", 500, True), ("retry", None, True),
        ("standard-webhooks", 204, False), ("standard-webhooks", 307, True), ("standard-webhooks", 400, True),
        ("standard-webhooks", 404, True), ("standard-webhooks", 410, False), ("standard-webhooks", 503, True),
        ("standard-webhooks", None, True),
        ("cncf-distribution", 202, False), ("cncf-distribution", 304, False),
        ("cncf-distribution", 399, False), ("cncf-distribution", 400, True), ("cncf-distribution", 410, True),
        ("cncf-distribution", 500, True), ("cncf-distribution", None, True),
        ("event-grid", 200, False), ("event-grid", 204, False), ("event-grid", 205, True),
        ("event-grid", 302, True), ("event-grid", 400, False), ("event-grid", 401, False),
        ("event-grid", 403, False), ("event-grid", 404, True), ("event-grid", 413, False),
        ("event-grid", 422, True), ("event-grid", 503, True), ("event-grid", None, True),
    ],
)  # fmt: skip
def test_a_status_ends_a_delivery_or_does_not(profile: str, status: int | None, *, goes_on: bool) -> None:
    """2xx is success nearly everywhere, 3xx for CNCF Distribution alone; two obey certain refusals."""
    assert (retry(status, profile=profile) is not None) is goes_on


@pytest.mark.parametrize(
    ("profile", "made", "status", "after", "expected"),
    [
        ("retry", 1, 503, "120", "2m"),  # longer than the gap: heeded
        ("retry", 1, 429, "120", "2m"),
        ("retry", 2, 503, "120", "5m"),  # shorter than the gap: the gap holds
        ("retry", 1, 503, "86400", "2h5s"),  # at most 2 h beyond the gap
        ("retry", 1, 500, "120", "5s"),  # Svix heeds it on 429 and 503 only
        ("retry", 1, 503, None, "5s"),
        ("standard-webhooks", 1, 500, "120", "2m"),
        ("standard-webhooks", 1, 404, "86400", "1d"),
        ("standard-webhooks", 3, 503, "1", "30m"),
        ("cncf-distribution", 1, 503, "120", "0s"),  # ignored
    ],
)
def test_retry_after_lengthens_a_gap_where_a_sender_heeds_it(
    profile: str, made: int, status: int, after: str | None, expected: str
) -> None:
    """Never shorter than the schedule, never longer than the sender allows."""
    waits_ms = retry(status, made=made, profile=profile, after=after)

    assert waits_ms is not None
    assert format_duration(waits_ms) == expected


def test_retry_after_does_not_buy_another_attempt() -> None:
    """A sender that is through with its schedule is through."""
    assert retry(503, made=1, profile="acr", after="1") is None
    assert retry(503, made=8, profile="retry", after="1") is None


@pytest.mark.parametrize(
    ("value", "expected_ms"),
    [
        ("120", 120_000), (" 0 ", 0), (None, None), ("", None), ("soon", None), ("-1", None), ("1.5", None),
        ("٣", None), ("Wed, 04 Mar 2026 05:06:07 GMT", None),
    ],
)  # fmt: skip
def test_only_seconds_are_read_from_retry_after(value: str | None, expected_ms: int | None) -> None:
    """A date needs a clock, which this module must not have."""
    assert parse_retry_after(value) == expected_ms


def test_a_scenario_overrides_attempts_and_timeout() -> None:
    """What it leaves out stays the profile's own."""
    assert profile_of(Sender()) == PROFILES["acr"]
    assert profile_of(Sender("retry", timeout=2_000)).timeout_ms == 2_000
    assert schedule(profile_of(Sender("retry", attempts=3))) == ["0s", "5s", "5m5s"]
    assert profile_of(Sender("cncf-distribution", attempts=2)).attempts == 2


def test_attempts_beyond_a_schedule_repeat_its_last_gap() -> None:
    """So that more attempts than were ever documented still have a time."""
    assert schedule(profile_of(Sender("retry", attempts=10)))[-3:] == hours("27:35:5", "37:35:5", "47:35:5")
    assert schedule(profile_of(Sender("acr", attempts=3))) == ["0s", "5s", "10s"]
