"""An event of the registry is an arrival, or is ignored with a reason."""

import msgspec
import pytest

from fanin.aggregator.errors import UnknownRegionError
from fanin.aggregator.intake import Ignored, Intake
from fanin.aggregator.settings import Settings
from fanin.aggregator.wire import Arrival, Event, EventRequest, EventTarget, subject_of

TARGET = EventTarget(repository="team/app", tag="1.0", digest="sha256:11")
PUSH = Event(action="push", id="5b7c", target=TARGET, request=EventRequest("demo.azurecr.io"))


def _intake(**environment: str) -> Intake:
    return Intake(Settings.from_environment({"FANIN_REGIONS": "eastus,West Europe"} | environment))


@pytest.mark.parametrize(
    ("claimed", "region"),
    [("eastus", "eastus"), (" EastUS ", "eastus"), ("westeurope", "west europe"), ("mars", "mars"), ("", "")],
)
def test_a_region_is_named_as_it_is_configured(claimed: str, region: str) -> None:
    """One that is not known keeps its name, for the error."""
    assert _intake().region(claimed) == region


def test_an_event_that_fans_in_is_an_arrival() -> None:
    """Its key is what the settings correlate by."""
    subject = subject_of(PUSH)

    assert _intake().read(PUSH, "eastus") == Arrival("5b7c", "eastus", subject)
    by_image = _intake(FANIN_CORRELATION="image").read(PUSH, "eastus")
    assert by_image == Arrival("push:demo.azurecr.io/team/app:1.0@sha256:11", "eastus", subject, "5b7c")


def test_what_the_settings_leave_out_is_filtered() -> None:
    """By repository, tag and kind; everything else is an arrival as before."""
    signature = Event(action="push", id="1", target=EventTarget("team/app", "sha256-" + 64 * "3" + ".sig"))
    by_digest = Event(action="push", id="1", target=EventTarget("team/app", digest="sha256:11"))
    for environment, event in (
        ({"FANIN_REPOSITORIES": "base/*, !team/app"}, PUSH),
        ({"FANIN_TAGS": "v*"}, PUSH),
        ({"FANIN_TAGGED_ONLY": "yes"}, by_digest),
        ({"FANIN_SKIP_ATTACHMENTS": "yes"}, signature),
    ):
        assert _intake(**environment).read(event, "eastus") is Ignored.FILTERED
        assert isinstance(_intake().read(event, "eastus"), Arrival)


@pytest.mark.parametrize(("event", "reason"), [(Event(action="ping"), Ignored.PING), (PUSH, Ignored.ACTION)])
def test_what_does_not_fan_in_has_a_reason(event: Event, reason: Ignored) -> None:
    """A region that is not configured is an error all the same."""
    intake = _intake(FANIN_ACTIONS="delete")

    assert intake.read(event, "eastus") is reason
    with pytest.raises(UnknownRegionError):
        intake.read(event, "mars")


@pytest.mark.parametrize("action", ["push", "ping"])
def test_an_event_without_a_region_is_no_arrival(action: str) -> None:
    """Whatever the engine knows of its operation, the error says what the sender left out."""
    with pytest.raises(UnknownRegionError, match=r"^the request names no region; expected one of eastus"):
        _intake().read(msgspec.structs.replace(PUSH, action=action), "")
