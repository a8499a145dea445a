"""The notifier: targets by outcome, each with its format."""

import pytest

from fanin.aggregator.clock import SYSTEM_CLOCK
from fanin.aggregator.fanin import Notification, Phase, Subject
from fanin.aggregator.filters import Filter, parse_patterns
from fanin.aggregator.notify.address import parse
from fanin.aggregator.notify.formats import Format, Message
from fanin.aggregator.notify.http import HttpTarget
from fanin.aggregator.notify.notifier import HttpNotifier
from fanin.aggregator.notify.port import NotDeliveredError
from fanin.aggregator.notify.target import Target
from tests.aggregator.notify.notifications import notification

ADDRESS = parse("http://127.0.0.1:9/")  # the port "discard", where nothing listens
NOTIFICATION = notification()


def test_targets_are_named_by_outcome_in_the_settings_order() -> None:
    """Each has the outcomes that it is configured for."""
    notifier = HttpNotifier(
        (
            Target(name="oncall", address=ADDRESS, on=(Phase.TIMED_OUT,)),
            Target(name="all", address=ADDRESS),
            Target(name="deploy", address=ADDRESS, on=(Phase.COMPLETED,)),
        ),
        SYSTEM_CLOCK,
    )

    assert notifier.targets_for(Phase.COMPLETED) == ("all", "deploy")
    assert notifier.targets_for(Phase.TIMED_OUT) == ("oncall", "all")


def test_a_target_may_be_notified_of_some_operations_only() -> None:
    """Without a subject, of those that it could be notified of."""
    base = Filter(repositories=parse_patterns(["base/*"]))
    notifier = HttpNotifier((Target(name="base", address=ADDRESS, only=base),), SYSTEM_CLOCK)

    assert notifier.targets_for(Phase.COMPLETED) == ("base",)
    assert notifier.targets_for(Phase.COMPLETED, Subject(action="push", repository="base/os")) == ("base",)
    assert notifier.targets_for(Phase.COMPLETED, Subject(action="push", repository="team/app")) == ()


@pytest.mark.anyio
async def test_a_target_that_is_not_configured_any_more_accepts_nothing() -> None:
    """Its notifications are retried, and wait for it to come back."""
    with pytest.raises(NotDeliveredError, match="no target 'gone' is configured") as refusal:
        await HttpNotifier((Target(address=ADDRESS),), SYSTEM_CLOCK).send("gone", NOTIFICATION)

    assert not refusal.value.final


@pytest.mark.anyio
async def test_each_target_gets_its_format_and_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """A format without a source is not called with one."""
    sent: list[bytes] = []

    async def send(self: HttpTarget, notification: Notification) -> None:
        sent.append(self._render(notification).body)

    def load(name: str) -> Format:
        def render(_: Notification, *, source: str = "default") -> Message:
            return Message({}, f"{name} {source}".encode())

        return Format(render=render, has_source=name != "plain")

    monkeypatch.setattr(HttpTarget, "send", send)
    targets = (
        Target(name="a", address=ADDRESS, format="plain", source="/a"),
        Target(name="b", address=ADDRESS, format="events", source="/b"),
        Target(name="c", address=ADDRESS, format="events"),
    )
    notifier = HttpNotifier(targets, SYSTEM_CLOCK, load=load)
    for target in targets:
        await notifier.send(target.name, NOTIFICATION)
    notifier.close()

    assert sent == [b"plain default", b"events /b", b"events default"]
