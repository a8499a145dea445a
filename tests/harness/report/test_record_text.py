"""What one record says: in full, abbreviated, and in which tone."""

import time
from typing import Any

import pytest

from fanin.harness.report import record_text
from fanin.harness.report.line import Tone
from fanin.simulator.faults.transport import DelayBy, LoseResponse, SlowClient
from fanin.simulator.shapes import Delay
from tests.harness.oracle.histories import EAST, WEST, fault_applied, history, notified, sent, unattributed
from tests.harness.report.reported import analysed

DAY = 86_400


@pytest.mark.parametrize(
    ("line", "words", "brief"),
    [
        (sent(WEST, 5), "sent", ""),
        (sent(WEST, 5, copy=2), "copy 2", "copy"),
        (sent(WEST, 5, retry=1, copy=1), "copy 1, retry 1", "copy try"),
        (sent(WEST, 5, invalid="malformed:not-json"), "not json", "bad"),
        (sent(WEST, 5, invalid="forged:wrong-secret"), "wrong secret", "bad"),
        (sent(WEST, 5, url_region="mars"), "as 'mars'", "bad"),
        (sent(WEST, 5, url_region=None), "no region", "bad"),
        (sent(WEST, 5, url_region=EAST), "as 'eastus'", ""),
        (sent(WEST, 5, envelope=1), "in the same request", ""),
    ],
    ids=range(9),
)
def test_a_request_says_what_is_special_about_it(line: Any, words: str, brief: str) -> None:
    """What is as usual needs no words."""
    analysis = analysed(history(sent(EAST, 0), line))

    assert record_text.request(analysis, analysis.evidence.attempts[-1]) == (words, brief)


def test_a_request_says_which_faults_held_it_up() -> None:
    """The registry that sends late, and the client that writes slowly."""
    faults = (DelayBy(by=Delay(fixed=1_000)), SlowClient(over=2_000))
    played = history(
        fault_applied(0, 0, op="op1", region=EAST),
        fault_applied(0, 1, op="op1", region=EAST),
        sent(EAST, 1),
        faults=faults,
    )
    analysis = analysed(played)

    assert record_text.request(analysis, analysis.evidence.attempts[0]) == ("held back, slowly", "held")


@pytest.mark.parametrize(
    ("line", "words", "brief", "tone"),
    [
        (sent(WEST, 5), "202", "202", Tone.GOOD),
        (sent(EAST, 5, copy=1), "202, duplicate", "202 dup", Tone.ODD),
        (sent(WEST, 130), "202, late", "202 late", Tone.ODD),
        (sent(WEST, 120.001), "202, at the deadline", "202 edge", Tone.ODD),
        (sent(WEST, 5, invalid="wrong-key"), "202, not refused!", "202 !", Tone.BAD),
        (sent(WEST, 5, invalid="wrong-key", status=401), "401, refused", "401", Tone.GOOD),
        (sent(WEST, 5, status=422), "422, refused!", "422 !", Tone.BAD),
        (sent(WEST, 5, status=503), "503, may count", "503 ?", Tone.ODD),
        (sent(WEST, 5, status=500), "500, may count", "500 ?", Tone.BAD),
        (sent(WEST, 5, error="lost"), "lost on the way", "lost", Tone.FAULT),
        (sent(WEST, 5, error="refused"), "no connection", "down", Tone.ODD),
        (sent(WEST, 5, error="reset"), "cut off, may count", "cut", Tone.ODD),
        (sent(WEST, 5, error="timeout"), "no answer, may count", "mute", Tone.ODD),
    ],
    ids=range(13),
)
def test_a_response_says_what_it_makes_of_the_attempt(line: Any, words: str, brief: str, tone: Tone) -> None:
    """What is bad is what breaks a rule."""
    analysis = analysed(history(sent(EAST, 0), line))
    attempt = analysis.evidence.attempts[-1]

    assert attempt.ended is not None
    assert record_text.response(analysis, attempt, attempt.ended) == (words, brief, tone)


def test_an_answer_that_a_fault_lost_is_the_faults_doing() -> None:
    """And not a connection that broke by itself."""
    played = history(
        sent(EAST, 0, error="reset"), fault_applied(0, 0, attempt=1), faults=(LoseResponse(region=EAST),)
    )
    analysis = analysed(played)
    (attempt,) = analysis.evidence.attempts

    assert attempt.ended is not None
    assert record_text.response(analysis, attempt, attempt.ended) == ("answer lost", "cut", Tone.FAULT)


