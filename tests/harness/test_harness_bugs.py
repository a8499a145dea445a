"""What the harness itself must never do wrong, first half: judging, drawing, and saying how to see it again.

Each way in which a harness is known to lie is a row: a check that the harness as it is passes, and a bug, put
into it for a moment, that the check must notice. A check that notices nothing proves nothing.
"""

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace as replaced
from itertools import count
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from fanin.harness.cli import explore_output
from fanin.harness.cli.main import main
from fanin.harness.explore.generate import generate
from fanin.harness.explore.search import Search
from fanin.harness.history import (
    AttemptSent,
    End,
    Entry,
    FaultApplied,
    History,
    NotificationReceived,
    RegistryEvent,
    SinkResponded,
)
from fanin.harness.mutants.matrix import scenario_of
from fanin.harness.oracle import oracle
from fanin.harness.oracle.bounds import Bounds
from fanin.harness.oracle.evidence import collect
from fanin.harness.oracle.oracle import judge
from fanin.harness.oracle.rules import content, doubts, notification, outcome, timing
from fanin.harness.verdict import Finding, Validity
from fanin.harness.world import play as playing
from fanin.harness.world.kernel import VirtualKernel
from fanin.harness.world.play import play
from fanin.harness.world.watch import Watch
from fanin.simulator.fake_acr import FakeRegistry
from tests.harness.oracle.lies import Lie, Patch
from tests.harness.pack_runs import run_of


def played(name: str, seed: int = 0) -> History:
    """What its author expects is left out: the contract alone must do."""
    return play(msgspec.structs.replace(scenario_of(name), expect=()), seed=seed)


def with_entries(history: History, entries: Sequence[Entry]) -> History:
    return History(history.run, entries)


def nothing(*_: object, **__: object) -> Iterator[Any]:
    return iter(())


# --- it passes because nothing happened during the fault ---

EFFECTIVE = (
    "ack-lost",
    "crash-after-ack",
    "crash-at-notify",
    "dropped-region",
    "sink-down",
    "restart-every-30s",
)


def a_fault_that_did_nothing_leaves_a_doubt() -> None:
    """Whatever else was right, a run in which a certain fault had no effect proves nothing."""
    for name in EFFECTIVE:
        history = played(name)
        assert judge(history).validity is Validity.VALID, name
        for index in range(len(history.run.scenario.faults)):
            without = [
                it for it in history.entries if not (isinstance(it, FaultApplied) and it.fault == index)
            ]
            assert judge(with_entries(history, without)).validity is not Validity.VALID, (name, index)


def nothing_is_no_success() -> None:
    """A scenario in which no request ever reaches the aggregator is no success of the aggregator's."""
    assert judge(played("nothing-happened")).validity is Validity.UNKNOWN


def _faults_need_no_effect(patch: Patch) -> None:
    patch.setattr(doubts, "_ineffective_faults", nothing)


def _nothing_need_happen(patch: Patch) -> None:
    patch.setattr(doubts, "_nothing_happened", nothing)


# --- the expectation is computed from the data that is checked ---


