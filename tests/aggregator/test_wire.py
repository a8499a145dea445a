"""Webhook bodies: understood whatever a registry adds or leaves out, refused when none can have sent them."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanin.aggregator.errors import BodyTooLargeError, MalformedError, RequestError
from fanin.aggregator.fanin import Subject
from fanin.aggregator.wire import (
    BODY_BYTES_MAX,
    DEPTH_MAX,
    ID_LENGTH_MAX,
    Event,
    decode,
    event_id_key,
    image_key,
    normalise_region,
    rfc3339,
    subject_of,
)

TARGET = {"repository": "team/app", "tag": "1.0", "digest": "sha256:11"}
PUSH = {"id": "5b7c", "action": "push", "target": TARGET, "request": {"host": "demo.azurecr.io"}}


def body(**changes: Any) -> bytes:
    """A push, with fields changed; None leaves a field out."""
    fields = {name: value for name, value in (PUSH | changes).items() if value is not None}
    return json.dumps(fields).encode()


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "sent",
    [
        body(),
        body(timestamp="2026-03-04T05:06:07.343145347Z", actor={"name": "x"}, notes=[1, {"a": None}]),
        body(target=TARGET | {"size": 856, "length": 856, "url": None}),
        body(extra=nested(DEPTH_MAX - 1)),
        body(extra=["[" * 30] * 30 + ["]" * 900]),
        b"\n\t " + body() + b"\n",
        body(extra="ünïcode ☃"),
    ],
    ids=["plain", "unknown fields", "every target field", "nested", "brackets in text", "space", "unicode"],
)
def test_what_a_registry_may_add_is_skipped(sent: bytes) -> None:
    """Extra fields are tolerated at every level."""
    event = decode(sent)

    assert (event.id, event.action) == ("5b7c", "push")
    assert subject_of(event) == Subject(
        action="push", host="demo.azurecr.io", repository="team/app", tag="1.0", digest="sha256:11"
    )


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (body(request=None), {"repository": "team/app", "tag": "1.0", "digest": "sha256:11"}),
        (body(request={}, target={}), {}),
        (body(request={"host": ""}, target={"repository": "r", "tag": ""}), {"repository": "r"}),
        (body(target={"tag": None, "repository": "r"}, request={}), {"repository": "r"}),
        (
            body(
                target={"repository": "repo", "tag": "web-5.tgz", "name": "web", "version": "5"}, request=None
            ),
            {"repository": "repo", "tag": "web-5.tgz", "name": "web", "version": "5"},
        ),
    ],
    ids=["no request", "nothing at all", "empty strings", "null", "a chart"],
)
def test_every_leaf_may_be_absent(sent: bytes, expected: dict[str, str]) -> None:
    """Absent, null and empty mean the same: the payload did not say."""
    assert subject_of(decode(sent)) == Subject(action="push", **expected)


def test_a_ping_needs_no_more_than_its_action() -> None:
    """Receivers agree on nothing else in it."""
    assert decode(b'{"action":"ping"}') == Event(action="ping")


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"", "the body is empty"),
        (b"action=push", "the body is not JSON"),
        (b'{"id": "5b7c", "action": "pu', "the body is not JSON"),
        (b"[" + body() + b"]", "not a registry webhook: Expected `object`, got `array`"),
        (b"null", "Expected `object`, got `null`"),
        (body(id=None), "id is missing or empty"),
        (body(id=""), "id is missing or empty"),
        (body(id=" \t"), "id is missing or empty"),
        (body(id=17), r"Expected `str`, got `int` - at `\$.id`"),
        (body(id="x" * (ID_LENGTH_MAX + 1)), "id has 257 characters; at most 256 are accepted"),
        (body(id="a\nb"), r"id 'a\\nb' has control characters"),
        (body(action=None), "missing required field `action`"),
        (body(action=""), "action is missing or empty"),
        (body(action={"push": True}), r"\$.action"),
        (body(target=None), "a 'push' without a target; expected an object, which may"),
        (body(target="team/app:1.0"), r"\$.target"),
        (body(target=TARGET | {"tag": 7}), r"\$.target.tag"),
        (body(target=TARGET | {"repository": "r" * 513}), "target.repository has 513 characters"),
        (body(target=TARGET | {"tag": "a\x00b"}), "target.tag"),
        (body(request=[]), r"\$.request"),
        (body(extra=nested(DEPTH_MAX + 1)), "nested more than 64 levels deep"),
        (b"[" * 100_000, "nested more than 64 levels deep"),
        (body(first='"\\', then=nested(DEPTH_MAX + 1)), "nested more than 64 levels deep"),
        (body(extra="x").replace(b'"x"', b'"\xff"'), "not UTF-8 at byte"),
        (body().replace(b"5b7c", b"\xff\xfe"), "not UTF-8 at byte"),
        (b'{"id":"\\ud800","action":"push"}', "the body is not JSON"),
    ],
)
def test_what_no_registry_can_have_sent_is_refused(sent: bytes, why: str) -> None:
    """With the reason, as a 400."""
    with pytest.raises(MalformedError, match=why) as refusal:
        decode(sent)

    assert refusal.value.status == 400


def test_a_byte_order_mark_is_skipped() -> None:
    """Once, and only before the JSON."""
    assert decode(b"\xef\xbb\xbf" + body()) == decode(body())
    with pytest.raises(MalformedError):
        decode(b"\xef\xbb\xbf" * 2 + body())


def test_a_body_over_a_mebibyte_is_refused_as_such() -> None:
    """413, whatever is in it."""
    with pytest.raises(BodyTooLargeError) as refusal:
        decode(body(padding="x" * BODY_BYTES_MAX))

    assert refusal.value.status == 413


@settings(deadline=None)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=100).map(str.encode)))
def test_no_body_causes_anything_but_a_refusal(sent: bytes) -> None:
    """Decoded or refused; any other exception fails this test, whatever the bytes."""
    with suppress(RequestError):
        decode(sent)


def test_by_event_id_the_regions_share_the_payloads_id() -> None:
    """The original correlates by the payload's id, which is the same in every region."""
    assert event_id_key("5b7c", Subject(action="push")) == "5b7c"


