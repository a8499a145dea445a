"""What an event of the registry is to this service: an arrival that fans in, or one to ignore.

Rules of this file: both channels, webhooks and Event Grid, ask here, so that an event means the same on both;
what is ignored is answered 200 and counted, and a region that is not configured is an error even so, because
a ping is sent to find that out.
"""

from enum import StrEnum

from fanin.aggregator.errors import UnknownRegionError
from fanin.aggregator.fanin import Region, Subject
from fanin.aggregator.filters import Filter
from fanin.aggregator.settings import Settings
from fanin.aggregator.wire import (
    CORRELATIONS,
    PING,
    Arrival,
    Event,
    normalise_region,
    same_location,
    subject_of,
)


class Ignored(StrEnum):
    """Why an event does not fan in."""

    PING = "ping"
    ACTION = "action"  # one that the settings do not name
    FILTERED = "filtered"  # what the settings leave out
    CONNECTED_REGISTRY = "connected-registry"  # it happened on premises, not in the region's replica


class Intake:
    """Tells arrivals from what is ignored, as the settings say."""

    def __init__(self, settings: Settings) -> None:
        self._regions, self._actions = settings.regions, settings.actions
        self._filter = Filter(
            repositories=settings.repositories,
            tags=settings.tags,
            actions=settings.actions,
            tagged_only=settings.tagged_only,
            skip_attachments=settings.skip_attachments,
        )
        self._correlate, self._by_image = CORRELATIONS[settings.correlation], settings.correlation == "image"

    def region(self, claimed: str) -> Region:
        """The region that a sender names, as it is configured: ``West Europe`` is ``westeurope``, too."""
        region = normalise_region(claimed)
        if region in self._regions:
            return region
        return next((it for it in self._regions if same_location(it, region)), region)

    def read(self, event: Event, region: Region) -> Arrival | Ignored:
        """What an event is that a region reports.

        Raises:
            UnknownRegionError: no region is named; or it is an event to ignore, and the region is not
                configured. Of an arrival the engine knows whether its operation waits for the region.
        """
        if not region:
            raise UnknownRegionError(region, self._regions)
        subject = subject_of(event)
        reason = self._reason(event, subject)
        if reason is None:
            event_id = event.id if self._by_image else ""
            return Arrival(self._correlate(event.id, subject), region, subject, event_id)
        if region not in self._regions:
            raise UnknownRegionError(region, self._regions)
        return reason

    def _reason(self, event: Event, subject: Subject) -> Ignored | None:
        if event.action == PING:
            return Ignored.PING
        if event.action not in self._actions:
            return Ignored.ACTION
        return None if self._filter.admits(subject) else Ignored.FILTERED