def what_is_lost_is_missed() -> None:
    """Forty of a hundred notifications gone: as many operations were never reported, by name."""
    history = run_of("thousand-ops")
    # Of an operation that lost every webhook, nothing was reported.
    told = {it.op for it in history.entries if isinstance(it, NotificationReceived)}
    ops = [it.op for it in history.entries if isinstance(it, RegistryEvent) and it.op in told]
    gone = set(random.Random(0).sample(ops, len(ops) * 4 // 10))
    requests = {
        it.request for it in history.entries if isinstance(it, NotificationReceived) and it.op in gone
    }
    kept = [
        it
        for it in history.entries
        if not (isinstance(it, NotificationReceived | SinkResponded) and it.request in requests)
    ]

    verdict = judge(with_entries(history, kept))

    assert verdict.validity is Validity.INVALID
    assert {it.op for it in verdict.judgements if it.outcome is None} & told == gone
    assert len(gone) == _found(verdict.findings)


def _found(findings: Sequence[Finding]) -> int:
    """How many operations the findings are about, those that are only counted included."""
    counted = [re.match(r"(\d+) more like these", it.message) for it in findings]
    return sum(int(it[1]) if it else 1 for it in counted)


def _only_what_was_reported_is_looked_at(patch: Patch) -> None:
    def lenient(history: History) -> Any:
        evidence = collect(history)
        return replaced(evidence, operations=tuple(it for it in evidence.operations if it.notifications))

    patch.setattr(oracle, "collect", lenient)


# --- the judge accepts an illegal history ---


def _first_notification(history: History) -> tuple[int, NotificationReceived]:
    return next((n, it) for n, it in enumerate(history.entries) if isinstance(it, NotificationReceived))


def _with_body(history: History, **fields: Any) -> History:
    n, first = _first_notification(history)
    entries = [*history.entries]
    entries[n] = msgspec.structs.replace(first, body=first.body and first.body | fields)
    return with_entries(history, entries)


def _moved(history: History, by_ms: int) -> History:
    """The notification and its response at another time."""
    entries = [
        msgspec.structs.replace(it, at=it.at + by_ms)
        if isinstance(it, NotificationReceived | SinkResponded)
        else it
        for it in history.entries
    ]
    return with_entries(history, sorted(entries, key=lambda it: it.at))


def _again(history: History, **fields: Any) -> History:
    """Sent once more, a minute later, with something else in it."""
    _, first = _first_notification(history)
    key, body = fields.pop("key", first.key), (first.body or {}) | fields
    more: list[Entry] = [
        NotificationReceived(first.at + 60_000, 77, key, body, first.op),
        SinkResponded(first.at + 60_000, 77, 200),
    ]
    return with_entries(history, sorted([*history.entries, *more], key=lambda it: it.at))


def _without_notifications(history: History) -> History:
    return with_entries(
        history, [it for it in history.entries if not isinstance(it, NotificationReceived | SinkResponded)]
    )


REGIONS = ["northeurope", "westeurope", "eastus"]
COMPLETED, LOST = "slow-region", "dropped-region"
ILLEGAL: dict[str, tuple[str, Callable[[History], History]]] = {
    "never reported": (COMPLETED, _without_notifications),
    "never reported that it timed out": (LOST, _without_notifications),
    "reported before it can be known": (COMPLETED, lambda it: _moved(it, -60_000)),
    "reported ten minutes late": (COMPLETED, lambda it: _moved(it, 600_000)),
    "timed out early": (LOST, lambda it: _moved(it, -60_000)),
    "timed out late": (LOST, lambda it: _moved(it, 60_000)),
    "timed out though complete": (
        COMPLETED, lambda it: _with_body(
            _moved(it, 1_000), outcome="timed_out", arrived=REGIONS[:2], missing=REGIONS[2:]
        ),
    ),
    "completed though one is missing": (
        LOST, lambda it: _with_body(it, outcome="completed", arrived=REGIONS, missing=[]),
    ),
    "the wrong one is missing": (
        LOST, lambda it: _with_body(it, arrived=REGIONS[1:], missing=REGIONS[:1]),
    ),
    "all are missing": (LOST, lambda it: _with_body(it, arrived=[], missing=REGIONS)),
    "reported again after it was accepted": (COMPLETED, _again),
    "reported under two keys": (COMPLETED, lambda it: _again(it, key="another")),
    "two outcomes": (
        COMPLETED, lambda it: _again(it, outcome="timed_out", arrived=REGIONS[:2], missing=REGIONS[2:]),
    ),
    "another image": (COMPLETED, lambda it: _with_body(it, digest="sha256:00")),
    "an unknown region": (COMPLETED, lambda it: _with_body(it, arrived=[*REGIONS, "mars"])),
}  # fmt: skip


def every_illegal_history_is_invalid() -> None:
    """One thing wrong in the history of a right run is enough."""
    right = {name: played(name) for name in (COMPLETED, LOST)}
    assert {judge(it).validity for it in right.values()} == {Validity.VALID}
    passed = [
        what
        for what, (name, spoil) in ILLEGAL.items()
        if judge(spoil(right[name])).validity is not Validity.INVALID
    ]

    assert passed == []


def _without(module: Any, rule: str) -> Callable[[Patch], None]:
    return lambda patch: patch.setattr(module, rule, nothing)


def _anything_goes(patch: Patch) -> None:
    patch.setattr(Bounds, "allows", lambda *_: True)


# --- it is over before everything came ---

LATE = ("duplicate-after-done", "long-retry-horizon", "resurrection", "same-key-next-week", "thirty-days")


def the_watch_outlasts_everything() -> None:
    """Two timeouts after every outcome and one after every delivery, or else an absence is no evidence."""
    for name in LATE:
        history = played(name)
        timeout, end = history.run.scenario.timeout, history.entries[-1]
        notified = max(it.at for it in history.entries if isinstance(it, NotificationReceived))
        sent = max(it.at for it in history.entries if isinstance(it, AttemptSent))
        assert isinstance(end, End)
        assert end.at >= max(notified + 2 * timeout, sent + timeout), name


def a_run_that_was_cut_short_is_not_valid() -> None:
    """Wherever it was cut, and although nothing was wrong until then."""
    history = played("resurrection")
    whole = history.entries[:-1]
    cuts = [size for size, entry in enumerate(whole, start=1) if not isinstance(entry, FaultApplied)]
    for size in cuts:
        short = judge(with_entries(history, [*whole[:size], End(whole[size - 1].at)]))
        assert short.validity is Validity.UNKNOWN, size


def _nothing_is_watched(patch: Patch) -> None:
    async def over(_: Watch) -> None:
        return None

    patch.setattr(Watch, "wait", over)


def _any_end_will_do(patch: Patch) -> None:
    patch.setattr(doubts, "_watch", nothing)


# --- many runs, and all the same faults ---


def every_seed_is_another_schedule_of_faults() -> None:
    """Which deliveries are hit, in one scenario; and what goes wrong at all, in those that are drawn."""
    hit = set()
    for seed in range(10):
        applied = [it for it in played("storm", seed).entries if isinstance(it, FaultApplied)]
        hit.add(tuple(sorted({(it.fault, it.op or "", it.region or "") for it in applied if it.fault < 4})))
    drawn = {repr((it.faults, it.operations, it.regions)) for it in map(generate, range(40))}

    assert (len(hit), len(drawn)) == (10, 40)


def _one_registry_for_all(patch: Patch) -> None:
    patch.setattr(playing, "FakeRegistry", lambda scenario, *, seed, epoch_ms: FakeRegistry(  # noqa: ARG005 - that is the bug
        scenario, seed=0, epoch_ms=epoch_ms
    ))  # fmt: skip


# --- the seed that is printed does not bring it back ---


RACES = "photo-finish"


def what_is_printed_brings_it_back() -> None:
    """The seed of a verdict, and the command below one that failed, whatever was played in between."""
    for seed in ("7", "8"):
        first = _printed(["run", RACES, "--seed", seed, "--quiet"])
        printed = re.search(r"seed=(\d+) trace=(\w+)", first)
        assert printed is not None
        assert f"trace={printed[2]}" in _printed(["run", RACES, "--seed", printed[1], "--quiet"])
    with pytest.MonkeyPatch.context() as patch:
        # Shrinking takes long, and each line has its command anyway.
        patch.setattr(explore_output, "SHRUNK_MAX", 0)
        patch.setattr(explore_output, "SHOWN_PER_KIND", 4)
        found = _printed(["explore", "--bug", "no-idempotency-key", "--runs", "4", "--seed", "30"])
        lines = re.findall(r"^(INVALID .*)\n.* replay: fanin (.*)$", found, re.MULTILINE)
        assert len(lines) == 4
        for verdict, again in lines:
            assert verdict in _printed(again.split())


def _printed(words: list[str]) -> str:
    return CliRunner().invoke(main, words).stdout


def _chance_of_its_own(patch: Patch) -> None:
    calls = count()
    patch.setattr(playing, "VirtualKernel", lambda seed: VirtualKernel(seed + next(calls)))


def _another_seed_is_printed(patch: Patch) -> None:
    replay = Search.replay
    patch.setattr(
        Search, "replay", lambda where, run: replay(where, msgspec.structs.replace(run, seed=run.seed + 1))
    )


LIES = {
    "H1 vacuous fault": Lie(a_fault_that_did_nothing_leaves_a_doubt, _faults_need_no_effect),
    "H1 vacuous run": Lie(nothing_is_no_success, _nothing_need_happen),
    "H2 circular expectation": Lie(what_is_lost_is_missed, _only_what_was_reported_is_looked_at),
    "H3 any outcome": Lie(every_illegal_history_is_invalid, _anything_goes),
    "H3 second outcomes": Lie(every_illegal_history_is_invalid, _without(outcome, "_other_outcomes")),
    "H3 repetitions": Lie(every_illegal_history_is_invalid, _without(notification, "_sent_after_acceptance")),
    "H3 content": Lie(every_illegal_history_is_invalid, _without(content, "check")),
    "H3 absence": Lie(every_illegal_history_is_invalid, _without(timing, "_never_notified")),
    "H3 lateness": Lie(every_illegal_history_is_invalid, _without(timing, "_notified_late")),
    "H4 one schedule": Lie(every_seed_is_another_schedule_of_faults, _one_registry_for_all),
    "H5 hidden chance": Lie(what_is_printed_brings_it_back, _chance_of_its_own),
    "H5 another seed printed": Lie(what_is_printed_brings_it_back, _another_seed_is_printed),
    "H11 no watch": Lie(the_watch_outlasts_everything, _nothing_is_watched),
    "H11 cut short": Lie(a_run_that_was_cut_short_is_not_valid, _any_end_will_do),
}


@pytest.mark.parametrize("check", dict.fromkeys(it.check for it in LIES.values()), ids=lambda it: it.__name__)
def test_the_harness_does_not_lie(check: Callable[[], None]) -> None:
    """Each check says in its own docstring what the harness must do."""
    check()


@pytest.mark.parametrize("name", LIES)
def test_a_harness_that_lies_so_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check fails while the bug is in."""
    LIES[name].must_be_noticed(monkeypatch)
