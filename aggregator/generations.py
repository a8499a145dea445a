"""Which push of one image an arrival belongs to: payload ids, by region, in the order in which they came.

Rules of this file: pure, without a clock; what cannot be told is late, which starts nothing.

Regions may share a push's id or have ids of their own, and their webhooks come in any order. So an id that
another region has sent says which push it is; one that no region has sent is the next push of its region.
"""

from collections.abc import Collection
from enum import Enum

import msgspec

# So many ids of a region are remembered at most; the oldest are forgotten.
IDS_MAX = 1_000


class Place(Enum):
    """Where an arrival belongs."""

    CURRENT = "current"  # to the push that the generation is about
    NEXT = "next"  # to a later push, which begins the next generation if this one has its outcome
    AHEAD = "ahead"  # to a later push, or it is late for an earlier one: it begins nothing by itself
    EARLIER = "earlier"  # to an earlier push, or it is a duplicate


class Pushes(msgspec.Struct, frozen=True, omit_defaults=True):
    """The payload ids of one image's pushes. Immutable."""

    ids: dict[str, dict[str, int]] = {}  # all that a region has sent, and when each came, Unix epoch ms
    current: dict[str, str] = {}  # the one by which it reports the push that the generation is about
    ahead: dict[str, tuple[str, ...]] = {}  # those of later pushes, in their order
    sent: dict[str, int] = {}  # how many ids each region has sent, those that are forgotten included

    def place_of(self, region: str, event_id: str, *, is_decided: bool, generation: int) -> Place:
        """Where an arrival belongs, of a generation that waits or has its outcome."""
        if event_id in self.ids.get(region, ()):
            return Place.EARLIER
        reported, current = region in self.current, set(self.current.values())
        if event_id in current or not (is_decided or reported):
            return (
                Place.CURRENT
            )  # while it waits, a region that has the image has it, whichever push that was
        if self._is_ahead(event_id):
            return Place.NEXT
        if any(event_id in known for known in self.ids.values()):
            return Place.EARLIER if reported else Place.CURRENT
        return self._place_of_unknown(region, generation)

    def _place_of_unknown(self, region: str, generation: int) -> Place:
        """Where an arrival belongs whose id no region has sent before."""
        if len(set(self.current.values())) < len(self.current):
            return Place.NEXT  # regions share ids, so that it cannot be of this push
        if region not in self.current:
            return Place.CURRENT
        # A region that has sent fewer ids than there were pushes may be late for one of those.
        return Place.NEXT if self.sent.get(region, 0) >= generation else Place.AHEAD

    def _is_ahead(self, event_id: str) -> bool:
        return any(event_id in later for later in self.ahead.values())

    def with_event(self, region: str, event_id: str, at_ms: int, place: Place = Place.CURRENT) -> "Pushes":
        """After an arrival that belongs there; an empty id says nothing."""
        if not event_id or event_id in self.ids.get(region, ()):
            return self
        known = {**self.ids.get(region, {}), event_id: at_ms}
        while len(known) > IDS_MAX:
            del known[next(iter(known))]
        current, ahead = self.current, self.ahead
        if place is Place.CURRENT:
            current = {region: event_id} | current
        if place in (Place.NEXT, Place.AHEAD) or self._is_ahead(event_id):
            ahead = {**ahead, region: (*ahead.get(region, ()), event_id)}
        sent = {**self.sent, region: self.sent.get(region, 0) + 1}
        return Pushes({**self.ids, region: known}, current, ahead, sent)

    def renewed(self, expected: Collection[str], *, forgotten_ms: int) -> "Pushes":
        """For the next generation: each region reports it by the first of its later ids.

        Args:
            expected: The regions that it waits for.
            forgotten_ms: Ids that came before are forgotten, Unix epoch.
        """
        current = {region: later[0] for region, later in self.ahead.items() if region in expected}
        ahead = {
            region: later[1:] for region, later in self.ahead.items() if region in expected and later[1:]
        }
        ids = {
            region: kept
            for region, known in self.ids.items()
            if (kept := {id_: at_ms for id_, at_ms in known.items() if at_ms >= forgotten_ms})
        }
        return Pushes(ids, current, ahead, self.sent)


NONE = Pushes()  # of an operation that has one generation only
