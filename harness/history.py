"""What happened in one run, in order: the only thing besides the scenario that the oracle may look at.

Rules of this file: records are appended, never changed; instants are integer milliseconds since the
scenario's start, by the harness's own clock; nothing here comes from the aggregator's inside. A stored
history is JSON Lines: the `Run` header first, one record a line, `End` last.

In the vocabulary of Jepsen, `AttemptSent` and `NotificationReceived` invoke an operation, `AttemptEnded` and
`SinkResponded` end it.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from fanin.harness.json_lines import LineError, OtherLineError, decode, lines_of
from fanin.simulator.durations import DURATION_MS_MAX, Millis
from fanin.simulator.language.scenario import Scenario

FORMAT = 1
SUCCESS = range(200, 300)
REFUSAL = range(300, 500)  # a redirect is not followed, so it refuses as well


class Record(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", gc=False):
    """Base of every line but the first."""

    at: Millis


class RegistryEvent(Record, frozen=True, tag="registry-event"):
    """Something was pushed to or deleted from the registry."""

    op: str  # unique in the run: the scenario's operation name, with /n when it repeats
    action: str
    host: str  # as the payloads name it; empty when they do not
    repository: str
    tag: str | None
    digest: str | None
    ids: dict[str, str]  # payload id by region
    # What else the payloads say and a notification may repeat: registry, name and version of a chart,
    # mediaType, requestId. None in a history from before these were recorded.
    details: dict[str, str] | None = None


class Unsent(Record, frozen=True, tag="unsent"):
    """A webhook that a region owed or might have owed, and that no request will ever carry."""

    op: str
    region: str
    reason: Literal["dropped", "disabled", "action", "scope", "never-replicated"]


class AttemptSent(Record, frozen=True, tag="attempt-sent"):
    """One attempt at delivering one webhook leaves the registry."""

    attempt: int  # unique in the run
    op: str
    region: str  # whose webhook it is
    id: str  # the payload's id
    url_region: str | None  # the region as the URL names it, decoded; None when it names none
    copy: int = 0  # 0 for the delivery itself, 1… for duplicates of it
    retry: int = 0  # 0 for a copy's first attempt
    # Why a correct aggregator refuses it; empty when it is valid. not-json, …, unknown-region, wrong-key.
    invalid_because: str = ""
    replica: int = 0  # to which of several it went, from 1; 0 where there is only one
    envelope: int = 0  # the same for all that travel in one request; 0: it travels alone


class AttemptEnded(Record, frozen=True, tag="attempt-ended"):
    """How the attempt ended, as its sender saw it.

    ``error``: ``refused`` (no connection), ``reset`` (broken before a response), ``timeout`` (gave up
    waiting), ``lost`` (the harness lost the request on the way: it certainly did not count), ``run-ended``.
    """

    attempt: int
    status: int | None = None
    error: Literal["", "refused", "reset", "timeout", "lost", "run-ended"] = ""
    retry_after: str | None = None

    @property
    def definite(self) -> bool | None:
        """True: it counted. False: it certainly did not. None: it may have."""
        if self.status in SUCCESS:
            return True
        if self.error in ("refused", "lost") or self.status in REFUSAL:
            return False
        return None


class NotificationReceived(Record, frozen=True, tag="notification-received"):
    """The sink has read one whole request of the aggregator."""

    request: int  # unique in the run
    key: str | None  # the ``webhook-id`` header
    # What the body says, None when it is not a JSON object.
    body: dict[str, Any] | None
    op: str | None = None  # whose notification it is, by the body's id; None when no operation has it
    method: str = "POST"
    path: str = ""  # where it went, if that is not the configured path


class SinkResponded(Record, frozen=True, tag="sink-responded"):
    """How the sink responded, and whether the aggregator can have read it.

    ``error``: ``hung`` (it never responded), ``reset`` (it broke the connection before its response),
    ``disconnected`` (the aggregator was no longer there to read it). To the aggregator all three are
    indefinite.
    """

    request: int
    status: int | None = None
    error: Literal["", "hung", "reset", "disconnected"] = ""


class ClientDisconnected(Record, frozen=True, tag="client-disconnected"):
    """The aggregator had waited for the sink, and closed the connection within a second of the response.

    Perhaps it had just given up, and never read that response; it cannot be seen from outside.
    """

    request: int


class FaultApplied(Record, frozen=True, tag="fault-applied"):
    """A fault of the scenario took effect. A run proves nothing when its faults never do."""

    fault: int  # index into ``scenario.faults``
    op: str | None = None
    region: str | None = None
    attempt: int | None = None


class TargetState(Record, frozen=True, tag="target-state"):
    """The aggregator came up (its start finished, it takes requests) or went down.

    ``reason``: ``start``, ``crash`` (kill -9), ``stop`` (orderly), ``failed`` (it could not start; ``error``
    says why), ``pause`` (it stands still, and nothing of it is lost), ``resume``.
    """

    state: Literal["up", "down"]
    reason: Literal["start", "crash", "stop", "failed", "pause", "resume"]
    error: str = ""
    replica: int = 0  # which of several, from 1; 0 where there is only one
    # Its configuration from this start on; empty and None: the same as before.
    expects: tuple[str, ...] = ()
    timeout: Millis | None = None
    # How long this start took, from the command to start until it took requests, or failed.
    took: Millis = 0


class End(Record, frozen=True, tag="end"):
    """The recording ends. ``complete`` is False when it was cut short; then absence proves nothing."""

    complete: bool = True
    trace: str = ""  # the kernel's trace hash: every scheduling choice that was made
    reason: str = ""  # why it was cut short


# What a notification says, besides its outcome: ``key`` is its idempotency key, ``repetition`` whether it was
# sent before, the others are fields of its body.
NotificationPart = Literal[
    "key", "repetition", "id", "arrived", "missing", "action", "repository", "tag", "digest"
]

Entry = (
    RegistryEvent
    | Unsent
    | AttemptSent
    | AttemptEnded
    | NotificationReceived
    | SinkResponded
    | ClientDisconnected
    | FaultApplied
    | TargetState
    | End
)


# How long replicas may take to notice that one of them is gone, and to do its work.
FAILOVER_GRACE_MS = 30_000


class Run(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="run"):
    """The header: what was played, and how strictly it may be judged."""

    scenario: Scenario
    seed: int
    format: int = FORMAT
    version: str = ""
    target: str = ""  # what was judged, for people: "aggregator (sqlite), in process"
    time: Literal["virtual", "real"] = "virtual"
    epoch: Millis | None = None  # what the aggregator's clock showed at 0, in Unix ms; None when unknown
    # How late a correct aggregator may act: its timer's grain, and what a start takes.
    tolerance: Millis = 1_000
    start_grace: Millis = 5_000
    # How long a start may take, until it takes requests.
    start_limit: Millis = 60_000
    failover_grace: Millis = FAILOVER_GRACE_MS
    # How long after sink and aggregator are well again a pending notification may still take, backoff
    # included.
    redelivery_grace: Millis = 600_000
    # How far the judged clock may stray from the harness's within one timeout: rounding, and two machines.
    clock_drift: Millis = 0
    # What of a notification this target does not show. What is not shown is not judged.
    unobservable: tuple[NotificationPart, ...] = ()


class History(msgspec.Struct, frozen=True):
    """One run: its header and its records in the order they happened."""

    run: Run
    entries: Sequence[Entry]

    def trace_hash(self) -> str:
        """Digest of everything that happened; equal for equal seed, scenario and version."""
        return hashlib.sha256(b"\n".join(msgspec.json.encode(entry) for entry in self.entries)).hexdigest()


_FIRST_LINE = "a history, as `fanin run --history` writes it, starts with a line whose type is 'run'"
# Nothing that happened has a larger number: ten times the longest duration that a scenario may have.
_NUMBER_MAX = 10 * DURATION_MS_MAX


class HistoryError(Exception):
    """A stored history cannot be read. The message names the file and the line."""


_encoder = msgspec.json.Encoder()
_line = msgspec.json.Decoder(Entry)
_header = msgspec.json.Decoder(Run)
_TYPES = tuple(sorted(str(entry.__struct_config__.tag) for entry in get_args(Entry)))


def encode(history: History) -> Iterable[bytes]:
    """The history as JSON Lines, header first, each ending in a newline."""
    yield _encoder.encode(history.run) + b"\n"
    for entry in history.entries:
        yield _encoder.encode(entry) + b"\n"


def save(history: History, path: Path) -> None:
    """Write the history as JSON Lines."""
    with path.open("wb") as file:
        file.writelines(encode(history))


def load(path: Path) -> History:
    """Read a stored history.

    Raises:
        HistoryError: unreadable, a line is not a record of this format, or the records contradict each other.
    """
    try:
        lines = lines_of(path.read_bytes())
    except IsADirectoryError as exc:
        raise HistoryError(f"{path}: a folder; name one of the histories in it") from exc
    except OSError as exc:
        raise HistoryError(f"{path}: {exc.strerror}") from exc
    if not lines:
        raise HistoryError(f"{path}: empty; {_FIRST_LINE}")
    run = _loaded_header(path, lines[0])
    number = 1
    try:
        entries = []
        sequence = _Sequence()
        for number, line in enumerate(lines[1:], start=2):
            entry = decode(_line, _TYPES, line)
            sequence.take(entry, number)
            entries.append(entry)
    except LineError as exc:
        raise HistoryError(f"{path}:{number}: {exc}") from exc
    return History(run, entries)


def _loaded_header(path: Path, line: bytes) -> Run:
    try:
        run = decode(_header, ("run",), line)
        _check_format(run)
        _check_numbers(run)
    except OtherLineError as exc:
        raise HistoryError(f"{path}:1: {exc}; {_FIRST_LINE}") from exc
    except LineError as exc:
        raise HistoryError(f"{path}:1: {exc}") from exc
    return run


def _check_format(run: Run) -> None:
    if run.format != FORMAT:
        raise LineError(f"format {run.format}; this version reads format {FORMAT}")


class _Sequence:
    """Refuses records that cannot follow those before them, whatever an aggregator did.

    The oracle judges any sequence: what is impossible is refused where a file is read, because there it means
    that lines were lost, moved or written by hand.
    """

    def __init__(self) -> None:
        self._at = 0
        self._end_line = 0
        self._line_by_identity: dict[tuple[object, ...], int] = {}

    def take(self, entry: Entry, number: int) -> None:
        """Take the next record.

        Raises:
            LineError: it cannot be here.
        """
        _check_numbers(entry)
        if self._end_line:
            raise LineError(f"the history ended in line {self._end_line}; nothing can follow")
        if entry.at < self._at:
            raise LineError(f"'at' is {entry.at}, and {self._at} in the line before; records are in order")
        self._at = entry.at
        if isinstance(entry, End):
            self._end_line = number
        for identity, described in _identities(entry):
            before = self._line_by_identity.setdefault(identity, number)
            if before != number:
                raise LineError(f"{described} is in line {before} already, and happens once")
        for identity, described in _causes(entry):
            if identity not in self._line_by_identity:
                raise LineError(f"no line before this one has {described}")


def _check_numbers(record: Record | Run) -> None:
    """Refuse a number that no history has; a seed may be as large as its user likes."""
    for field in record.__struct_fields__:
        value = getattr(record, field)
        if not isinstance(value, int):
            continue
        if value < 0:
            raise LineError(f"{field!r} is {value}, and cannot be negative")
        if value > _NUMBER_MAX and field != "seed":
            raise LineError(f"{field!r} is larger than {_NUMBER_MAX}, which is a thousand years in ms")


def _identities(entry: Entry) -> Iterator[tuple[tuple[object, ...], str]]:
    """What no other record of a history can have, and how a message describes it.

    A fault may take effect twice at one instant, and an aggregator start twice, so these have none.
    """
    match entry:
        case RegistryEvent():
            yield (RegistryEvent, entry.op), f"the registry's event of {entry.op!r}"
        case Unsent():
            yield (Unsent, entry.op, entry.region), f"the unsent webhook of {entry.op!r} in {entry.region!r}"
        case AttemptSent():
            yield (AttemptSent, entry.attempt), f"the start of attempt {entry.attempt}"
        case AttemptEnded():
            yield (AttemptEnded, entry.attempt), f"the end of attempt {entry.attempt}"
        case NotificationReceived():
            yield (NotificationReceived, entry.request), f"the notification of request {entry.request}"
        case SinkResponded():
            yield (SinkResponded, entry.request), f"the sink's response to request {entry.request}"
        case ClientDisconnected():
            yield (ClientDisconnected, entry.request), f"the disconnection of request {entry.request}"


def _causes(entry: Entry) -> Iterator[tuple[tuple[object, ...], str]]:
    """The identity of what must have happened before, and how a message describes it."""
    match entry:
        case AttemptSent():
            yield (RegistryEvent, entry.op), f"the registry's event of {entry.op!r}"
        case AttemptEnded():
            yield (AttemptSent, entry.attempt), f"the start of attempt {entry.attempt}"
        case SinkResponded() | ClientDisconnected():
            yield (NotificationReceived, entry.request), f"the notification of request {entry.request}"
