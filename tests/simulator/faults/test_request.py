"""What is wrong with a request, or special about it."""

import json
from typing import Any, get_args

import msgspec
import pytest

from fanin.simulator.fake_acr import Delivery
from fanin.simulator.faults.request import (
    DEPTH,
    MIB,
    Forge,
    Malform,
    Malformation,
    SignEarlier,
    UnknownRegion,
    UpgradeH2c,
    WrongKey,
)
from fanin.simulator.signing import TOLERANCE_MS
from fanin.simulator.wire import Action
from tests.simulator.faults.pushes import EAST, SOUND, WEST, in_east


def broken(how: Malformation, action: Action = "push") -> Delivery:
    (sent,) = in_east(Malform(how=how), action=action)
    return sent


@pytest.mark.parametrize("how", get_args(Malformation))
def test_a_malformed_body_says_so_and_is_framed_right(how: Malformation) -> None:
    """The reason names the way it is broken; the length is the broken body's own."""
    sent = broken(how)

    assert sent.invalid_because == f"malformed:{how}"
    assert sent.faults == (0,)
    assert sent.request.body != SOUND.request.body
    assert dict(sent.request.headers)["Content-Length"] == str(len(sent.request.body))
    assert (sent.id, sent.request.target) == (SOUND.id, SOUND.request.target)


@pytest.mark.parametrize("how", ["not-json", "truncated", "empty"])
def test_some_bodies_are_no_json(how: Malformation) -> None:
    """No parser may get through them."""
    with pytest.raises(ValueError, match=r"Expecting|Unterminated|Invalid"):
        json.loads(broken(how).request.body)


def test_a_body_that_is_no_utf_8_breaks_in_the_id() -> None:
    """Even a parser that skips strings it does not need has to look there."""
    body = broken("not-utf8").request.body

    with pytest.raises(UnicodeDecodeError):
        body.decode()
    assert json.loads(body.decode(errors="ignore"))["id"] == "id-1"


def test_a_deep_body_is_deeper_than_parsers_go_and_holds_no_target() -> None:
    """A recursive parser must fail in an orderly way; one that gets through finds a list for a target."""
    body = broken("deep").request.body

    with pytest.raises(RecursionError):
        msgspec.json.decode(body)
    assert b'"target":' + b"[" * DEPTH + b"]" * DEPTH in body


def decoded(how: Malformation, action: Action = "push") -> Any:
    return json.loads(broken(how, action).request.body)


def test_a_huge_body_is_more_than_a_mebibyte_of_good_json() -> None:
    """Only its size is wrong."""
    assert len(broken("huge").request.body) > MIB
    assert decoded("huge")["target"]["repository"] == "team/app"


def test_the_other_bodies_are_json_of_the_wrong_shape() -> None:
    """Each misses or bends one thing that an event cannot do without."""
    sound = json.loads(SOUND.request.body)

    assert decoded("not-an-object") == [sound]
    assert decoded("no-id") == {name: value for name, value in sound.items() if name != "id"}
    assert decoded("empty-id") == sound | {"id": ""}
    assert decoded("number-id") == sound | {"id": 17}
    assert decoded("null-id") == sound | {"id": None}
    assert decoded("id-not-text") == sound | {"id": {"build": [17]}}
    assert decoded("no-action") == {name: value for name, value in sound.items() if name != "action"}
    assert decoded("no-target") == {name: value for name, value in sound.items() if name != "target"}
    assert [type(decoded("wrong-types")[name]) for name in sound] == [int, list, dict, str, dict]


def test_two_objects_are_the_sound_one_twice() -> None:
    """Each line alone would be good."""
    assert broken("two-objects").request.body == SOUND.request.body + b"\n" + SOUND.request.body


def test_a_ping_is_only_broken_where_a_ping_can_be() -> None:
    """It needs no target and, for all that is known, no id; what leaves it valid has no effect."""
    hows: tuple[Malformation, ...] = get_args(Malformation)

    sound = {how for how in hows if not broken(how, "ping").faults}

    assert sound == {"no-id", "empty-id", "id-not-text", "number-id", "null-id", "no-target", "deep"}
    assert all(broken(how, "ping").invalid_because == "" for how in sound)
    assert decoded("no-action", "ping").keys() == {"id", "timestamp"}


def test_a_body_breaks_once_and_a_delivery_stays_invalid_for_the_first_reason() -> None:
    """One reason to refuse it is enough, and every fault that took effect is named."""
    (twice,) = in_east(Malform(how="no-id"), Malform(how="empty"))
    (mixed,) = in_east(WrongKey(), Malform(how="no-id"), UnknownRegion(), key="k")

    assert (twice.invalid_because, twice.faults) == ("malformed:no-id", (0,))
    assert (mixed.invalid_because, mixed.faults) == ("wrong-key", (0, 1, 2))
    assert mixed.request.target == "/api/ImagePush?region=mars&code=not-k"


