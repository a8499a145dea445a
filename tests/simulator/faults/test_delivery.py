"""Each fault does to a delivery what it says, to the deliveries it selects, and leaves a bite only then."""

import json
from itertools import pairwise
from typing import Any, get_args

import msgspec
import pytest

from fanin.simulator.fake_acr import Delivery, FakeRegistry, UnsentDelivery
from fanin.simulator.faults.aggregator import Crash
from fanin.simulator.faults.apply import _takes_effect
from fanin.simulator.faults.fault import Fault
from fanin.simulator.faults.request import DEPTH, MIB, Malform, Malformation, UnknownRegion, WrongKey
from fanin.simulator.faults.sink import SinkDown
from fanin.simulator.faults.transport import (
    DelayBy,
    Drop,
    Duplicate,
    LoseAnswer,
    LoseRequest,
    Reorder,
    SlowClient,
)
from fanin.simulator.language.scenario import Operation, Scenario, Webhook
from fanin.simulator.shapes import Delay
from fanin.simulator.wire import Action

EAST, WEST = "eastus", "westus"


def deliveries(
    *faults: Fault,
    seed: int = 1,
    repeat: int = 1,
    action: Action = "push",
    key: str = "",
    webhooks: dict[str, Webhook] | None = None,
) -> tuple[list[Delivery], list[UnsentDelivery]]:
    """What becomes of a push at 0 s, its ``repeat`` copies 10 s apart, whose webhooks are due at once."""
    operation = Operation(name="op", action=action, id="id-{n}", repeat=repeat, every=10_000)
    scenario = Scenario(
        scenario="s",
        title="t",
        regions=(EAST, WEST),
        key=key,
        webhooks=webhooks or {},
        replication={EAST: Delay(fixed=0), WEST: Delay(fixed=0)},
        operations=(operation,),
        faults=faults,
    )
    happened = list(FakeRegistry(scenario, seed=seed, epoch_ms=0).occurrences())
    return [it for one in happened for it in one.deliveries], [it for one in happened for it in one.unsent]


class Zeros:
    """The rarest of draws."""

    def random(self) -> float:
        return 0.0


def in_east(*faults: Fault, action: Action = "push", key: str = "", uri: str = "") -> list[Delivery]:
    """What eastus sends, by copy."""
    webhooks = {EAST: Webhook(uri=uri)} if uri else None
    sent, _ = deliveries(*faults, action=action, key=key, webhooks=webhooks)
    return sorted((it for it in sent if it.region == EAST), key=lambda it: it.copy)


SOUND = in_east()[0]


def test_without_faults_a_delivery_is_sound() -> None:
    """No flaw, no bites, nothing lost on the way."""
    sent, losses = deliveries()

    assert [(it.region, it.due_ms, it.copy, it.invalid_because, it.faults) for it in sent] == [
        (EAST, 0, 0, "", ()),
        (WEST, 0, 0, "", ()),
    ]
    assert (SOUND.lose_requests, SOUND.lose_answers, SOUND.body_over_ms) == (0, 0, 0)
    assert losses == []


def test_faults_of_sink_and_aggregator_are_not_the_registrys() -> None:
    """They stay in the numbering: a delivery's bites are indices into the whole list."""
    sent = in_east(SinkDown(), Crash(at=5), DelayBy(by=Delay(fixed=7)))

    assert (sent[0].due_ms, sent[0].faults) == (7, (2,))


# --- when it is sent, and how often ---


def test_a_dropped_delivery_is_a_loss_that_names_the_fault() -> None:
    """Nobody recovers what a sender never sends."""
    sent, losses = deliveries(SinkDown(), Drop(region=EAST))

    assert [it.region for it in sent] == [WEST]
    assert losses == [UnsentDelivery(0, "op", EAST, "dropped", 1)]


def test_a_delayed_delivery_is_due_later() -> None:
    """Delays add up."""
    assert in_east(DelayBy(by=Delay(fixed=90)), DelayBy(by=Delay(fixed=10)))[0].due_ms == 100


def test_a_delay_of_nothing_does_not_bite() -> None:
    """A run in which a fault changed nothing must be able to say so."""
    assert in_east(DelayBy(by=Delay(fixed=0)), Reorder(within=0), SlowClient(over=0)) == [SOUND]
    assert in_east(LoseRequest(attempts=0), LoseAnswer(attempts=0), Duplicate(after=())) == [SOUND]


def test_a_duplicate_is_a_delivery_of_its_own_for_each_copy() -> None:
    """The same request, numbered, each so long after the original, which stays what it was."""
    first, *copies = in_east(Duplicate(after=(1_000, 0, 691_200_000)))

    assert first == SOUND
    assert [(it.copy, it.due_ms, it.faults) for it in copies] == [
        (1, 1_000, (0,)),
        (2, 0, (0,)),
        (3, 691_200_000, (0,)),
    ]
    assert all(it.request == first.request and it.id == first.id for it in copies)


