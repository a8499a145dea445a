"""The history of one run, sorted by operation: read once, so that judging stays linear in its length.

Rules of this file: it sorts and names, it does not judge. An operation is what one correlation key names
(contract, clause 1); everything that the history holds about one key is a `Case`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import inf

import msgspec

from fanin.harness.history import (
    SUCCESS,
    AttemptEnded,
    AttemptSent,
    ClientDisconnected,
    End,
    Entry,
    FaultApplied,
    History,
    NotificationReceived,
    RegistryEvent,
    Run,
    SinkResponded,
    TargetState,
    Unsent,
)
from fanin.harness.oracle.config_periods import Spell, began_under, configured, expected_by, spells
from fanin.harness.oracle.notification_body import Notice, read_notice
from fanin.simulator.language.scenario import Scenario


def fold(region: str) -> str:
    """A region's name as it compares: trimmed and case-folded (contract, clause 2)."""
    return region.strip().casefold()


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """One attempt at delivering one webhook, and how it ended."""

    index: int  # of the `AttemptSent` record
    sent: AttemptSent
    home: str  # whose webhook it is, as the scenario writes the region
    region: str | None  # the expected region that its URL names; None when nobody expects that one
    wanted: bool  # whether the aggregator is configured to fan its action in; never true of a ping
    invalid_because: str  # why it must be refused; empty when it is valid
    answer: AttemptEnded | None
    answer_index: int | None
    # True: a correct aggregator has counted it. False: it must not have. None: it may have.
    counts: bool | None

    @property
    def ended_at(self) -> int:
        """When its sender knew how it ended; when it was sent, if that was never known."""
        return self.sent.at if self.answer is None else self.answer.at

    @property
    def records(self) -> tuple[int, ...]:
        """Its records' indices."""
        return (self.index,) if self.answer_index is None else (self.index, self.answer_index)


class Post(msgspec.Struct, frozen=True, gc=False):
    """One notification that the sink has read, and how it answered."""

    index: int  # of the `NotificationReceived` record
    received: NotificationReceived
    notice: Notice
    reply: SinkResponded | None
    reply_index: int | None
    hung_up: ClientDisconnected | None = None

    @property
    def at(self) -> int:
        return self.received.at

    @property
    def maybe_accepted(self) -> bool:
        """Whether the sink answered 2xx and the aggregator may have read it."""
        return self.reply is not None and not self.reply.error and self.reply.status in SUCCESS

    @property
    def accepted(self) -> bool:
        """Whether it has certainly read it, if it did not fall: it did not hang up on a slow answer."""
        return self.maybe_accepted and self.hung_up is None

    def repeats(self, other: "Post") -> bool:
        """Whether both tell the same under the same key."""
        return self.received.key == other.received.key and self.notice == other.notice

    @property
    def records(self) -> tuple[int, ...]:
        """Its records' indices."""
        return (self.index,) if self.reply_index is None else (self.index, self.reply_index)


@dataclass(slots=True, eq=False)
class Case:
    """Everything that the history holds about one correlation key."""

    key: str
    occurrences: list[RegistryEvent] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)  # flawed and unwanted ones too
    posts: list[Post] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The scenario's name of the operation that first had this key."""
        return self.occurrences[0].op


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One run's history, sorted."""

    run: Run
    length: int  # how many records the history has
    cases: tuple[Case, ...]  # in the order in which their keys first occurred
    attempts: tuple[Attempt, ...]  # in the order in which they were sent
    case_of: dict[int, Case]  # by attempt number
    strays: tuple[Post, ...]  # notifications that name no operation
    posts: tuple[Post, ...]  # all of them, in the order in which the sink read them
    orphans: tuple[AttemptSent, ...]  # attempts for operations that never occurred: the history is damaged
    unsent: dict[tuple[str, str], Unsent]  # by operation and region
    bits: tuple[FaultApplied, ...]
    turns: tuple[tuple[int, TargetState], ...]  # with their indices
    end: End | None
    configurations: tuple[Spell, ...]  # how the aggregator was configured, in order

    @property
    def scenario(self) -> Scenario:
        return self.run.scenario

    def configured_for(self, case: Case) -> list[Scenario]:
        """The scenario with what the aggregator was told when the operation began.

        Several where it may have begun under one configuration or under another.
        """
        earliest = min((it.sent.at for it in case.attempts if it.counts is not False), default=-inf)
        latest = min((it.ended_at for it in case.attempts if it.counts), default=inf)
        held = began_under(self.configurations, earliest, latest)
        return [configured(self.scenario, spell) for spell in held]


