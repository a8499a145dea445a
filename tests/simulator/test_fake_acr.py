"""The registry announces each operation once per region, when and how its configuration says, by the seed."""

import json
import re
import uuid
from itertools import islice

import msgspec
import pytest

from fanin.simulator.fake_acr import FakeRegistry, scope_matches
from fanin.simulator.faults.request import MIB
from fanin.simulator.faults.transport import Drop, Duplicate
from fanin.simulator.language.scenario import PADDING_MAX, Operation, Scenario, Webhook
from fanin.simulator.shapes import Delay
from fanin.simulator.wire import SUBSCRIBABLE, Action, Quirk
from tests.simulator.registries import EAST, NORTH, PUSH, REGIONS, WEST, bodies, due, played

# --- one operation, one webhook per region ---


def test_one_push_is_announced_once_in_every_region_by_identical_bodies() -> None:
    """Only the URL names the region; the id is the same everywhere, as the original relies upon."""
    (push,) = played(PUSH)

    assert {it.region: it.request.target for it in push.deliveries} == {
        region: f"/api/ImagePush?region={region}" for region in REGIONS
    }
    assert len({it.request.body for it in push.deliveries}) == 1
    assert {it.id for it in push.deliveries} == set(push.ids.values()) == {bodies(push)[0]["id"]}
    assert list(push.ids) == list(REGIONS)
    assert push.unsent == ()


def test_ids_may_differ_by_region_and_nothing_else_does() -> None:
    """That they are equal is nowhere documented, so a scenario may ask for the other."""
    (push,) = played(PUSH, ids="distinct")
    said = bodies(push)

    assert len(set(push.ids.values())) == 3
    assert {it.region: it.id for it in push.deliveries} == push.ids
    assert [it.id for it in push.deliveries] == [body["id"] for body in said]
    assert len({json.dumps({**body, "id": ""}) for body in said}) == 1


def test_what_the_occurrence_says_is_what_the_payload_says() -> None:
    """The oracle compares notifications with the one, the aggregator only ever sees the other."""
    (push,) = played(Operation(name="push", image="team/app:1.4.2"))
    target, request = bodies(push)[0]["target"], bodies(push)[0]["request"]

    assert (push.op, push.at_ms, push.action) == ("push", 0, "push")
    assert (push.repository, push.tag, push.digest) == (target["repository"], target["tag"], target["digest"])
    assert (push.repository, push.tag, push.host) == ("team/app", "1.4.2", request["host"])


@pytest.mark.parametrize(
    "operation", [Operation(quirks=("no-request",)), Operation(action="chart_push"), Operation(action="ping")]
)
def test_an_occurrence_has_no_host_when_its_payload_names_none(operation: Operation) -> None:
    """Otherwise two operations that no aggregator can take for one would have the same image."""
    (it,) = played(operation)

    assert it.host == ""


def test_drawn_ids_and_digests_are_well_formed() -> None:
    """UUIDs of version 4 and SHA-256 digests, all different where they must be."""
    pushes = played(Operation(name="push", image="team/app:{n}", repeat=50))
    said = [bodies(push)[0] for push in pushes]
    ids = [body["id"] for body in said] + [body["request"]["id"] for body in said]

    assert all(uuid.UUID(each).version == 4 and str(uuid.UUID(each)) == each for each in ids)
    assert len(set(ids)) == 100
    assert len({push.digest for push in pushes}) == 50
    assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", push.digest or "") for push in pushes)


def test_pushing_the_same_image_again_is_a_new_event_of_the_same_content() -> None:
    """A new id and request; the same digest and size, which the delete names, too."""
    first, again, deleted = played(PUSH, Operation(name="again"), Operation(name="gone", action="delete"))
    (one, *_), (two, *_) = bodies(first), bodies(again)

    assert one["id"] != two["id"]
    assert one["request"]["id"] != two["request"]["id"]
    assert one["target"] == two["target"]
    assert first.digest == deleted.digest


def test_what_a_scenario_spells_out_is_taken_as_it_is() -> None:
    """Id, tag and digest, with the number of the repetition where it says so."""
    operation = Operation(name="push", image="team/app:1.{n}@sha256:{n}{n}", id="event-{n}", repeat=2)
    pushes = played(operation)

    assert [(it.op, it.tag, it.digest) for it in pushes] == [
        ("push/1", "1.1", "sha256:11"),
        ("push/2", "1.2", "sha256:22"),
    ]
    assert [bodies(push)[0]["id"] for push in pushes] == ["event-1", "event-2"]


