"""One attempt at one invocation: what its handler asks Restate to do, step by step.

The SDK's state machine (`restate.vm`) speaks the protocol; here it is driven over one request and one
response, because a handler of ours hardly ever waits: the state comes with the request, and everything that
it leads to goes back with the response. The SDK's own server spends most of its time on tasks, queues and
contexts that such a handler has no use for, and takes over SIGTERM (docs/decisions/0010).

Rules for handlers: what they do is decided by the invocation's input, the state, and values from `Call.run`,
by nothing else; an attempt that is repeated must ask for the same steps in the same order.
"""

import traceback
from collections.abc import Callable
from typing import Any

from restate.vm import (
    DoProgressAnyCompleted,
    DoProgressCancelSignalReceived,
    DoProgressExecuteRun,
    Failure,
    SingleUnresolvedFuture,
    Suspended,
    VMWrapper,
)

_CANCELLED = 409


class SuspendedError(Exception):
    """The attempt ends here: the server begins another one when it has what the handler waits for."""


class CancelledByServerError(Exception):
    """The invocation was cancelled at the server."""


class Call:
    """What a handler reads of its invocation, and the steps that it takes."""

    def __init__(self, headers: list[tuple[str, str]], body: bytes) -> None:
        vm: Any = VMWrapper(headers)  # its types are in part missing
        self._vm = vm
        self._vm.notify_input(body)
        self._vm.notify_input_closed()
        if not self._vm.is_ready_to_execute():
            raise SuspendedError
        invocation = self._vm.sys_input()
        self.key, self.input = invocation.key, invocation.input_buffer

    @property
    def is_replaying(self) -> bool:
        """Whether the next step is in the journal already, from an attempt that did not get to its end."""
        return bool(self._vm.is_replaying())

    # --- steps ---

    def get(self, name: str) -> bytes | None:
        """A value of the object's state."""
        found: bytes | None = self._take(self._vm.sys_get_state(name))
        return found

    def set(self, name: str, value: bytes) -> None:
        """Change the object's state."""
        self._vm.sys_set_state(name, value)

    def clear(self) -> None:
        """PurgeRequest the object's state."""
        self._vm.sys_clear_all_state()

    def send(
        self, service: str, handler: str, message: bytes, *, key: str | None = None, delay_ms: int = 0
    ) -> None:
        """Begin another invocation, now or later. A replay may give another ``delay_ms``."""
        self._vm.sys_send(service, handler, message, key, delay_ms if delay_ms > 0 else None)

    def run(self, name: str, compute: Callable[[], bytes]) -> bytes:
        """A value that is computed once, and is then the same in every attempt.

        Raises:
            SuspendedError: the value was computed just now; it is there in the next attempt.
        """
        run = self._vm.sys_run(name)
        value: bytes = self._take(run.handle, compute)
        return value

    def finish(self, output: bytes) -> None:
        """End the invocation with its output."""
        self._vm.sys_write_output_success(output)
        self._vm.sys_end()

    # --- for the endpoint ---

    def cancelled(self) -> None:
        """End the invocation as cancelled."""
        self._vm.sys_write_output_failure(Failure(_CANCELLED, "cancelled"))
        self._vm.sys_end()

    def failed(self, exc: BaseException) -> None:
        """End the attempt with an error; the server makes another one."""
        self._vm.notify_error(repr(exc), "".join(traceback.format_exception(exc)))

    def head(self) -> tuple[int, list[tuple[str, str]]]:
        """Status and headers of the response to this attempt."""
        status, headers = self._vm.get_response_head()
        return status, list(headers)

    def output(self) -> bytes:
        """The body of the response: the steps that the attempt asked for."""
        chunks = []
        while chunk := self._vm.take_output():
            chunks.append(bytes(chunk))
        return b"".join(chunks)

    def _take(self, handle: int, compute: Callable[[], bytes] | None = None) -> Any:
        while not self._vm.is_completed(handle):
            progress = self._vm.do_progress(SingleUnresolvedFuture(handle))
            if isinstance(progress, DoProgressExecuteRun) and compute is not None:
                self._vm.propose_run_completion_success(progress.handle, compute())
            elif isinstance(progress, Suspended):
                raise SuspendedError
            elif isinstance(progress, DoProgressCancelSignalReceived):
                raise CancelledByServerError
            elif isinstance(progress, Exception):
                raise progress
            elif not isinstance(progress, DoProgressAnyCompleted):
                raise SuspendedError
        value = self._vm.take_notification(handle)
        if isinstance(value, Exception):
            raise value
        return value
