"""Polls the status API of a Durable Functions deployment that sends no notifications to the sink.

A webhook's 202 carries ``statusQueryGetUri``. It is polled, with history, and each outcome that an activity
has reported is recorded as a notification that the sink has received. So the oracle judges it like any other,
except for what cannot be seen this way: the key, repetitions, the notification's content (`UNOBSERVABLE`).

Rules of this file: an outcome is never dated earlier than it can have been. The target's own timestamps count
only between the last poll that did not show it and the first that did. Status URIs hold a key of their own:
they are requested, and never recorded.
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
from fanin.harness.targets.status_body import Activities, InstanceStatus, ReportedOutcome, read_status
from fanin.harness.world.recorder import Recorder
from fanin.simulator.wire import WebhookRequest

UNOBSERVABLE: tuple[NotificationPart, ...] = get_args(NotificationPart)
_ASKED_WITH = "showHistory=true&showHistoryOutput=true&showInput=false"
_RESPONSE_S = 30
# An instance that waits is polled so often in one timeout; one that is done, twice.
POLLS_PER_TIMEOUT = 10
_INTERVAL_MS_MIN, _INTERVAL_MS_MAX = 200, 15_000


class StatusUnavailableError(Exception):
    """A status cannot be read. The message holds no URI."""


def status_uri(body: bytes) -> str | None:
    """The status URI of the instance in a response's body; None where there is none."""
    try:
        response = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    uri = response.get("statusQueryGetUri") if isinstance(response, dict) else None
    return uri if isinstance(uri, str) and uri.startswith(("http://", "https://")) else None


async def fetch_status(session: aiohttp.ClientSession, uri: str) -> Any:
    """The status body, or None where the instance is not known.

    Raises:
        StatusUnavailableError: no response, another status than 200, or no JSON.
    """
    url = URL(f"{uri}{'&' if '?' in uri else '?'}{_ASKED_WITH}", encoded=True)
    try:
        async with (
            asyncio.timeout(_RESPONSE_S),
            session.get(url, allow_redirects=False) as response,
        ):
            if response.status == 404:  # noqa: PLR2004 - what the status API answers for an unknown instance
                return None
            if response.status not in SUCCESS:
                raise StatusUnavailableError(f"it answered {response.status}")
            return msgspec.json.decode(await response.read())
    except TimeoutError:
        raise StatusUnavailableError(f"no response within {_RESPONSE_S} s") from None
    except aiohttp.ClientError as exc:
        raise StatusUnavailableError(f"no response ({type(exc).__name__})") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise StatusUnavailableError("its response is not JSON") from None


@dataclass(slots=True)
class _Instance:
    """One instance that is polled."""

    uri: str = field(repr=False)
    op: str
    payload_id: str
    accepted_ms: int  # when its first webhook was answered; by then it had started
    polled_ms: int  # when the last successful poll began
    due_ms: int
    started_ms: int | None = None  # of its first execution, by the target's clock
    recorded: set[ReportedOutcome] = field(default_factory=set)
    done: bool = False
    failure: str = ""  # why the last poll failed, if it did


class StatusProbe:
    """Polls the instances of one world."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        activities: Activities,
        dialect: Dialect,
        recorder: Recorder,
        operation_of: Callable[[dict[str, Any] | None], str | None],
        throttle: Callable[[], Awaitable[None]],
        timeout_ms: int,
    ) -> None:
        self._session, self._activities, self._dialect = session, activities, dialect
        self._recorder, self._operation_of, self._throttle = recorder, operation_of, throttle
        self._waiting_interval_ms = min(
            _INTERVAL_MS_MAX, max(_INTERVAL_MS_MIN, timeout_ms // POLLS_PER_TIMEOUT)
        )
        self._done_interval_ms = max(self._waiting_interval_ms, timeout_ms // 2)
        self._instances: dict[str, _Instance] = {}  # by URI
        self._new_instance = asyncio.Event()
        self.late_ms = 0  # how long after it was reported an outcome may have been seen, at most

    @property
    def failure(self) -> str:
        """Why the last poll of some instance failed; empty where none did."""
        return next((it.failure for it in self._instances.values() if it.failure), "")

    def observe(self, request: WebhookRequest, status: int, body: bytes) -> None:
        """Take a response to a webhook, and from then on poll its instance."""
        uri = status_uri(body) if status in SUCCESS else None
        payload_id = _id_of(request.body)
        op = None if payload_id is None else self._operation_of({"id": payload_id})
        if uri is None or op is None or payload_id is None or uri in self._instances:
            return
        now = self._recorder.now_ms()
        self._instances[uri] = _Instance(uri, op, payload_id, now, now, now)
        self._new_instance.set()

    async def run(self) -> None:
        """Poll every instance when it is due, until cancelled."""
        while True:
            now = self._recorder.now_ms()
            due = sorted(
                (it for it in self._instances.values() if it.due_ms <= now), key=lambda it: it.due_ms
            )
            for instance in due:
                await self._poll(instance)
            self._new_instance.clear()
            next_ms = min((it.due_ms for it in self._instances.values()), default=None)
            with suppress(TimeoutError):
                async with asyncio.timeout(
                    None if next_ms is None else max(0, next_ms - self._recorder.now_ms()) / 1000
                ):
                    await self._new_instance.wait()

    async def poll_all(self) -> None:
        """Poll all instances once more."""
        for instance in self._instances.values():
            await self._poll(instance)

    async def _poll(self, instance: _Instance) -> None:
        await self._throttle()
        began_ms = self._recorder.now_ms()
        try:
            body = await fetch_status(self._session, instance.uri)
        except StatusUnavailableError as exc:
            instance.failure = str(exc)
            instance.due_ms = self._recorder.now_ms() + self._waiting_interval_ms
            return
        now = self._recorder.now_ms()
        status = read_status(body, self._activities, self._dialect)
        self._record(instance, status, now)
        instance.failure, instance.done, instance.polled_ms = "", status.done, began_ms
        instance.due_ms = now + (self._done_interval_ms if status.done else self._waiting_interval_ms)

    def _record(self, instance: _Instance, status: InstanceStatus, seen_ms: int) -> None:
        if instance.started_ms is None:
            instance.started_ms = status.started_ms
        for reported in status.outcomes:
            if reported in instance.recorded:
                continue
            instance.recorded.add(reported)
            at = self._reported_ms(instance, status, reported, seen_ms)
            post = self._recorder.next_post()
            body = {"id": instance.payload_id, "outcome": reported.outcome}
            # An instance that was started twice has two outcomes, each under a key of its own.
            key = f"execution of {reported.execution}"
            entries: list[Entry] = [NotificationReceived(at, post, key, body, instance.op)]
            if reported.succeeded:
                entries.append(SinkResponded(at, post, 200))
            else:
                entries.append(SinkResponded(at, post, error="reset"))
            for entry in entries:
                self._recorder.write(entry)

    def _reported_ms(
        self, instance: _Instance, status: InstanceStatus, reported: ReportedOutcome, seen_ms: int
    ) -> int:
        """When it was reported, at the latest."""
        if reported.after_ms is None or status.started_ms is None or instance.started_ms is None:
            self.late_ms = max(self.late_ms, seen_ms - instance.polled_ms)
            return seen_ms
        since_first_ms = status.started_ms - instance.started_ms + reported.after_ms
        return min(seen_ms, max(instance.polled_ms, instance.accepted_ms + since_first_ms))


def _id_of(body: bytes) -> str | None:
    try:
        event = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    payload_id = event.get("id") if isinstance(event, dict) else None
    return payload_id if isinstance(payload_id, str) else None