def test_padding_is_one_field_more_in_every_payload() -> None:
    """With the most of it, a body is still shorter than one that may be refused for its length."""
    (bare,) = played(PUSH)
    (padded,) = played(msgspec.structs.replace(PUSH, padding=PADDING_MAX))

    padding = {"padding": "x" * PADDING_MAX}
    assert bodies(padded) == [body | padding for body in bodies(bare)]
    assert all(len(it.request.body) < MIB for it in padded.deliveries)


def test_a_spelt_out_id_names_its_region() -> None:
    """Distinct ids are asked for, so one spelling cannot serve three regions."""
    (push,) = played(Operation(name="push", id="event"), ids="distinct")

    assert push.ids == {region: f"event-{region}" for region in REGIONS}


def test_timestamps_are_the_operations_instant_in_seven_digits_or_nine() -> None:
    """The same in every region: when it happened, not when it arrived there."""
    nine: tuple[Quirk, ...] = ("nine-digit-timestamp",)
    plain, long = played(Operation(name="a", at=95), Operation(name="b", at=95, quirks=nine))

    assert re.fullmatch(r"2026-03-04T05:06:07\.095\d{4}Z", bodies(plain)[0]["timestamp"])
    assert re.fullmatch(r"2026-03-04T05:06:07\.095\d{6}Z", bodies(long)[0]["timestamp"])


# --- the actions ---


@pytest.mark.parametrize(
    ("action", "image", "tag", "target"),
    [
        ("push", "team/app:1", "1", ["mediaType", "size", "digest", "length", "repository", "tag"]),
        ("push", "team/app@sha256:ab", None, ["mediaType", "size", "digest", "length", "repository"]),
        ("delete", "team/app:1", None, ["mediaType", "digest", "repository"]),
        ("chart_push", "repo:web-5.4.0.tgz", "web-5.4.0.tgz",
         ["mediaType", "size", "digest", "repository", "tag", "name", "version"]),
        ("chart_delete", "charts/web:latest", "web-latest.tgz",
         ["mediaType", "size", "digest", "repository", "tag", "name", "version"]),
        ("quarantine", "team/app:1", "1", ["size", "digest", "length", "repository", "tag"]),
    ],
)  # fmt: skip
def test_each_action_has_its_own_target(
    action: Action, image: str, tag: str | None, target: list[str]
) -> None:
    """As documented; the occurrence's tag is the payload's, so a delete has none."""
    (happened,) = played(Operation(name="op", action=action, image=image))

    assert list(bodies(happened)[0]["target"]) == target
    assert bodies(happened)[0]["target"].get("tag") == happened.tag == tag


def test_a_push_by_digest_without_one_gets_one_of_its_own() -> None:
    """Two children of an index are two contents, although neither has a tag."""
    first, second = played(Operation(name="a", image="team/app@"), Operation(name="b", image="team/app@"))

    assert first.tag is None
    assert first.digest != second.digest


def test_an_empty_tag_is_no_tag() -> None:
    """Receivers are known to expect both spellings of a tagless push."""
    (push,) = played(Operation(name="push", quirks=("empty-tag",)))

    assert bodies(push)[0]["target"]["tag"] == ""
    assert push.tag is None


def test_a_ping_asks_for_no_replication_no_scope_and_no_enabled_webhook() -> None:
    """It is the region's webhook service that answers at once, and it carries nothing about an image."""
    deaf = Webhook(status="disabled", actions=("delete",), scope="other/app")
    ping = Operation(name="ping", at=50, action="ping", reaches={WEST: None, EAST: Delay(fixed=9_000)})
    (happened,) = played(ping, webhooks={NORTH: deaf}, replication={NORTH: Delay(fixed=7_000)})

    assert due(happened) == dict.fromkeys(REGIONS, 50)
    assert list(bodies(happened)[0]) == ["id", "timestamp", "action"]
    assert (happened.repository, happened.tag, happened.digest, happened.unsent) == ("", None, None, ())


# --- when it is due ---


def test_the_region_that_took_the_push_announces_it_at_once_and_the_others_after_replication() -> None:
    """Where nothing is said, 0.5 to 5 s, differently for every region and every push."""
    pushes = played(Operation(name="push", at=1_000, repeat=200))
    lags = [due(push)[region] - push.at_ms for push in pushes for region in (WEST, EAST)]

    assert {due(push)[NORTH] for push in pushes} == {1_000}
    assert 500 <= min(lags) < 700
    assert 4_800 < max(lags) <= 5_000
    assert len(set(lags)) > 300


