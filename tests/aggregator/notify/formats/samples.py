"""Notifications of three kinds: usual, full of markup, as long as can be; and what a format makes of one."""

from typing import Any

import msgspec

from fanin.aggregator.fanin import Notification, Phase, Subject
from fanin.aggregator.notify.formats import Message, load

DECIDED_MS = 1_772_323_320_000
NASTY = "te*am_/`a`~p[p](http://x)<!channel>&@everyone|:smile:\\#"


def notify(**changes: Any) -> Notification:
    notification = Notification(
        key="c0ffee",
        operation_id="op-1",
        outcome=Phase.TIMED_OUT,
        subject=Subject(
            action="push", host="demo.azurecr.io", repository="team/app", tag="1.4.2", digest="sha256:1"
        ),
        arrived=("eastus", "northeurope"),
        missing=("westeurope",),
        started_ms=1_772_323_200_000,
        deadline_ms=1_772_323_320_000,
        decided_ms=DECIDED_MS,
    )
    return msgspec.structs.replace(notification, **changes)


def nasty(**changes: Any) -> Notification:
    """A name with everything that a receiver could take for markup."""
    return notify(subject=Subject(action="push", repository=NASTY, tag=NASTY), **changes)


def huge() -> Notification:
    """As long as `aggregator.wire` lets everything be, with five hundred regions, in four-byte characters."""
    long = "\N{SLEEPING FACE}" * 512
    regions = tuple(f"{n:03}-" + "\N{SNAIL}" * 60 for n in range(250))
    return notify(
        operation_id="\N{WHALE}" * 256,
        subject=Subject(
            action="chart_delete",
            host=long,
            repository=long,
            tag=long,
            digest=long,
            name=long,
            version=long,
            media_type=long,
            request_id=long,
        ),
        arrived=regions,
        missing=tuple(f"x{name}" for name in regions),
    )


def written(name: str, notification: Notification) -> Message:
    return load(name).render(notification)


def body(name: str, notification: Notification) -> Any:
    return msgspec.json.decode(written(name, notification).body)
