"""Listens to a Durable Functions deployment that notifies nobody: it asks the status API what was told.

A webhook's 202 carries ``statusQueryGetUri``. It is asked again and again, with history, and what an activity
has told is written down as a notification that the sink has read. So the oracle judges it like any other,
but for what cannot be seen this way: the key, repetitions, and what the notification says (`UNOBSERVABLE`).

Rules of this file: an instant is never earlier than it can have been. The target's own timestamps are used
only between the last look that did not show it and the first that did. Status URIs hold a key of their own:
they are asked, and never written down.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, get_args

import aiohttp
import msgspec
from yarl import URL

from fanin.harness.dialect import Dialect
from fanin.harness.history import SUCCESS, Entry, NotificationPart, NotificationReceived, SinkResponded
from fanin.harness.targets.status_body import Activities, Reading, Telling, read_status
from fanin.harness.world.recorder import Recorder
from fanin.simulator.wire import WebhookRequest

UNOBSERVABLE: tuple[NotificationPart, ...] = get_args(NotificationPart)
_ASKED_WITH = "showHistory=true&showHistoryOutput=true&showInput=false"
_ANSWER_S = 30
# An instance that waits is asked so often in one timeout; one that is done, as often in all that remains.
LOOKS_PER_TIMEOUT = 10
_GAP_MS_MIN, _GAP_MS_MAX = 200, 15_000


class NoStatusError(Exception):
    """A status cannot be had. The message names no URI."""


def status_uri(body: bytes) -> str | None:
    """Where an answer says that its instance's status is found; None when it does not."""
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    uri = answer.get("statusQueryGetUri") if isinstance(answer, dict) else None
    return uri if isinstance(uri, str) and uri.startswith(("http://", "https://")) else None


async def ask(session: aiohttp.ClientSession, uri: str) -> Any:
    """The status body, or None where the instance is not known.

    Raises:
        NoStatusError: something else came, or nothing.
    """
    url = URL(f"{uri}{'&' if '?' in uri else '?'}{_ASKED_WITH}", encoded=True)
    try:
        async with (
            asyncio.timeout(_ANSWER_S),
            session.get(url, allow_redirects=False) as response,
        ):
            if response.status == 404:  # noqa: PLR2004 - what the status API answers for an unknown instance
                return None
            if response.status not in SUCCESS:
                raise NoStatusError(f"it answered {response.status}")
            return msgspec.json.decode(await response.read())
    except (aiohttp.ClientError, TimeoutError) as exc:
        raise NoStatusError(f"no answer ({type(exc).__name__})") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise NoStatusError("its answer is not JSON") from None


@dataclass(slots=True)
class _Instance:
    """One instance that is being watched."""

    uri: str = field(repr=False)
    op: str
    payload_id: str
    accepted_ms: int  # when its first webhook was answered: it had started by then
    looked_ms: int  # when the last look began that was answered
    due_ms: int
    started_ms: int | None = None  # of its first execution, by the target's clock
    told: set[Telling] = field(default_factory=set)
    done: bool = False
    lost: bool = False  # the last look failed


class Probe:
    """Watches the instances of one world."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        activities: Activities,
        dialect: Dialect,
        recorder: Recorder,
        whose: Callable[[dict[str, Any] | None], str | None],
        throttle: Callable[[], Awaitable[None]],
        timeout_ms: int,
    ) -> None:
        self._session, self._activities, self._dialect = session, activities, dialect
        self._recorder, self._whose, self._throttle = recorder, whose, throttle
        self._wait_gap_ms = min(_GAP_MS_MAX, max(_GAP_MS_MIN, timeout_ms // LOOKS_PER_TIMEOUT))
        self._done_gap_ms = max(self._wait_gap_ms, timeout_ms // 2)
        self._instances: dict[str, _Instance] = {}  # by URI
        self._news = asyncio.Event()
        self.late_ms = 0  # how long after it was told the latest news may have been seen

    @property
    def incomplete(self) -> bool:
        """Whether some instance could not be seen at the end."""
        return any(it.lost for it in self._instances.values())

    def observe(self, request: WebhookRequest, status: int, body: bytes) -> None:
        """Take note of an answer to a webhook."""
        uri = status_uri(body) if status in SUCCESS else None
        payload_id = _id_of(request.body)
        op = None if payload_id is None else self._whose({"id": payload_id})
        if uri is None or op is None or payload_id is None or uri in self._instances:
            return
        now = self._recorder.now_ms()
        self._instances[uri] = _Instance(uri, op, payload_id, now, now, now)
        self._news.set()

    async def run(self) -> None:
        """Look at every instance when it is due, for as long as the world runs."""
        while True:
            now = self._recorder.now_ms()
            due = sorted(
                (it for it in self._instances.values() if it.due_ms <= now), key=lambda it: it.due_ms
            )
            for instance in due:
                await self._look(instance)
            self._news.clear()
            next_ms = min((it.due_ms for it in self._instances.values()), default=None)
            with suppress(TimeoutError):
                async with asyncio.timeout(
                    None if next_ms is None else max(0, next_ms - self._recorder.now_ms()) / 1000
                ):
                    await self._news.wait()

    async def last(self) -> None:
        """One more look at all of them."""
        for instance in self._instances.values():
            await self._look(instance)

    async def _look(self, instance: _Instance) -> None:
        await self._throttle()
        began_ms = self._recorder.now_ms()
        try:
            status = await ask(self._session, instance.uri)
        except NoStatusError:
            instance.lost = True
            instance.due_ms = self._recorder.now_ms() + self._wait_gap_ms
            return
        now = self._recorder.now_ms()
        reading = read_status(status, self._activities, self._dialect)
        self._write_down(instance, reading, now)
        instance.lost, instance.done, instance.looked_ms = False, reading.done, began_ms
        instance.due_ms = now + (self._done_gap_ms if reading.done else self._wait_gap_ms)

    def _write_down(self, instance: _Instance, reading: Reading, seen_ms: int) -> None:
        if instance.started_ms is None:
            instance.started_ms = reading.started_ms
        for telling in reading.tellings:
            if telling in instance.told:
                continue
            instance.told.add(telling)
            at = self._instant(instance, reading, telling, seen_ms)
            post = self._recorder.next_post()
            body = {"id": instance.payload_id, "outcome": telling.outcome}
            # What was decided twice was told twice, and under two names.
            key = f"execution of {telling.execution}"
            entries: list[Entry] = [NotificationReceived(at, post, key, body, instance.op)]
            if telling.succeeded:
                entries.append(SinkResponded(at, post, 200))
            else:
                entries.append(SinkResponded(at, post, error="reset"))
            for entry in entries:
                self._recorder.write(entry)

    def _instant(self, instance: _Instance, reading: Reading, telling: Telling, seen_ms: int) -> int:
        """When it was told, at the latest."""
        if telling.after_ms is None or reading.started_ms is None or instance.started_ms is None:
            self.late_ms = max(self.late_ms, seen_ms - instance.looked_ms)
            return seen_ms
        since_first_ms = reading.started_ms - instance.started_ms + telling.after_ms
        return min(seen_ms, max(instance.looked_ms, instance.accepted_ms + since_first_ms))


def _id_of(body: bytes) -> str | None:
    try:
        event = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    payload_id = event.get("id") if isinstance(event, dict) else None
    return payload_id if isinstance(payload_id, str) else None
