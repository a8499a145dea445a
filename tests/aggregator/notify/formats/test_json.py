"""The plain JSON of a notification: what is in it, and what stays as it was."""

import msgspec

from fanin.aggregator.fanin import Notification, Subject
from tests.aggregator.notify.formats.samples import body, notify, written


def test_a_deployer_can_name_the_content_that_was_pushed() -> None:
    """Registry, repository and digest; what the webhook lacks is left out, not null."""
    plain = body("json", notify())

    assert (
        f"{plain['registry']}/{plain['repository']}@{plain['digest']}" == "demo.azurecr.io/team/app@sha256:1"
    )
    assert plain.keys().isdisjoint({"name", "version", "mediaType", "requestId"})


def test_a_chart_has_its_name_and_version() -> None:
    """And everything has the registry's own words for its kind and its request."""
    subject = Subject(
        action="chart_push", name="web", version="5.4.0.tgz", media_type="application/x", request_id="r-1"
    )

    plain = body("json", notify(subject=subject))

    assert {name: plain[name] for name in ("name", "version", "mediaType", "requestId")} == {
        "name": "web",
        "version": "5.4.0.tgz",
        "mediaType": "application/x",
        "requestId": "r-1",
    }


def test_what_was_stored_before_an_upgrade_is_repeated_as_it_was() -> None:
    """A body under one key stays the same: a field that is new is not there for old operations."""
    stored = (
        b'{"key":"c0ffee","operation_id":"op-1","outcome":"completed","subject":{"action":"chart_push",'
        b'"repository":"repo","tag":"web-5.4.0.tgz","digest":"sha256:1"},"arrived":["eastus"],"missing":[],'
        b'"started_ms":1772323200000,"deadline_ms":1772323320000,"decided_ms":1772323320000}'
    )

    sent = written("json", msgspec.json.decode(stored, type=Notification)).body

    assert sent == (
        b'{"id":"op-1","outcome":"completed","arrived":["eastus"],"missing":[],"action":"chart_push",'
        b'"repository":"repo","tag":"web-5.4.0.tgz","digest":"sha256:1","deadline":"2026-03-01T00:02:00.000Z"}'
    )