def test_any_region_may_take_the_push() -> None:
    """Then the first region waits for replication like every other one."""
    (push,) = played(Operation(name="push", home=EAST))

    assert due(push)[EAST] == 0
    assert due(push)[NORTH] >= 500


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (Operation(name="op"), {NORTH: 0, WEST: 30, EAST: 40}),
        (Operation(name="op", home=EAST), {NORTH: 10, WEST: 30, EAST: 40}),
        (Operation(name="op", home=NORTH, reaches={NORTH: Delay(fixed=7)}), {NORTH: 7, WEST: 30, EAST: 40}),
        (Operation(name="op", at=5, reaches={EAST: Delay(fixed=1)}), {NORTH: 5, WEST: 35, EAST: 6}),
        (Operation(name="op", action="delete"), {NORTH: 0, WEST: 30, EAST: 40}),
    ],
)
def test_an_operations_own_word_beats_the_regions_which_beats_being_home(
    operation: Operation, expected: dict[str, int]
) -> None:
    """``reaches``, then ``replication``, then 0 for the region that took it."""
    lags = {WEST: Delay(fixed=30), EAST: Delay(fixed=40)}
    if operation.home == EAST:
        lags[NORTH] = Delay(fixed=10)

    (happened,) = played(operation, replication=lags)

    assert due(happened) == expected


def test_announcements_come_in_the_order_they_are_due() -> None:
    """Equal instants keep the scenario's order of regions, and a copy comes after what it copies."""
    reaches: dict[str, Delay | None] = {NORTH: Delay(fixed=9), WEST: Delay(fixed=4), EAST: Delay(fixed=4)}
    (happened,) = played(Operation(name="op", reaches=reaches), faults=(Duplicate(after=(5, 0)),))

    assert [(it.due_ms, it.region, it.copy) for it in happened.deliveries] == [
        (4, WEST, 0), (4, WEST, 2), (4, EAST, 0), (4, EAST, 2),
        (9, NORTH, 0), (9, NORTH, 2), (9, WEST, 1), (9, EAST, 1),
        (14, NORTH, 1),
    ]  # fmt: skip


def test_copies_of_copies_come_by_their_number_too() -> None:
    """Whichever fault made them."""
    (push,) = played(PUSH, regions=(NORTH,), faults=(Duplicate(after=(0,)), Duplicate(after=(0,))))

    assert [it.copy for it in push.deliveries] == [0, 1, 2, 3]


def test_operations_interleave() -> None:
    """By their instants, then in the scenario's order."""
    happened = played(
        Operation(name="a", repeat=3, every=10),
        Operation(name="b", at=10, repeat=2, every=5),
        Operation(at=10),
    )

    assert [(it.at_ms, it.op) for it in happened] == [
        (0, "a/1"), (10, "a/2"), (10, "b/1"), (10, "op3"), (15, "b/2"), (20, "a/3"),
    ]  # fmt: skip


def test_occurrences_are_made_as_they_are_asked_for() -> None:
    """A scenario of a million operations must not have to fit in memory."""
    scenario = Scenario(scenario="s", title="t", operations=(Operation(name="op", repeat=10**9, every=1),))

    first = islice(FakeRegistry(scenario, seed=1, epoch_ms=0).occurrences(), 2)

    assert [it.op for it in first] == ["op/1", "op/2"]


# --- which webhooks hear of it ---


@pytest.mark.parametrize(
    ("scope", "repository", "tag", "matches"),
    [
        ("", "foo", "bar", True), ("", "foo", None, True), ("", "team/foo", "latest", True),
        ("foo:*", "foo", "bar", True), ("foo:*", "foo", "latest", True), ("foo:*", "foo", None, True),
        ("foo:*", "foobar", "bar", False), ("foo:*", "a/foo", "bar", False), ("foo:*", "Foo", "bar", False),
        ("foo:bar", "foo", "bar", True), ("foo:bar", "foo", "Bar", False), ("foo:bar", "foo", "bar2", False),
        ("foo:bar", "foo", None, False), ("foo:bar", "fo", "bar", False),
        ("foo", "foo", "latest", True), ("foo", "foo", "bar", False), ("foo", "foo", None, False),
        ("foo", "foo/bar", "latest", False), ("foo:latest", "foo", "latest", True),
        ("team/foo:*", "team/foo", "1", True), ("team/foo", "team/foo", "latest", True),
        ("foo/*", "foo/a", "latest", False), ("foo/*:*", "foo/a", "1", False), ("*", "foo", "latest", False),
        ("*:bar", "foo", "bar", False), ("*:*", "foo", "bar", False), ("foo:ba*", "foo", "bar", False),
        ("foo:", "foo", None, False), ("foo:", "foo", "latest", False), ("foo:a:b", "foo", "a", False),
    ],
)  # fmt: skip
def test_scope(scope: str, repository: str, tag: str | None, *, matches: bool) -> None:
    """``foo`` is ``foo:latest``; a tagless event matches ``""`` and all of its repository only."""
    assert scope_matches(scope, repository, tag) is matches