@pytest.mark.parametrize(
    ("line", "words", "tone"),
    [
        (notified("completed", 6, key="abc"), "completed, key abc", Tone.GOOD),
        (
            notified("timed_out", 121, EAST, WEST, key="abc"),
            "timed_out, missing eastus, westus, key abc",
            Tone.GOOD,
        ),
        (notified("completed", 6, key=None), "completed, no key!", Tone.BAD),
        (notified("done", 6, key="abc"), "done, key abc", Tone.BAD),
        (
            notified("completed", 6, key="abc", id="unheard-of", repository="x"),
            "completed of no known operation, key abc",
            Tone.BAD,
        ),
        (unattributed(6, None, "abc"), "not JSON of no known operation, key abc", Tone.BAD),
    ],
    ids=range(6),
)
def test_a_notification_says_its_outcome_and_its_key(line: Any, words: str, tone: Tone) -> None:
    """And whether it can be right at all."""
    analysis = analysed(history(sent(EAST, 0), sent(WEST, 5), line))

    assert record_text.notification(analysis, analysis.evidence.notifications[0]) == (words, tone)


@pytest.mark.parametrize(
    ("line", "words", "tone"),
    [
        (notified("completed", 7, key="abc"), "completed again, same key", Tone.PLAIN),
        (notified("completed", 7, key="xyz"), "SECOND: completed, key xyz", Tone.BAD),
        (notified("timed_out", 7, key="abc"), "SECOND: timed_out, key abc", Tone.BAD),
        (notified("completed", 40 * DAY, key="xyz"), "id used again: completed, key xyz", Tone.PLAIN),
    ],
    ids=range(4),
)
def test_a_second_notification_repeats_the_first_or_is_wrong(line: Any, words: str, tone: Tone) -> None:
    """Unless an id returns when the first operation is long forgotten."""
    analysis = analysed(history(sent(EAST, 0), sent(WEST, 5), notified("completed", 6, key="abc"), line))

    assert record_text.notification(analysis, analysis.evidence.notifications[1]) == (words, tone)


def test_what_repeats_the_first_after_another_is_no_mere_repetition() -> None:
    """It says again what had been contradicted meanwhile."""
    said = (
        notified("completed", 6, key="abc"),
        notified("timed_out", 7, key="abc"),
        notified("completed", 8, key="abc"),
    )
    analysis = analysed(history(sent(EAST, 0), sent(WEST, 5), *said))

    words, tone = record_text.notification(analysis, analysis.evidence.notifications[2])

    assert (words, tone) == ("SECOND: completed, key abc", Tone.BAD)


def test_as_many_notifications_as_a_sink_refuses_in_two_days_are_said_at_once() -> None:
    """What is said of one must not take longer the more there were before it."""
    refused = (notified("completed", 6 + 3 * n, key="abc", status=503) for n in range(20_000))
    analysis = analysed(history(sent(EAST, 0), sent(WEST, 5), *refused))
    began = time.process_time()

    said = {record_text.notification(analysis, it) for it in analysis.evidence.notifications[1:]}

    assert said == {("completed again, same key", Tone.PLAIN)}
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("fields", "words", "tone"),
    [
        ({}, "200", Tone.GOOD),
        ({"status": 503}, "503", Tone.FAULT),
        ({"error": "hung", "after": 10_000}, "hangs, 10s", Tone.FAULT),
        ({"error": "reset"}, "resets", Tone.FAULT),
        ({"error": "disconnected"}, "connection closed", Tone.FAULT),
    ],
    ids=range(5),
)
def test_the_sinks_answer_or_its_failure(fields: dict[str, Any], words: str, tone: Tone) -> None:
    """With the time for which it hung."""
    analysis = analysed(history(sent(EAST, 0), sent(WEST, 5), notified("completed", 6, **fields)))
    (received,) = analysis.evidence.notifications

    assert received.response is not None
    assert record_text.sink_response(received, received.response) == (words, tone)


def test_every_abbreviation_is_explained() -> None:
    """Whatever stands for a webhook that was never sent has its line in the legend."""
    assert {brief for _, brief in record_text.UNSENT.values()} <= record_text.ABBREVIATIONS.keys()