@dataclass(slots=True)
class _Piles:
    """The records by kind, each with its index where that is wanted."""

    occurred: dict[str, RegistryEvent] = field(default_factory=dict)  # by operation
    unsent: dict[tuple[str, str], Unsent] = field(default_factory=dict)
    sent: list[tuple[int, AttemptSent]] = field(default_factory=list)
    answered: dict[int, tuple[int, AttemptEnded]] = field(default_factory=dict)  # by attempt
    received: list[tuple[int, NotificationReceived]] = field(default_factory=list)
    replied: dict[int, tuple[int, SinkResponded]] = field(default_factory=dict)  # by post
    hung_up: dict[int, ClientDisconnected] = field(default_factory=dict)  # by post
    bits: list[FaultApplied] = field(default_factory=list)
    turns: list[tuple[int, TargetState]] = field(default_factory=list)
    end: End | None = None


def _sort(entries: Sequence[Entry]) -> _Piles:
    piles = _Piles()
    for index, entry in enumerate(entries):
        match entry:
            case AttemptSent():
                piles.sent.append((index, entry))
            case AttemptEnded():
                piles.answered[entry.attempt] = (index, entry)
            case NotificationReceived():
                piles.received.append((index, entry))
            case SinkResponded():
                piles.replied[entry.request] = (index, entry)
            case TargetState():
                piles.turns.append((index, entry))
            case ClientDisconnected():
                piles.hung_up[entry.request] = entry
            case _:
                _sort_unindexed(entry, piles)
    return piles


def _sort_unindexed(entry: RegistryEvent | Unsent | FaultApplied | End, piles: _Piles) -> None:
    match entry:
        case RegistryEvent():
            piles.occurred[entry.op] = entry
        case Unsent():
            piles.unsent[entry.op, entry.region] = entry
        case FaultApplied():
            piles.bits.append(entry)
        case _:
            piles.end = entry


def collect(history: History) -> Evidence:
    """Sort a history by operation."""
    piles = _sort(history.entries)
    configurations = spells(history.run.scenario, piles.turns)
    docket = _Docket(history.run.scenario, piles.occurred.values(), configurations)
    attempts, orphans, case_of = [], [], {}
    for index, sent in piles.sent:
        occurred = piles.occurred.get(sent.op)
        if occurred is None:
            orphans.append(sent)
            continue
        attempt = docket.attempt(index, sent, occurred, piles.answered.get(sent.attempt))
        case = docket.case_of(sent, occurred)
        attempts.append(attempt)
        case.attempts.append(attempt)
        case_of[sent.attempt] = case
    posts: list[Post] = []
    strays: list[Post] = []
    for index, received in piles.received:
        reply_index, reply = piles.replied.get(received.request, (None, None))
        notice, hung_up = read_notice(received.body), piles.hung_up.get(received.request)
        post = Post(index, received, notice, reply, reply_index, hung_up)
        posts.append(post)
        addressee = docket.addressee(post)
        (strays if addressee is None else addressee.posts).append(post)
    return Evidence(
        run=history.run,
        length=len(history.entries),
        cases=tuple(docket.cases.values()),
        attempts=tuple(attempts),
        case_of=case_of,
        strays=tuple(strays),
        posts=tuple(posts),
        orphans=tuple(orphans),
        unsent=piles.unsent,
        bits=tuple(piles.bits),
        turns=tuple(piles.turns),
        end=piles.end,
        configurations=tuple(configurations),
    )


