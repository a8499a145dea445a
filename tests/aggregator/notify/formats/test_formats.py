"""What holds for every format."""

import re

import msgspec
import pytest

from fanin.aggregator.fanin import Notification, Phase, Subject
from fanin.aggregator.notify.formats import FORMATS
from tests.aggregator.notify.formats.samples import huge, nasty, notify, written


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    "notification",
    [
        notify(),
        notify(outcome=Phase.COMPLETED, missing=(), arrived=("eastus",)),
        notify(arrived=(), subject=Subject(action="chart_push", name="redis", version="1")),
        notify(subject=Subject(action="delete", digest="sha256:1")),
        notify(subject=Subject(action="delete")),
        nasty(),
        huge(),
    ],
    ids=["image", "completed", "chart", "digest", "nothing", "nasty", "huge"],
)
def test_whatever_the_operation_every_format_can_say_it(name: str, notification: Notification) -> None:
    """JSON in UTF-8, headers that are headers, the same bytes for the same decision, the operation named."""
    message = written(name, notification)

    assert message == written(name, notification)
    assert msgspec.json.decode(message.body)
    assert "json" in message.headers["content-type"]
    for header, value in message.headers.items():
        assert re.fullmatch(r"[a-z0-9-]+", header)
        assert re.fullmatch(r"[\x20-\x7e]+", value)
    assert notification.operation_id[:50] in message.body.decode()
