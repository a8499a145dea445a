"""What a receiver's refusal means: when to come back, whether at all, and for whom else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import pytest

from fanin.aggregator.notify.address import parse
from fanin.aggregator.notify.formats import FORMATS, load
from fanin.aggregator.notify.http import HttpTarget, parse_retry_after
from fanin.aggregator.notify.port import NotDeliveredError
from fanin.aggregator.notify.target import Target
from tests.aggregator.notify.receiver import NOTIFICATION, OK, says, server
from tests.aggregator.services import Hand

pytestmark = pytest.mark.anyio

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - the specification's example


@asynccontextmanager
async def target(url: str, form: str, clock: Hand, **rest: object) -> AsyncIterator[HttpTarget]:
    chosen = load(form)
    described = Target(address=parse(url), format=form, **rest)  # type: ignore[arg-type] # whatever a test wants
    it = HttpTarget(described, chosen.render, clock, gone=chosen.gone, rate_limited=chosen.rate_limited)
    with closing(it):
        yield it


def refuses(status: int, *headers: str) -> bytes:
    lines = "".join(f"{header}\r\n" for header in headers)
    return f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\n{lines}\r\n".encode()


async def refusal(it: HttpTarget) -> NotDeliveredError:
    with pytest.raises(NotDeliveredError) as refused:
        await it.send(NOTIFICATION)
    return refused.value


@pytest.mark.parametrize(
    ("text", "expected_ms"),
    [
        ("30", 30_000),
        (" 1.5 ", 1_500),
        ("0", 0),
        ("Sun, 01 Mar 2026 00:01:30 GMT", 90_000),
        ("Sat, 28 Feb 2026 23:00:00 GMT", 0),
        ("soon", None),
        ("-5", None),
        ("nan", None),
        ("inf", None),
        ("Sun, 99 Mar 2026 00:01:30 GMT", None),
        (None, None),
    ],
)
async def test_retry_after_is_seconds_or_a_date(text: str | None, expected_ms: int | None) -> None:
    """RFC 9110, with the fractions that Discord writes; what cannot be understood asks for nothing."""
    assert parse_retry_after(text, Hand().ms) == expected_ms


@pytest.mark.parametrize("status", [429, 503])
async def test_what_the_receiver_asks_for_is_passed_on(status: int) -> None:
    """Header names have no case."""
    async with server(says(refuses(status, "ReTry-AfTer: 7"))) as (url, _), target(url, "json", Hand()) as it:
        refused = await refusal(it)

    assert (refused.retry_after_ms, refused.final, refused.sent) == (7_000, False, True)


async def test_one_refusal_asks_nothing_for_the_next() -> None:
    """The header belongs to its own answer."""
    answers = [says(refuses(429, "retry-after: 7")), says(refuses(500))]
    async with server(*answers) as (url, _), target(url, "json", Hand()) as it:
        await refusal(it)
        refused = await refusal(it)

    assert refused.retry_after_ms is None


@pytest.mark.parametrize("form", ["slack", "teams", "discord", "github"])
async def test_receivers_with_a_limit_are_left_alone_for_so_long(form: str) -> None:
    """Their 429 is about everything from us: nothing is sent until then, and no attempt counted."""
    clock = Hand()
    async with (
        server(says(refuses(429, "retry-after: 30")), says(OK)) as (url, requests),
        target(url, form, clock) as it,
    ):
        await refusal(it)
        clock.ms += 29_000
        early = await refusal(it)
        assert (early.sent, early.retry_after_ms) == (False, 1_000)
        clock.ms += 1_000
        await it.send(NOTIFICATION)

    assert len(requests) == 2


async def test_others_are_asked_about_each_notification() -> None:
    """A plain receiver may refuse one and take the next."""
    async with (
        server(says(refuses(429, "retry-after: 30")), says(OK)) as (url, requests),
        target(url, "json", Hand()) as it,
    ):
        await refusal(it)
        await it.send(NOTIFICATION)

    assert len(requests) == 2


async def test_no_pause_is_longer_than_an_hour() -> None:
    """A slip at the receiver's end must not silence us for a day."""
    clock = Hand()
    async with (
        server(says(refuses(429, "retry-after: 86400")), says(OK)) as (url, _),
        target(url, "slack", clock) as it,
    ):
        await refusal(it)
        clock.ms += 3_600_000
        await it.send(NOTIFICATION)


FINAL = {("slack", 410), ("discord", 404)}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413, 422, 500])
async def test_only_what_is_documented_as_final_is_final(form: str, status: int) -> None:
    """Any other status may be a mistake that is repaired, so it is tried again."""
    async with server(says(refuses(status))) as (url, _), target(url, form, Hand()) as it:
        refused = await refusal(it)

    assert refused.final is ((form, status) in FINAL)


async def test_410_is_final_for_targets_with_signatures() -> None:
    """Standard Webhooks says so, whatever the body's format."""
    async with (
        server(says(refuses(410))) as (url, _),
        target(url, "json", Hand(), signing_secrets=(SECRET,)) as it,
    ):
        assert (await refusal(it)).final


@pytest.mark.parametrize("form", ["json", "cloudevents", "cloudevents-binary", "slack"])
async def test_a_signature_goes_with_any_format(form: str) -> None:
    """Over the bytes that are sent, under the key and the time that the other headers say."""
    async with (
        server(says(OK)) as (url, requests),
        target(url, form, Hand(), signing_secrets=(SECRET,), headers=(("x-team", "images"),)) as it,
    ):
        await it.send(NOTIFICATION)

    ((head, body),) = requests
    headers = dict(line.split(": ", 1) for line in head[1:] if line)
    expected = it._signer.sign("c0ffee", 1_772_323_200, body) if it._signer else ""
    assert headers["webhook-signature"] == expected
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == ("c0ffee", "1772323200")
    assert headers["x-team"] == "images"