def test_copies_pass_through_the_faults_behind_theirs() -> None:
    """The order of the list decides: a delay before the duplicate moves both, one behind it moves each."""
    before = in_east(DelayBy(by=Delay(fixed=100)), Duplicate(after=(50,)))
    behind = in_east(Duplicate(after=(50,)), Duplicate(after=(7,)))

    assert [(it.due_ms, it.faults) for it in before] == [(100, (0,)), (150, (0, 1))]
    assert [(it.copy, it.due_ms, it.faults) for it in behind] == [
        (0, 0, ()),
        (1, 50, (0,)),
        (2, 7, (1,)),
        (3, 57, (0, 1)),
    ]


def test_a_copy_has_its_own_way_through_the_network() -> None:
    """Requests and answers are lost per copy; only what the registry sends is the same."""
    first, copy = in_east(LoseRequest(), LoseAnswer(attempts=2), SlowClient(over=9), Duplicate(after=(50,)))

    assert (first.lose_requests, first.lose_answers) == (1, 2)
    assert (copy.lose_requests, copy.lose_requests_fault) == (0, None)
    assert (copy.lose_answers, copy.lose_answers_fault) == (0, None)
    assert copy.body_over_ms == 9


def test_losing_one_of_two_copies_is_no_loss_but_a_bite() -> None:
    """The region's webhook still gets through; the drop took effect all the same."""
    seeds = [
        deliveries(Duplicate(region=EAST), Drop(region=EAST, chance=0.5), seed=seed) for seed in range(40)
    ]
    halves = [(sent, losses) for sent, losses in seeds if [it.region for it in sent].count(EAST) == 1]

    assert halves
    for sent, losses in halves:
        (survivor,) = [it for it in sent if it.region == EAST]
        assert survivor.faults == ((0, 1) if survivor.copy else (1,))
        assert losses == []


def test_losing_every_copy_is_one_loss() -> None:
    """The last fault that dropped one of them is named."""
    sent, losses = deliveries(Duplicate(region=EAST), Drop(region=EAST), Drop(region=EAST))

    assert [it.region for it in sent] == [WEST]
    assert losses == [UnsentDelivery(0, "op", EAST, "dropped", 1)]


def test_reordered_deliveries_overtake_each_other_within_their_limit() -> None:
    """Held back by 0 to ``within``; over many pushes both orders of two regions appear."""
    sent, _ = deliveries(Reorder(within=100), repeat=60)
    held = [it.due_ms % 10_000 for it in sent]
    firsts = [it.region for before, it in pairwise(sent) if before.op != it.op]

    assert max(held) <= 100
    assert len(set(held)) > 20
    assert set(firsts) == {EAST, WEST}


# --- what happens on the way ---


def test_lost_requests_and_answers_are_the_players_to_record() -> None:
    """They bite when an attempt is really lost, so the fault stands beside the number, not in ``bites``."""
    (sent,) = in_east(SinkDown(), LoseRequest(attempts=2), LoseAnswer(attempts=3))

    assert (sent.lose_requests, sent.lose_requests_fault) == (2, 1)
    assert (sent.lose_answers, sent.lose_answers_fault) == (3, 2)
    assert sent.faults == ()


def test_of_two_faults_on_the_way_the_harder_one_holds() -> None:
    """Whichever comes first."""
    (sent,) = in_east(
        LoseRequest(attempts=2), LoseRequest(attempts=1), LoseAnswer(attempts=1), LoseAnswer(attempts=4),
        SlowClient(over=5), SlowClient(over=3),
    )  # fmt: skip

    assert (sent.lose_requests, sent.lose_requests_fault) == (2, 0)
    assert (sent.lose_answers, sent.lose_answers_fault) == (4, 3)
    assert (sent.body_over_ms, sent.faults) == (5, (4,))


# --- what is sent ---


def broken(how: Malformation, action: Action = "push") -> Delivery:
    (sent,) = in_east(Malform(how=how), action=action)
    return sent


@pytest.mark.parametrize("how", get_args(Malformation))
def test_a_malformed_body_says_so_and_is_framed_right(how: Malformation) -> None:
    """The flaw names the way it is broken; the length is the broken body's own."""
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
    assert decoded("no-action") == {name: value for name, value in sound.items() if name != "action"}
    assert decoded("no-target") == {name: value for name, value in sound.items() if name != "target"}
    assert [type(decoded("wrong-types")[name]) for name in sound] == [int, list, dict, str, dict]


def test_a_ping_is_only_broken_where_a_ping_can_be() -> None:
    """It needs no target and, for all that is known, no id; what leaves it sound does not bite."""
    hows: tuple[Malformation, ...] = get_args(Malformation)

    sound = {how for how in hows if not broken(how, "ping").faults}

    assert sound == {"no-id", "empty-id", "no-target", "deep"}
    assert all(broken(how, "ping").invalid_because == "" for how in sound)
    assert decoded("no-action", "ping").keys() == {"id", "timestamp"}


def test_a_body_breaks_once_and_a_delivery_keeps_its_first_flaw() -> None:
    """One reason to refuse it is enough, and every fault that took effect is named."""
    (twice,) = in_east(Malform(how="no-id"), Malform(how="empty"))
    (mixed,) = in_east(WrongKey(), Malform(how="no-id"), UnknownRegion(), key="k")

    assert (twice.invalid_because, twice.faults) == ("malformed:no-id", (0,))
    assert (mixed.invalid_because, mixed.faults) == ("wrong-key", (0, 1, 2))
    assert mixed.request.target == "/api/ImagePush?region=mars&code=not-k"


