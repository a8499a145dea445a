"""The port through which engines send notifications, and how an attempt fails."""

from typing import Protocol

from fanin.aggregator.fanin import Notification, Phase


class NotDeliveredError(Exception):
    """One attempt at a notification failed. The message says why, without secrets.

    Attributes:
        retry_after_ms: How long the receiver asked not to be tried again, if it did.
        final: The receiver's documentation says that no further attempt will succeed.
        sent: False if nothing was sent, because the receiver had asked for a pause; no attempt is counted.
    """

    def __init__(
        self, reason: str, *, retry_after_ms: int | None = None, final: bool = False, sent: bool = True
    ) -> None:
        super().__init__(reason)
        self.retry_after_ms, self.final, self.sent = retry_after_ms, final, sent


class Notifier(Protocol):
    """Sends notifications to targets, which it knows by the names that the settings give them.

    An engine stores, with the outcome, the names of the targets to notify, and keeps attempts, delays and
    end separately for each of them. All targets get the notification under one key. `Settings.retry_policy`
    says how long a target is tried.
    """

    def targets_for(self, outcome: Phase) -> tuple[str, ...]:
        """Names of the targets that are notified of an outcome, in the settings' order."""

    async def send(self, target: str, notification: Notification) -> None:
        """Make one attempt. Returns once the target has accepted; the caller limits how long it may take.

        Raises:
            NotDeliveredError: the target has not accepted, or that is unknown; the engine tries again later.
        """
