"""What is sent to the sink: a POST of a JSON object that says what the contract asks for."""

from html import escape
from typing import Any
from urllib.parse import urlencode

import msgspec

from fanin.aggregator.clock import Clock
from fanin.aggregator.fanin import Notification
from fanin.aggregator.notify.formats.json import body_of
from fanin.harness.mutants.mutant import Mutant
from fanin.harness.mutants.plain_http import PlainRequest, changing
from fanin.harness.mutants.variation import Send, vary
from fanin.harness.world.target import AppFactory

NAMED_MAX = 5
COLUMN_LENGTH = 100
DIGEST_LENGTH = 19  # as docker prints them: sha256: and twelve digits


def _with_fields(**fields: Any) -> AppFactory:
    """Fields that differ; called with the notification where they are functions."""

    def change(request: PlainRequest, notification: Notification) -> PlainRequest:
        body = msgspec.to_builtins(body_of(notification))
        changed = {name: it(notification) if callable(it) else it for name, it in fields.items()}
        return request._replace(body=msgspec.json.encode({**body, **changed}))

    return changing(change)


def _as_form(request: PlainRequest, notification: Notification) -> PlainRequest:
    form = urlencode(msgspec.to_builtins(body_of(notification)), doseq=True).encode()
    return request._replace(body=form, content_type="application/x-www-form-urlencoded")


def _in_a_list(request: PlainRequest, _notification: Notification) -> PlainRequest:
    return request._replace(body=b"[" + request.body + b"]")


def _with_key(key_of: Any) -> AppFactory:
    return changing(lambda request, notification: request._replace(key=key_of(notification)))


def _image_of(notification: Notification) -> str:
    subject = notification.subject
    return f"{subject.repository}:{subject.tag}"


def _cut(name: str | None) -> str | None:
    return name[:COLUMN_LENGTH] if name else name


def _content_of_the_last(send: Send, _clock: Clock) -> Send:
    """Take the image from a variable that the next operation overwrites."""
    last: list[Notification] = []

    def attempt(notification: Notification) -> Any:
        last.append(notification)
        return send(msgspec.structs.replace(notification, subject=last[-2 if len(last) > 1 else -1].subject))

    return attempt


MUTANTS = (
    Mutant(
        "notifies-with-put",
        (),
        "Sends notifications with PUT, so a sink that takes POST alone refuses them all.",
        "slow-region",
        changing(lambda request, _: request._replace(method="PUT")),
    ),
    Mutant(
        "notifies-another-path",
        (),
        "Appends a path of its own to the configured address, so notifications go where nothing listens.",
        "slow-region",
        changing(lambda request, _: request._replace(path="/notifications")),
    ),
    Mutant(
        "notifies-as-a-form",
        (),
        "Sends notifications as a form, so a sink that reads JSON cannot read them.",
        "slow-region",
        changing(_as_form),
    ),
    Mutant(
        "notifies-lists",
        (),
        "Sends each notification as a list of one, so a sink that expects an object finds no outcome in it.",
        "slow-region",
        changing(_in_a_list),
    ),
    Mutant(
        "key-of-the-image",
        ("B19",),
        "Makes the notification's key of repository and tag, so a sink drops the second push of a tag as a"
        " repetition.",
        "delete-and-push",
        _with_key(_image_of),
    ),
    Mutant(
        "key-of-the-second",
        ("B19",),
        "Makes the notification's key of the second in which it was decided, so of two in one second the sink"
        " drops one.",
        "stampede-start",
        _with_key(lambda it: str(it.decided_ms // 1_000)),
    ),
    Mutant(
        "key-of-the-id",
        ("B19",),
        "Sends the id as the notification's key, in a header that is ASCII, so ids that differ only beyond it"
        " share one key.",
        "odd-ids",
        _with_key(lambda it: it.operation_id.encode("ascii", "replace").decode()),
    ),
    Mutant(
        "ids-escaped",
        (),
        "Escapes the id as for a page, so a notification names an operation that never occurred.",
        "odd-ids",
        _with_fields(id=lambda it: escape(it.operation_id)),
    ),
    Mutant(
        "charts-by-their-names",
        (),
        "Reports a chart's name as its repository, so the notification names a repository that does not"
        " exist.",
        "every-action",
        _with_fields(repository=lambda it: it.subject.name or it.subject.repository),
    ),
    Mutant(
        "deadline-without-zone",
        ("B42",),
        "Writes the deadline without its offset, so a reader in another zone is hours off.",
        "slow-region",
        _with_fields(deadline="2026-03-01T00:02:00"),
    ),
    Mutant(
        "deadline-when-decided",
        (),
        "Writes the instant of the decision as the deadline, so it says what no operation ever waited for.",
        "sink-hangs",
        _with_fields(deadline=lambda it: it.decided_ms),
    ),
    Mutant(
        "digest-shortened",
        (),
        "Shortens the digest as command lines do, so the notification names no image that exists.",
        "slow-region",
        _with_fields(digest=lambda it: (it.subject.digest or "")[:DIGEST_LENGTH] or None),
    ),
    Mutant(
        "names-cut-short",
        (),
        "Keeps names in columns of 100 characters, so a notification names a repository that does not exist.",
        "every-action",
        _with_fields(repository=lambda it: _cut(it.subject.repository), tag=lambda it: _cut(it.subject.tag)),
    ),
    Mutant(
        "names-five-missing",
        (),
        "Names five missing regions at most, so where more are missing the notification lacks some.",
        "many-regions",
        _with_fields(missing=lambda it: it.missing[:NAMED_MAX]),
    ),
    Mutant(
        "names-the-missing-alone",
        (),
        "Leaves out the regions that have arrived, so a sink cannot see for which it may act.",
        "slow-region",
        _with_fields(arrived=[]),
    ),
    Mutant(
        "content-of-the-last",
        ("B30",),
        "Keeps the image in a variable that all operations share, so a notification names another"
        " operation's image.",
        "delete-and-push",
        vary(send=_content_of_the_last),
    ),
)