class _Docket:
    """The cases of a run, and what belongs to which."""

    def __init__(
        self, scenario: Scenario, occurrences: Iterable[RegistryEvent], configurations: Sequence[Spell]
    ) -> None:
        self._configurations = configurations
        self._by_image, self._registry = scenario.correlation == "image", scenario.registry
        self._expected = {fold(region): region for region in scenario.regions}
        self._wanted = frozenset(scenario.actions) - {"ping"}
        self.cases: dict[str, Case] = {}
        self._by_op: dict[str, Case] = {}  # the first of an operation that has several keys
        self._by_id: dict[str, list[Case]] = {}  # by payload id
        self._by_content: dict[tuple[str | None, ...], list[Case]] = {}
        for occurred in occurrences:
            self._enter(occurred)

    def _enter(self, occurred: RegistryEvent) -> None:
        content = (occurred.action, occurred.repository, occurred.tag or None, occurred.digest or None)
        for payload_id in dict.fromkeys(occurred.ids.values()) or (occurred.op,):
            key = _image(occurred) if self._by_image else payload_id
            case = self.cases.setdefault(key, Case(key))
            if occurred not in case.occurrences[-1:]:
                case.occurrences.append(occurred)
            self._by_op.setdefault(occurred.op, case)
            for namesakes in (
                self._by_id.setdefault(payload_id, []),
                self._by_content.setdefault(content, []),
            ):
                if case not in namesakes[-1:]:
                    namesakes.append(case)

    def attempt(
        self, index: int, sent: AttemptSent, occurred: RegistryEvent, ended: tuple[int, AttemptEnded] | None
    ) -> Attempt:
        """What is to be known about one attempt."""
        region = None if sent.url_region is None else self._expected.get(fold(sent.url_region))
        wanted = occurred.action in self._wanted
        answer_index, answer = (None, None) if ended is None else ended
        until = sent.at if answer is None else answer.at
        # A region may be expected one day that nobody expects yet.
        known = region is not None and region in expected_by(self._configurations, until)
        invalid_because = sent.invalid_because or ("" if known else "unknown-region")
        if invalid_because or not wanted:
            counts: bool | None = False
        else:
            counts = None if answer is None else answer.definite
        home = self._expected.get(fold(sent.region), sent.region)
        return Attempt(index, sent, home, region, wanted, invalid_because, answer, answer_index, counts)

    def case_of(self, sent: AttemptSent, occurred: RegistryEvent) -> Case:
        """Where an attempt belongs. A broken body may carry no id; then its region's own id decides."""
        if self._by_image:
            return self._by_op[occurred.op]
        key = sent.id if sent.id in self.cases else occurred.ids.get(sent.region, "")
        return self.cases.get(key, self._by_op[occurred.op])

    def addressee(self, post: Post) -> Case | None:
        """Whose notification it is: by its id, or else by its content; None when nobody's, or anybody's."""
        named = self._by_id.get(post.notice.id or "", [])
        if len(named) == 1:
            return named[0]
        alike = self._by_content.get(post.notice.image, [])
        if named:
            alike = [case for case in named if case in alike] or named[:1]
        if self._by_image and len(alike) > 1:
            return self._by_host(post, alike)
        return alike[0] if named or len(alike) == 1 else None

    def _by_host(self, post: Post, alike: list[Case]) -> Case:
        """Which of several images that only their host tells apart: payloads may name none.

        An id that is the image says it; otherwise the key does, from the second notification on.
        """
        id_, image = post.notice.id or "", alike[0].occurrences[0]
        if image.repository in id_:
            hosted = self._registry in id_
            fitting = [case for case in alike if bool(case.occurrences[0].host) == hosted]
            return (fitting or alike)[0]
        known = [case for case in alike if any(it.received.key == post.received.key for it in case.posts)]
        return (known or [case for case in alike if not case.posts] or alike)[0]


def _image(occurred: RegistryEvent) -> str:
    """The correlation key ``image``: host, action, repository, tag and digest."""
    tag = f":{occurred.tag}" if occurred.tag else ""
    digest = f"@{occurred.digest}" if occurred.digest else ""
    return f"{occurred.action} {occurred.host}/{occurred.repository}{tag}{digest}"