@pytest.mark.parametrize(
    ("url_region", "target", "claimed", "invalid_because"),
    [
        ("mars", "/api/ImagePush?region=mars", "mars", "unknown-region"),
        ("", "/api/ImagePush", None, "unknown-region"),
        ("  ", "/api/ImagePush?region=%20%20", "  ", "unknown-region"),
        (" EastUS ", "/api/ImagePush?region=%20EastUS%20", " EastUS ", ""),
        (WEST, "/api/ImagePush?region=westus", WEST, ""),
    ],
)
def test_a_delivery_may_claim_another_region(
    url_region: str, target: str, claimed: str | None, invalid_because: str
) -> None:
    """Unknown or missing is invalid; an expected region, however it is spelt, is valid."""
    (sent,) = in_east(UnknownRegion(url_region=url_region))

    assert (sent.request.target, sent.request.url_region, sent.invalid_because) == (
        target,
        claimed,
        invalid_because,
    )
    assert (sent.region, sent.faults) == (EAST, (0,))


def test_a_region_is_replaced_wherever_the_url_names_it() -> None:
    """In the path, in a literal parameter; a URI that names none cannot lie, and the fault has no effect."""
    (path,) = in_east(UnknownRegion(), uri="/webhooks/{region}")
    (literal,) = in_east(UnknownRegion(), uri="/api/ImagePush?region=eastus&x=1", key="k")
    (nowhere,) = in_east(UnknownRegion(), uri="/hook")
    (same,) = in_east(UnknownRegion(url_region=EAST))

    assert path.request.target == "/webhooks/mars"
    assert literal.request.target == "/api/ImagePush?region=mars&x=1&code=k"
    assert (nowhere.request.target, nowhere.faults) == ("/hook", ())
    assert same == SOUND


def test_a_known_region_heals_a_url_that_was_wrong_from_the_start() -> None:
    """What is invalid is what the aggregator sees, so it follows what the URL says in the end."""
    (wrong,) = in_east(uri="/api/ImagePush?region=mars")
    (healed,) = in_east(UnknownRegion(url_region=WEST), uri="/api/ImagePush?region=mars")

    assert wrong.invalid_because == "unknown-region"
    assert healed.invalid_because == ""


def test_a_wrong_key_needs_a_right_one() -> None:
    """Without a key in the scenario nothing can be wrong with it."""
    (sent,) = in_east(WrongKey(), key="s3cret==")

    assert (sent.request.target, sent.invalid_because) == (
        "/api/ImagePush?region=eastus&code=not-s3cret%3D%3D",
        "wrong-key",
    )
    assert in_east(WrongKey()) == [SOUND]


@pytest.mark.parametrize(
    ("how", "target"),
    [
        ("none", "/api/ImagePush?region=eastus"),
        ("beginning", "/api/ImagePush?region=eastus&code=s3cre"),
        ("longer", "/api/ImagePush?region=eastus&code=s3cret."),
        ("other-case", "/api/ImagePush?region=eastus&code=S3CRET"),
    ],
)
def test_a_key_may_be_none_or_nearly_right(how: Any, target: str) -> None:
    """Each is what a comparison that is careless lets through."""
    (sent,) = in_east(WrongKey(how=how), key="s3cret")

    assert (sent.request.target, sent.invalid_because) == (target, "wrong-key")


def test_a_key_becomes_wrong_once() -> None:
    """The other letter case of the other letter case is the right key, and would be refused."""
    once = in_east(WrongKey(how="other-case"), key="s3cret")

    assert in_east(WrongKey(how="other-case"), WrongKey(how="other-case"), key="s3cret") == once
    assert in_east(WrongKey(how="beginning"), WrongKey(how="longer"), key="s3cret.")[0].faults == (0,)


def test_a_key_without_letters_has_no_other_letter_case() -> None:
    """The fault would send the right key, so it changes nothing and leaves no trace."""
    sound = in_east(key="4711")

    assert in_east(WrongKey(how="other-case"), key="4711") == sound


def test_an_upgrade_is_offered_besides_and_the_delivery_stays_valid() -> None:
    """As Java's client does it, once; the offer is no reason to refuse anything."""
    (sent,) = in_east(UpgradeH2c(), UpgradeH2c())

    added = dict(sent.request.headers[len(SOUND.request.headers) :])
    assert added == {
        "Connection": "Upgrade, HTTP2-Settings",
        "HTTP2-Settings": "AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
        "Upgrade": "h2c",
    }
    assert (sent.request.body, sent.request.target) == (SOUND.request.body, SOUND.request.target)
    assert (sent.invalid_because, sent.faults) == ("", (0,))


def test_of_two_forgeries_the_first_holds() -> None:
    """The request is signed when it leaves; until then it says how."""
    (sent,) = in_east(Forge(how="altered"), Forge(how="unsigned"))

    assert (sent.forged, sent.invalid_because, sent.faults) == ("altered", "forged:altered", (0,))


@pytest.mark.parametrize(
    ("by", "invalid_because"), [(TOLERANCE_MS, ""), (TOLERANCE_MS + 1, "stale-signature")]
)
def test_a_signature_may_be_five_minutes_old(by: int, invalid_because: str) -> None:
    """And of two such faults the older signature holds."""
    (sent,) = in_east(SignEarlier(by=1_000), SignEarlier(by=by), SignEarlier(by=by))

    assert (sent.signed_earlier_ms, sent.invalid_because) == (by, invalid_because)
    assert sent.faults == (0, 1)