def test_by_image_the_id_does_not_matter() -> None:
    """Regions that number their events themselves still meet."""
    subject = subject_of(decode(body()))

    assert image_key("a", subject) == image_key("b", subject) == "push:demo.azurecr.io/team/app:1.0@sha256:11"
    assert image_key("a", Subject(action="delete", repository="r", digest="sha256:1")) == "delete:/r@sha256:1"


TEXTS = st.one_of(st.none(), st.text("ab:@/%", min_size=1, max_size=4))
SUBJECTS = st.builds(
    Subject, action=st.sampled_from(["push", "delete"]), host=TEXTS, repository=TEXTS, tag=TEXTS, digest=TEXTS
)


@settings(deadline=None)
@given(SUBJECTS, SUBJECTS)
def test_different_images_have_different_keys(one: Subject, other: Subject) -> None:
    """However strange their names: separators inside them are encoded."""
    assert (image_key("", one) == image_key("", other)) == (one == other)


@pytest.mark.parametrize("written", ["eastus", " EastUS ", "EASTUS\t"])
def test_regions_compare_trimmed_and_folded(written: str) -> None:
    """People capitalise as the portal does."""
    assert normalise_region(written) == "eastus"


def test_instants_are_written_in_utc_to_the_millisecond() -> None:
    """RFC 3339, always with three digits."""
    assert rfc3339(1_772_323_320_000) == "2026-03-01T00:02:00.000Z"
    assert rfc3339(1_772_323_320_042) == "2026-03-01T00:02:00.042Z"


@pytest.mark.parametrize("odd", [5, {"a": 1}, "", "two\nlines", "x" * 513, None])
def test_what_only_adds_to_a_notification_is_no_reason_to_refuse(odd: Any) -> None:
    """A media type or a request's id that cannot be shown is left out."""
    event = decode(body(target=TARGET | {"mediaType": odd}, request={"id": odd, "host": "demo.azurecr.io"}))

    assert (subject_of(event).media_type, subject_of(event).request_id) == (None, None)
    assert subject_of(event).host == "demo.azurecr.io"
