"""What a scenario may get wrong about replicas, pauses, clocks, configurations, envelopes and signatures."""

import pytest

from fanin.simulator.faults.aggregator import ClockJump, Pause, Restart
from fanin.simulator.faults.request import SignEarlier
from fanin.simulator.language.load import ScenarioError, loads
from fanin.simulator.language.scenario import Sender

HEAD = "scenario: example\ntitle: An example\noperations: [{}]\n"
SECRET = "whsec_b25jZSB1cG9uIGEgdGltZSwgYSBzZWNyZXQ="  # noqa: S105 - an example
SHARED = "it changes a request, which is shared; drop, delay, duplicate, reorder, malform do not"
WITHIN = "not-an-object, no-id, empty-id, id-not-text, wrong-types, no-action, no-target, number-id, null-id"
GRID = "sender: {profile: event-grid}\n"
CNCF = "sender: {profile: cncf-distribution, envelope: 1s}\n"

WRONG = {
    "a replica that there is not": (
        "replicas: 2\nfaults: [{fault: crash, at: 1s, replica: 3}]",
        "5:42: replica: there is no replica 3; there are 2",
    ),
    "the only one is meant anyway": (
        "faults: [{fault: restart, at: 1s, replica: 2}]",
        "4:44: replica: there is no replica 2; there is 1",
    ),
    "a pause of two kinds": (
        "faults: [{fault: pause, at: 1s, step: after-response, lasts: 1s}]",
        "4:10: pause: both at and step; write one of them",
    ),
    "a pause that narrows an instant": (
        "faults: [{fault: pause, at: 1s, region: eastus, lasts: 1s}]",
        "4:33: region: it narrows a step; this pause has an instant",
    ),
    "a clock that is not set": (
        "faults: [{fault: clock-jump, at: 1s}]",
        "4:10: clock-jump: neither forward nor back; write one of them",
    ),
    "a clock that is set twice": (
        "faults: [{fault: clock-jump, at: 1s, forward: 1s, back: 1s}]",
        "4:10: clock-jump: both forward and back; write one of them",
    ),
    "a region to wait for that there is not": (
        "expects: [eastus, westus]",
        "4:19: no region 'westus'; there are northeurope, westeurope, eastus; did you mean 'eastus'?",
    ),
    "a region to wait for twice": (
        "expects: [eastus, EastUS]",
        "4:19: expects: 'EastUS' is listed twice, first on line 4",
    ),
    "the same of a restart": (
        "faults: [{fault: restart, at: 1s, expects: [mars]}]",
        "4:45: no region 'mars'; there are northeurope, westeurope, eastus",
    ),
    "an envelope of a sender that has none": (
        "sender: {profile: retry, envelope: 1s}",
        "4:26: envelope: retry gathers no events; only cncf-distribution and event-grid do",
    ),
    "a schema of a sender that has none": (
        "sender: {profile: retry, schema: cloudevents}",
        "4:26: schema: retry has one form only; event-grid has two schemas",
    ),
    "an address of Event Grid's": (
        f"{GRID}webhooks: {{eastus: {{uri: /x}}}}",
        "5:21: uri: event-grid sends every region's events to /api/EventGrid; leave it out",
    ),
    "a fault of a request that is shared": (
        f"{CNCF}faults: [{{fault: lose-response}}]",
        f"5:10: lose-response: {SHARED}",
    ),
    "an event that breaks its envelope": (
        f"{CNCF}faults: [{{fault: malform, how: truncated}}]",
        f"5:32: how: truncated breaks a whole envelope; of an event there are {WITHIN}",
    ),
    "a signature where there is none": (
        "faults: [{fault: forge}]",
        "4:10: forge: deliveries are not signed; give the scenario a 'signing'",
    ),
    "an old one where there is none": (
        "faults: [{fault: sign-earlier, by: 1m}]",
        "4:10: sign-earlier: deliveries are not signed; give the scenario a 'signing'",
    ),
    "a rotation to nothing": (
        f"signing: {{secrets: [{SECRET}], rotates: 1s}}",
        "4:10: signing: two secrets and 'rotates' go together; write both, or one secret alone",
    ),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_reported_where_it_stands(text: str, message: str) -> None:
    """One line: file, line, column, what was found, what is accepted."""
    with pytest.raises(ScenarioError) as caught:
        loads(HEAD + text, "example.yaml")

    assert str(caught.value) == f"example.yaml:{message}"


def test_an_action_that_event_grid_has_no_event_for() -> None:
    """It would never be sent, and the run would prove nothing."""
    text = f"{GRID}scenario: example\ntitle: An example\noperations: [{{}}, {{action: quarantine}}]\n"

    with pytest.raises(ScenarioError) as caught:
        loads(text, "example.yaml")

    actions = "push, delete, chart_push, chart_delete"
    message = f"action: event-grid has no event for quarantine; it has {actions}"
    assert str(caught.value) == f"example.yaml:4:27: {message}"


def test_a_secret_has_the_shape_that_senders_give_it() -> None:
    """A secret of another kind would be signed with by accident."""
    with pytest.raises(ScenarioError, match="write whsec_ and 24 to 64 bytes in base64"):
        loads(HEAD + "signing: {secrets: [open-sesame]}")


def test_all_of_it_is_read() -> None:
    """Regions are spelled as in the list, durations are milliseconds."""
    scenario = loads(
        HEAD
        + f"expects: [EastUS]\nreplicas: 3\nsigning: {{secrets: [{SECRET}]}}\n"
        + "sender: {profile: cncf-distribution}\nfaults:\n"
        + "  - {fault: restart, at: 1s, expects: [' WestEurope '], timeout: 0.5 timeout, replica: 3}\n"
        + "  - {fault: pause, step: after-response, region: EASTUS, lasts: 1m}\n"
        + "  - {fault: clock-jump, at: 1s, back: 1h}\n"
        + "  - {fault: sign-earlier, by: 5m}\n"
    )

    assert scenario.expects == ("eastus",)
    assert (scenario.replicas, scenario.signing.secrets) == (3, (SECRET,))
    assert scenario.sender == Sender(profile="cncf-distribution")
    assert scenario.faults == (
        Restart(at=1_000, expects=("westeurope",), timeout=60_000, replica=3),
        Pause(step="after-response", region="eastus", lasts=60_000),
        ClockJump(at=1_000, back=3_600_000),
        SignEarlier(by=300_000),
    )
