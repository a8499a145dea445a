"""The port through which engines send notifications, and how an attempt fails."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from fanin.aggregator.fanin import Notification, Phase, Subject

# How the reasons of attempts begin that got no response in time, or in the time that others left them. They
# are stored, and tell slow notifications apart.
TIMED_OUT, CUT_SHORT = "timed out", "cut short"
PREEMPTED = f"{CUT_SHORT}: another notification waited for its slot, or the service stopped"


class NotDeliveredError(Exception):
    """One attempt at a notification failed. The message says why, without secrets.

    Attributes:
        retry_after_ms: How long the receiver asked not to be tried again, if it did.
        final: The receiver's documentation says that no further attempt will succeed.
        sent: False if nothing was sent, because the receiver had asked for a pause; no attempt is counted.
        timed_out: There was no response in time, as the reason says.
    """

    def __init__(
        self, reason: str, *, retry_after_ms: int | None = None, final: bool = False, sent: bool = True
    ) -> None:
        super().__init__(reason)
        self.timed_out = reason.startswith((TIMED_OUT, CUT_SHORT))
        self.retry_after_ms, self.final, self.sent = retry_after_ms, final, sent


class Notifier(Protocol):
    """Sends notifications to targets, which it knows by the names that the settings give them.

    An engine stores, with the outcome, the names of the targets to notify, and keeps attempts, delays and
    end separately for each of them. All targets get the notification under one key. `Settings.retry_policy`
    says how long a target is tried.
    """

    def targets_for(self, outcome: Phase, subject: Subject | None = None) -> tuple[str, ...]:
        """Names of the targets that are notified of an outcome of this subject, in the settings' order.

        Without a subject, of those that are notified of the outcome of any.
        """

    async def send(self, target: str, notification: Notification) -> None:
        """Make one attempt. Returns once the target has accepted; its settings limit how long.

        Raises:
            NotDeliveredError: the target has not accepted, or that is unknown; the engine tries again later.
        """


class BegunAttempt(Protocol):
    """An attempt that runs without a task."""

    began_s: float  # loop time

    def preempt(self) -> None:
        """End it soon; a response that has come already counts."""

    def cancel(self) -> None:
        """End it now, and do not call `AttemptEnded`."""


# Called with how an attempt has failed, None when the target has accepted.
type AttemptEnded = Callable[[BegunAttempt, NotDeliveredError | None], None]


@runtime_checkable
class BeginningNotifier(Notifier, Protocol):
    """A notifier that makes some attempts without a task, which costs less."""

    def begin(self, target: str, notification: Notification, ended: AttemptEnded) -> BegunAttempt | None:
        """Begin an attempt that ends as one of `send` does; ``ended`` is called in a later turn of the loop.

        Returns None when nothing has begun, because this attempt needs a task: `send` makes it.
        """
