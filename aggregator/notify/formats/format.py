"""What a format makes of a notification, and how a format is described."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from fanin.aggregator.fanin import Notification


class Message(NamedTuple):
    """Headers of a format's own, and the body."""

    headers: Mapping[str, str]
    body: bytes


type Render = Callable[[Notification], Message]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One way to write a notification, and what its receivers mean by their answers. Any 2xx accepts."""

    render: Callable[..., Message]  # a Notification, and the source where it has one
    gone: frozenset[int] = frozenset()  # statuses that never change, as the receiver's documentation says
    paced: bool = False  # a receiver that says 429 means everything from us, not the one notification
    sourced: bool = False  # whether it says where an event comes from
    bearer: bool = False  # whether its receiver lets nobody in without a bearer token