@pytest.mark.parametrize(
    ("webhook", "operation", "why"),
    [
        (Webhook(status="disabled", actions=("delete",), scope="x"), PUSH, "disabled"),
        (Webhook(actions=("delete",), scope="x"), PUSH, "action"),
        (Webhook(status="disabled"), PUSH, "disabled"),
        (Webhook(actions=("delete",)), PUSH, "action"),
        (Webhook(actions=("push",)), Operation(name="push", action="delete"), "action"),
        (Webhook(scope="team/other:*"), PUSH, "scope"),
        (Webhook(scope="team/app"), PUSH, "scope"),
        (Webhook(scope="team/app:1.0.0"), Operation(name="push", action="delete"), "scope"),
        (Webhook(), Operation(name="push", reaches={WEST: None}), "never-replicated"),
        (Webhook(status="disabled"), Operation(name="push", reaches={WEST: None}), "disabled"),
        (Webhook(scope="team/app:1.0.0"), PUSH, None),
        (Webhook(scope="team/app:*"), Operation(name="push", action="delete"), None),
        (Webhook(actions=("quarantine",)), Operation(name="push", action="quarantine"), None),
    ],
)
def test_a_webhook_that_never_comes_is_a_loss_with_its_reason(
    webhook: Webhook, operation: Operation, why: str | None
) -> None:
    """The other regions are not concerned."""
    (happened,) = played(operation, webhooks={WEST: webhook}, replication={WEST: Delay(fixed=30)})

    assert [(it.region, it.why, it.fault) for it in happened.unsent] == ([(WEST, why, None)] if why else [])
    assert {it.region for it in happened.deliveries} == ({NORTH, EAST} if why else {NORTH, WEST, EAST})
    assert set(happened.ids) == set(REGIONS)


def test_a_loss_has_the_instant_at_which_it_would_have_left() -> None:
    """What an operation never reaches has none, so there it is when it happened."""
    lags = {WEST: Delay(fixed=30), EAST: Delay(fixed=40)}
    push = Operation(name="push", at=5, reaches={EAST: None})
    (happened,) = played(push, webhooks={WEST: Webhook(scope="x")}, replication=lags, faults=(Drop(),))

    assert [(it.region, it.why, it.due_ms) for it in happened.unsent] == [
        (NORTH, "dropped", 5), (WEST, "scope", 35), (EAST, "never-replicated", 5),
    ]  # fmt: skip


def test_each_region_has_its_own_webhook() -> None:
    """Service URI and headers are the region's own; a default stands in for what is not configured."""
    west = Webhook(uri="/webhooks/{region}?x=1", headers={"Authorization": "Bearer t"})
    (push,) = played(PUSH, webhooks={WEST: west})
    sent = {it.region: it.request for it in push.deliveries}

    assert sent[WEST].target == "/webhooks/westeurope?x=1"
    assert dict(sent[WEST].headers)["Authorization"] == "Bearer t"
    assert "Authorization" not in dict(sent[EAST].headers)


@pytest.mark.parametrize(
    ("uri", "invalid_because"),
    [
        ("/api/ImagePush?region=WestEurope", ""),
        ("/api/ImagePush?region=%20westeurope", ""),
        ("/api/ImagePush?region=mars", "unknown-region"),
        ("/api/ImagePush", "unknown-region"),
    ],
)
def test_a_misconfigured_uri_makes_deliveries_invalid_from_the_start(uri: str, invalid_because: str) -> None:
    """Names compare without case and surrounding space; one that is not expected must be refused."""
    (push,) = played(PUSH, webhooks={WEST: Webhook(uri=uri)})

    assert {it.region: it.invalid_because for it in push.deliveries} == {
        NORTH: "",
        WEST: invalid_because,
        EAST: "",
    }


# --- by default ---


@pytest.mark.parametrize("action", SUBSCRIBABLE)
def test_every_action_is_announced_by_default(action: Action) -> None:
    """A webhook subscribes to all five unless it says otherwise."""
    (happened,) = played(Operation(name="op", action=action))

    assert {body["action"] for body in bodies(happened)} == {action}
    assert len(happened.deliveries) == 3
