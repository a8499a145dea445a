"""The whole path in virtual time, on an aggregator that the harness does not know."""

import pytest

from fanin.harness.history import AttemptEnded, AttemptSent, End, History, NotificationReceived, TargetState
from fanin.harness.oracle.oracle import judge
from fanin.harness.verdict import Rule, Validity
from fanin.harness.world.play import play
from fanin.harness.world.target import InProcessTarget, WebhookResponse
from fanin.simulator.language.load import load
from fanin.simulator.pack import find
from tests.harness.toy_aggregator import toy


def played(name: str, bug: str = "", *, seed: int = 0) -> History:
    return play(load(find(name)), seed=seed, factory=toy(bug))


# Scenarios that a right aggregator survives without keeping anything on disk.
QUIET = [
    "original-simple",
    "original-interleaved",
    "original-timeout",
    "slow-region",
    "dropped-region",
    "duplicate-not-quorum",
    "duplicate-after-done",
    "identical-bodies",
    "ack-lost",
    "photo-finish",
    "stampede-start",
    "sink-down",
    "sink-hangs",
    "poisoned-sink",
    "resurrection",
    "thirty-days",
    "delete-and-push",
]


@pytest.mark.parametrize("name", QUIET)
def test_a_right_aggregator_of_unknown_make_is_valid(name: str) -> None:
    """The judge knows the contract, not the code."""
    verdict = judge(played(name))

    assert verdict.findings == ()
    assert verdict.validity is Validity.VALID


@pytest.mark.parametrize(
    ("bug", "name", "rule"),
    [
        ("counts-deliveries", "duplicate-not-quorum", Rule.OUTCOME),
        ("forgets", "resurrection", Rule.OUTCOME),
        ("forgets", "duplicate-after-done", Rule.OUTCOME),
        ("timer-stays-armed", "slow-region", Rule.OUTCOME),
        ("half-the-timeout", "dropped-region", Rule.DEADLINE),
        ("starts-after-a-look", "stampede-start", Rule.OUTCOME),
        ("names-no-region", "dropped-region", Rule.CONTENT),
        ("key-per-attempt", "sink-response-lost", Rule.NOTIFICATION),
        ("tells-twice", "original-simple", Rule.NOTIFICATION),
        ("tells-once", "sink-down", Rule.NOTIFICATION),
        ("fails-on-rubbish", "rude-traffic", Rule.ACKNOWLEDGEMENT),
        ("accepts-anything", "rude-traffic", Rule.ACKNOWLEDGEMENT),
        ("", "crash-after-ack", Rule.ACKNOWLEDGEMENT),
        ("", "down-over-the-deadline", Rule.ACKNOWLEDGEMENT),
    ],
)
def test_a_wrong_one_is_caught_by_the_scenario_that_teaches_it(bug: str, name: str, rule: Rule) -> None:
    """Each bug breaks the rule that it is about, and the report says so."""
    verdict = judge(played(name, bug))

    assert verdict.validity is Validity.INVALID
    assert rule in {finding.rule for finding in verdict.findings}


def test_a_crash_loses_what_was_only_in_memory() -> None:
    """The next start knows nothing; the harness gives it only the folder."""
    history = played("crash-after-ack")

    states = [entry for entry in history.entries if isinstance(entry, TargetState)]
    assert [(it.at, it.state, it.reason) for it in states] == [
        (0, "up", "start"),
        (10_000, "down", "crash"),
        (15_000, "up", "start"),
    ]


def test_the_watch_goes_on_for_two_timeouts_after_the_last_outcome() -> None:
    """Silence must be long enough to mean something."""
    history = played("slow-region")

    notified_at = max(entry.at for entry in history.entries if isinstance(entry, NotificationReceived))
    end = history.entries[-1]
    assert isinstance(end, End)
    assert end.complete
    assert end.at >= notified_at + 2 * history.run.scenario.timeout


def test_a_sender_that_retries_is_answered_in_the_end() -> None:
    """The first answer is lost on the way, the second arrives."""
    history = played("ack-lost")

    attempts = [
        entry.attempt
        for entry in history.entries
        if isinstance(entry, AttemptSent) and entry.region == "westeurope"
    ]
    answers = {entry.attempt: entry for entry in history.entries if isinstance(entry, AttemptEnded)}
    assert [(answers[attempt].status, answers[attempt].error) for attempt in attempts] == [
        (None, "reset"),
        (202, ""),
    ]


def test_a_webhook_that_the_harness_failed_to_carry_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was never sent, so no verdict may rest on it: a defect of ours is loud."""

    async def broken(*_: object, **__: object) -> WebhookResponse:
        raise LookupError("a defect of the harness")

    monkeypatch.setattr(InProcessTarget, "request", broken)

    with pytest.raises(ExceptionGroup) as caught:
        play(load(find("slow-region")))

    assert caught.group_contains(LookupError, match="a defect of the harness")
