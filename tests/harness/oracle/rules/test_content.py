"""The oracle on what a notification says: its operation, its regions, its deadline."""

from typing import Any

import pytest

from fanin.harness.history import History
from fanin.harness.oracle.oracle import judge
from fanin.harness.verdict import Rule, Validity
from tests.harness.oracle.histories import (
    ABSENT,
    DAY,
    EAST,
    WEST,
    Line,
    both,
    crash,
    history,
    notified,
    occurred,
    sent,
)

EPOCH = 1_772_323_200_000  # 2026-03-01T00:00:00Z
BY_IMAGE: dict[str, Any] = {"correlation": "image"}


def timed_out(**body: Any) -> History:
    """One operation that timed out at 120 s, reported with this body."""
    return history(sent(EAST, 0), notified("timed_out", 120, WEST, **body), run={"epoch": EPOCH})


def completed(*lines: Line, **body: Any) -> History:
    return history(*lines, both(), notified("completed", 0.1, **body), run={"epoch": EPOCH})


def completed_late(**message: Any) -> History:
    """An operation that timed out, and whose last region has reported since; this message tells it, twice."""
    message = {"key": "late"} | message
    told = [notified("completed_late", at, **message) for at in (130.1, 131)]
    outcome = notified("timed_out", 120, WEST)
    return history(sent(EAST, 0), outcome, sent(WEST, 130), told[0], crash(130.2, 130.9), told[1],
                   notifies_late=True)  # fmt: skip


