"""How far one attempt has come, so that the reason of one that ran out of time says where it was."""

from enum import IntEnum


class AttemptPhase(IntEnum):
    """The phases of an attempt, in their order. One over an open connection begins with the request."""

    LOOKUP = 0
    CONNECT = 1
    PROXY_TLS = 2
    TUNNEL = 3
    TLS = 4
    REQUEST = 5
    RESPONSE = 6


_DOING = {
    AttemptPhase.LOOKUP: "looking up the host",
    AttemptPhase.CONNECT: "connecting",
    AttemptPhase.PROXY_TLS: "agreeing on TLS with the proxy",
    AttemptPhase.TUNNEL: "waiting for the proxy to connect",
    AttemptPhase.TLS: "agreeing on TLS",
    AttemptPhase.REQUEST: "sending the request",
    AttemptPhase.RESPONSE: "waiting for the response",
}


class AttemptProgress:
    """The phase of one attempt."""

    def __init__(self) -> None:
        self.phase = AttemptPhase.LOOKUP

    def __str__(self) -> str:
        return _DOING[self.phase]