@pytest.mark.parametrize(
    ("claims", "target", "claimed", "flaw"),
    [
        ("mars", "/api/ImagePush?region=mars", "mars", "unknown-region"),
        ("", "/api/ImagePush", None, "unknown-region"),
        ("  ", "/api/ImagePush?region=%20%20", "  ", "unknown-region"),
        (" EastUS ", "/api/ImagePush?region=%20EastUS%20", " EastUS ", ""),
        (WEST, "/api/ImagePush?region=westus", WEST, ""),
    ],
)
def test_a_delivery_may_claim_another_region(
    claims: str, target: str, claimed: str | None, flaw: str
) -> None:
    """Unknown or missing is a flaw; an expected region, however it is spelt, is none."""
    (sent,) = in_east(UnknownRegion(claims=claims))

    assert (sent.request.target, sent.request.claims, sent.invalid_because) == (target, claimed, flaw)
    assert (sent.region, sent.faults) == (EAST, (0,))


def test_a_region_is_replaced_wherever_the_url_names_it() -> None:
    """In the path, in a literal parameter; a URI that names none cannot lie, and the fault does not bite."""
    (path,) = in_east(UnknownRegion(), uri="/webhooks/{region}")
    (literal,) = in_east(UnknownRegion(), uri="/api/ImagePush?region=eastus&x=1", key="k")
    (nowhere,) = in_east(UnknownRegion(), uri="/hook")
    (same,) = in_east(UnknownRegion(claims=EAST))

    assert path.request.target == "/webhooks/mars"
    assert literal.request.target == "/api/ImagePush?region=mars&x=1&code=k"
    assert (nowhere.request.target, nowhere.faults) == ("/hook", ())
    assert same == SOUND


def test_a_known_region_heals_a_url_that_was_wrong_from_the_start() -> None:
    """The flaw is the aggregator's to see, so it follows what the URL says in the end."""
    (wrong,) = in_east(uri="/api/ImagePush?region=mars")
    (healed,) = in_east(UnknownRegion(claims=WEST), uri="/api/ImagePush?region=mars")

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


def test_a_slow_client_takes_its_time() -> None:
    """The body is the same and takes so long to arrive."""
    (sent,) = in_east(SlowClient(over=30_000))

    assert (sent.body_over_ms, sent.faults) == (30_000, (0,))
    assert sent.request == SOUND.request


# --- which deliveries ---


@pytest.mark.parametrize(
    ("fault", "bitten"),
    [
        (Drop(region=EAST), [("op/1", EAST), ("op/2", EAST)]),
        (Drop(operation="op", region=WEST), [("op/1", WEST), ("op/2", WEST)]),
        (Drop(operation="op/2"), [("op/2", EAST), ("op/2", WEST)]),
        (Drop(operation="other"), []),
        (Drop(region="mars"), []),
    ],
)
def test_a_fault_selects_by_region_and_operation(fault: Fault, bitten: list[tuple[str, str]]) -> None:
    """An operation's name stands for all its repeats; with the number it stands for one."""
    _, losses = deliveries(fault, repeat=2)

    assert [(it.op, it.region) for it in losses] == bitten


def test_chance_0_never_bites_and_chance_1_always_does() -> None:
    """A fault with probability 0 that bites has been seen elsewhere."""
    never, _ = deliveries(Drop(chance=0), repeat=500)
    always, _ = deliveries(Drop(chance=1), repeat=500)

    assert len(never) == 1_000
    assert always == []
    assert not _takes_effect(Drop(chance=0), Zeros())


def test_chance_is_drawn_for_each_delivery_from_the_seed() -> None:
    """About the share that it says, the same for one seed and another for another."""
    runs = [deliveries(Drop(chance=0.1), repeat=500, seed=seed)[1] for seed in (1, 1, 2)]

    assert 60 <= len(runs[0]) <= 140
    assert runs[0] == runs[1] != runs[2]


def test_chance_1_draws_nothing() -> None:
    """So a sure fault's own draws are those that it has without a chance."""
    sure = deliveries(Reorder(within=1_000, chance=1.0))
    likely = deliveries(Reorder(within=1_000, chance=0.999_999))

    assert sure == deliveries(Reorder(within=1_000))
    assert sure != likely


def test_faults_draw_apart_from_each_other() -> None:
    """Two equal faults bite different deliveries, and the first one's draws do not move the second's."""
    half = Drop(chance=0.5)
    pairs: list[tuple[Fault, Fault]] = [
        (Drop(chance=0), half), (half, half), (DelayBy(by=Delay(min=1, max=9)), half),
    ]  # fmt: skip
    alone, both, behind = (deliveries(*pair, repeat=200)[1] for pair in pairs)

    second = {(it.op, it.region) for it in alone}
    assert set() < {(it.op, it.region) for it in both if it.fault == 1} < second
    assert {(it.op, it.region) for it in behind} == second