DETAILS = {"registry": "demo.azurecr.io", "mediaType": "application/x", "requestId": "r-1"}
CHART: dict[str, Any] = {"action": "chart_push", "details": {"name": "web", "version": "5.4.0.tgz"}}
RIGHT = {
    "everything that is optional": completed(occurred(details=DETAILS), **DETAILS),
    "nothing that is optional": completed(occurred(details=DETAILS)),
    "a part of it, empty or null": completed(occurred(details=DETAILS), registry="", mediaType=None),
    "a chart with its name and version": completed(occurred(**CHART), name="web", version="5.4.0.tgz"),
    "a version of something else": completed(occurred(details=DETAILS), version=2, name="images"),
    "more than an old history knows": completed(registry="demo.azurecr.io", mediaType="x"),
    "no tag, empty in the body": completed(occurred(tag=None), tag=""),
    "no tag, absent in the body": completed(occurred(tag=None), tag=ABSENT),
    "content of the second of two events with one key": completed(
        occurred("op2", 0, ids="id-op1", repository="team/other")
    ),
    "an id per region, by event": history(
        occurred(ids={EAST: "e", WEST: "w"}, at=0), both(),
        notified("timed_out", 120, WEST, id="e", key="e"), notified("timed_out", 120, EAST, id="w", key="w"),
        ids="distinct",
    ),
    "an id per region, by image": history(
        occurred(ids={EAST: "e", WEST: "w"}, at=0, digest=None), both(), notified("completed", 0.1, id="w"),
        ids="distinct", **BY_IMAGE,
    ),
    "one image, the id of the second event": history(
        both(), occurred("op2", 0, tag="op1", ids="id-op2"), notified("completed", 0.1, id="id-op2"),
        **BY_IMAGE,
    ),
    **{
        f"one image, and its id is {name}": history(
            both(), notified("completed", 0.1, id=name), **BY_IMAGE
        )
        for name in (
            "push demo.azurecr.io/team/app:op1", "team/app@SHA256:11", "push-team-app-op1", "team%2Fapp:op1"
        )
    },
    "one image without tag and digest, which is its id": history(
        occurred(tag=None, digest=None), both(), notified("completed", 0.1, id="team/app"), **BY_IMAGE
    ),
    "an operation without a notification": completed(occurred("op2")),
    "no ids in the payloads": history(occurred(ids={}), both(), notified("completed", 0.1, id="x")),
    "a right deadline": timed_out(deadline="2026-03-01T00:02:00Z"),
    "a deadline in another zone": timed_out(deadline="2026-03-01T01:02:00.002+01:00"),
    "a deadline in seconds": timed_out(deadline=EPOCH // 1000 + 120),
    "a deadline in milliseconds": timed_out(deadline=float(EPOCH + 120_003)),
    "a deadline within the tolerance": timed_out(deadline=EPOCH + 121_000),
    "no deadline": timed_out(deadline=None),
    "a deadline where the target's clock is unknown": history(
        sent(EAST, 0), notified("timed_out", 120, WEST, deadline="soon")
    ),
}  # fmt: skip

WRONG: dict[str, tuple[History, str]] = {
    "late, with another tag": (completed_late(tag="other"), "says tag 'other', not 'op1'"),
    **{
        f"by image, and the id is {name}": (
            history(both(), both(op="op2"), notified("completed", 0.1, op="op2"),
                    notified("completed", 0.2, id=name), **BY_IMAGE),
            f"says id '{name}', which is no delivery's id nor names the image",
        )
        for name in ("5f7aa2bf", "team/app", "op1", "team/app:op3")
    },
    "another registry": (
        completed(occurred(details=DETAILS), registry="demo"), "says registry 'demo', not 'demo.azurecr.io'",
    ),
    "another kind": (
        completed(occurred(details=DETAILS), mediaType=["x"]), "says mediaType ['x'], not 'application/x'",
    ),
    "another request": (
        completed(occurred(details=DETAILS), requestId="r-2"), "says requestId 'r-2', not 'r-1'",
    ),
    "a request that there was not": (
        completed(occurred(details={}), requestId="r-2"), "says requestId 'r-2', though there is none",
    ),
    "another version of a chart": (
        completed(occurred(**CHART), version="5.4.0"), "says version '5.4.0', not '5.4.0.tgz'",
    ),
    "another id": (completed(id="id-op7"), "says id 'id-op7', not id-op1"),
    "no id": (completed(id=ABSENT), "has no id"),
    "another repository": (completed(repository="other"), "says repository 'other', not 'team/app'"),
    "another tag": (completed(tag="1.0"), "says tag '1.0', not 'op1'"),
    "no digest": (completed(digest=None), "has no digest"),
    "a digest too many": (
        completed(occurred(digest=None), digest="x"), "says digest 'x', though there is none",
    ),
    "another action": (completed(action="delete"), "says action 'delete', not 'push'"),
    "two things wrong": (
        completed(tag="1.0", action="delete"), "says action 'delete', not 'push'; says tag '1.0', not 'op1'",
    ),
    "the content of the event that it fits best": (
        completed(occurred("op2", 0, ids="id-op1", repository="other", tag="x"), repository="other"),
        "says tag 'op1', not 'x'",
    ),
    "an unknown outcome": (
        completed(outcome="all-done"), "says outcome 'all-done', not 'completed' or 'timed_out'",
    ),
    "an outcome that is no word": (
        completed(outcome=["completed"] * 30),
        "says outcome ['completed', 'completed', 'completed',…, not 'completed' or 'timed_out'",
    ),
    "no list of the arrived": (completed(arrived=ABSENT), "has no list of names as arrived"),
    "a list that is no list": (completed(missing="none"), "has no list of names as missing"),
    "no list at all": (
        completed(arrived=[1, 2], missing=ABSENT), "has no list of names as arrived and missing",
    ),
    "hardly anything": (
        completed(action=ABSENT, repository=ABSENT, tag=ABSENT, outcome=ABSENT, arrived=ABSENT),
        "has no action, repository, tag or outcome, and no list of names as arrived",
    ),
    "a region twice": (
        completed(arrived=[EAST, EAST, WEST]), "does not name every region once, as arrived or as missing",
    ),
    "a region nowhere": (
        completed(arrived=[EAST]), "does not name every region once, as arrived or as missing",
    ),
    "a region on both sides": (
        timed_out(arrived=[EAST, WEST]), "does not name every region once, as arrived or as missing",
    ),
    "completed, and a region missing": (
        completed(arrived=[EAST], missing=[WEST]), "says completed and names westus missing",
    ),
    "timed out, and no region missing": (
        history(sent(EAST, 0), sent(WEST, 119.999), notified("timed_out", 120.1)),
        "says timed_out and names no region missing",
    ),
    "a deadline that slid": (
        timed_out(deadline="2026-03-01T00:03:00Z"),
        "says a deadline of +3m00s, but the deadline is at +2m00s",
    ),
    "a deadline a millisecond beyond the tolerance": (
        timed_out(deadline=EPOCH + 121_004), "says a deadline of +2m01.004s, but the deadline is at +2m00s",
    ),
    "a deadline that is no instant": (
        timed_out(deadline="soon"),
        "says deadline 'soon', not an ISO 8601 instant with its offset, nor Unix time",
    ),
    "a deadline after the timeout was reported, of what perhaps began late": (
        history(
            sent(EAST, 0, error="reset"), crash(0.003, 1),
            notified("timed_out", 120, WEST, deadline=EPOCH + 130_000), both(200, op="op2"),
            notified("completed", 200.1, op="op2"), run={"epoch": EPOCH},
        ),
        "says a deadline of +2m10s, too late for what is reported at +2m00s",
    ),
    "a deadline after the timeout was reported, of what was acknowledged days later": (
        history(
            sent(EAST, 0, error="reset"), crash(0.003, 1),
            notified("timed_out", 120, WEST, deadline=EPOCH + 130_000), sent(EAST, 9 * DAY),
            run={"epoch": EPOCH},
        ),
        "says a deadline of +2m10s, too late for what is reported at +2m00s",
    ),
    "a deadline of another shape": (
        timed_out(deadline={"at": 0}),
        "says deadline {'at': 0}, not an ISO 8601 instant with its offset, nor Unix time",
    ),
    "a tag of another shape, where there is none": (
        completed(occurred(tag=None), tag=["1.0"]), "says tag \"(list) ['1.0']\", though there is none",
    ),
    "a deadline without a zone": (
        timed_out(deadline="2026-03-01T00:02:00"),
        "says deadline '2026-03-01T00:02:00', not an ISO 8601 instant with its offset, nor Unix time",
    ),
    "a deadline out of this world": (
        timed_out(deadline=float("inf")),
        "says deadline inf, not an ISO 8601 instant with its offset, nor Unix time",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_content_is_valid(name: str) -> None:
    """What it leaves out where it may is no fault."""
    verdict = judge(RIGHT[name])

    assert verdict.findings == ()
    assert (verdict.validity, verdict.doubts) == (Validity.VALID, ())


@pytest.mark.parametrize("name", WRONG)
def test_each_wrong_content_is_one_finding_that_says_what_is_wrong(name: str) -> None:
    """Clause 9, and the notification alone is its evidence."""
    played, problem = WRONG[name]

    (finding,) = judge(played).findings

    assert finding.rule is Rule.CONTENT
    assert finding.message.partition(" with a body that ")[2] == problem
    assert len(finding.evidence) == 1
    assert finding.form == (problem.startswith("has no ") and ";" not in problem)


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        ({"method": "PUT"}, "with PUT"),
        ({"path": "/v2"}, "with POST to the path '/v2', which is not the configured one"),
        ({"method": "PATCH", "path": "/v2"}, "with PATCH to the path '/v2', which is not the configured one"),
    ],
)
def test_what_is_no_post_to_the_configured_address_is_no_notification(
    how: dict[str, Any], problem: str
) -> None:
    """Said once, however often it is sent."""
    played = history(both(), notified("completed", 0.1, status=503, **how), notified("completed", 2, **how))

    (finding,) = judge(played).findings

    assert finding.rule is Rule.CONTENT
    assert finding.message == f"op1 was reported at +0.1s {problem}"
    assert finding.form


def test_a_late_completion_is_a_post_to_the_configured_address_too() -> None:
    """Said once, however often it is sent."""
    (finding,) = judge(completed_late(method="PUT")).findings

    assert finding.rule is Rule.CONTENT
    assert finding.message == "op1 was reported at +2m10.1s with PUT"


def test_the_id_of_another_image_makes_the_notification_that_image_s() -> None:
    """Which then has a second outcome, and this one none."""
    told = (notified("completed", 0.1, op="op2"), notified("completed", 0.2, id="id-op2"))

    verdict = judge(history(both(), both(op="op2"), *told, **BY_IMAGE))

    assert verdict.validity is Validity.INVALID


def test_a_region_that_is_not_expected_breaks_clause_2() -> None:
    """Whichever list names it."""
    arrived = judge(completed(arrived=[EAST, WEST, "mars"])).findings
    missing = judge(timed_out(missing=[WEST, "mars", "venus"])).findings

    assert [(it.rule, it.looks_like) for it in arrived] == [(Rule.EXPECTED_REGIONS, ("B32",))]
    assert "names mars, which is not expected" in arrived[0].message
    assert "names mars and venus, which is not expected" in missing[0].message


def test_each_operation_under_one_key_has_its_own_content() -> None:
    """Of each, the first notification is judged; the others are compared with it."""
    lines = (both(), notified("completed", 0.1), both(8 * DAY))

    verdict = judge(history(*lines, notified("completed", 8 * DAY + 1, key="b", tag="other")))

    assert [it.rule for it in verdict.findings] == [Rule.CONTENT]
    assert "+8d00h" in verdict.findings[0].message


def test_a_deadline_of_an_operation_that_never_started_has_nothing_to_be_compared_with() -> None:
    """The finding is that it was reported at all."""
    deadline = notified("timed_out", 120, WEST, EAST, deadline=EPOCH // 1000)

    verdict = judge(history(occurred(), deadline, run={"epoch": EPOCH}))

    assert [it.rule for it in verdict.findings] == [Rule.OUTCOME]


# --- what a target does not show ---


@pytest.mark.parametrize("part", ["id", "arrived", "missing", "action", "repository", "tag", "digest"])
def test_a_part_that_a_target_does_not_show_is_not_judged(part: str) -> None:
    """But it is where it could have been shown."""
    body: dict[str, Any] = {part: ABSENT}

    def played(*unobservable: str) -> History:
        return history(both(), notified("completed", 0.1, **body), run={"unobservable": unobservable})

    assert [it.rule for it in judge(played()).findings] == [Rule.CONTENT]
    assert judge(played(part)).validity is Validity.VALID


def test_what_a_target_shows_is_judged_all_the_same() -> None:
    """A wrong tag beside a digest that is not shown, and one list beside another."""
    run = {"unobservable": ("digest", "missing")}

    played = history(
        both(), notified("completed", 0.1, tag="no", digest=ABSENT, missing=7, arrived=7), run=run
    )

    (finding,) = judge(played).findings
    assert finding.message.endswith(" has no list of names as arrived; says tag 'no', not 'op1'")
