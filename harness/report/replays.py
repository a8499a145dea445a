"""How an orchestration was replayed, as text: what its history held, what satisfied each await, what was new.

Rules of this file: pure. A replay is one line of JSON as an engine wrote it down:
``{number, instance, past: [event], new: [event], awaits: [{await, satisfied}], asked: [text]}``.
"""

from collections.abc import Iterable, Iterator

import msgspec


class Await(msgspec.Struct, frozen=True):
    """One await of the code, and what satisfied it in this replay."""

    for_: str = msgspec.field(name="await")
    satisfied: str


class Replay(msgspec.Struct, frozen=True):
    """One run of the code from its beginning."""

    number: int
    instance: str
    past: tuple[str, ...]
    new: tuple[str, ...]
    awaits: tuple[Await, ...]
    asked: tuple[str, ...]


_decoder = msgspec.json.Decoder(Replay)


def read(lines: Iterable[str]) -> list[Replay]:
    """Replays as they were written down, those of one instance together and in their order.

    Raises:
        msgspec.MsgspecError: a line is none.
    """
    found = [_decoder.decode(line) for line in lines]
    instances = list(dict.fromkeys(it.instance for it in found))
    return sorted(found, key=lambda it: (instances.index(it.instance), it.number))


def explain(replays: Iterable[Replay]) -> Iterator[str]:
    """Each replay in a few lines."""
    for replay in replays:
        yield f"replay {replay.number} of {replay.instance}"
        yield f"  in the history   {', '.join(replay.past) or 'nothing'}"
        yield f"  new              {', '.join(replay.new)}"
        for nth, each in enumerate(replay.awaits):
            yield f"  {'awaits' if not nth else '':<15}  {each.for_}: {each.satisfied}"
        yield f"  asked for        {', '.join(replay.asked) or 'nothing more'}"
        yield ""
