# ruff: noqa: E501 - a row of the table is one line, whatever its length
"""Faults that cannot be meant, above all those that could never take effect; and those that look so and can."""

import pytest

from fanin.simulator.language.load import ScenarioError, loads

HEAD = "scenario: example\ntitle: An example\n"  # rows begin on line 3

WRONG = {
    # faults
    "a chance of nothing": (
        "operations: [{}]\nfaults: [{fault: drop, chance: 0}]",
        "4:32: chance: 0 never takes effect; leave the fault out",
    ),
    "a restart with no region": (
        "operations: [{}]\nfaults: [{fault: restart, at: 3s, expects: []}]",
        "4:44: expects: the same as before is meant when it is left out; name at least one, or leave it out",
    ),
    "a fault without operations": (
        "faults: [{fault: drop}]",
        "3:10: it never takes effect: no webhook is ever sent",
    ),
    "a fault for a region that is never reached": (
        "operations: [{reaches: {eastus: never}}]\nfaults: [{fault: drop, region: eastus}]",
        "4:10: it never takes effect: no webhook is ever sent by region 'eastus'",
    ),
    "a fault for a webhook that is switched off": (
        "webhooks: {eastus: {status: disabled}}\noperations: [{name: push}]\nfaults: [{fault: drop, region: eastus, operation: push}]",
        "5:10: it never takes effect: no webhook of operation 'push' is ever sent by region 'eastus'",
    ),
    "a fault for an action that is not subscribed to": (
        "webhooks: {eastus: {actions: [push]}}\noperations: [{action: delete}]\nfaults: [{fault: drop, region: eastus}]",
        "5:10: it never takes effect: no webhook is ever sent by region 'eastus'",
    ),
    "a repetition that does not come": (
        "operations: [{name: push, repeat: 3}]\nfaults: [{fault: drop, operation: push/4}]",
        "4:35: operation: 'push/4' is no repetition of 'push'; there are push/1 to push/3",
    ),
    "a repetition of what happens once": (
        "operations: [{name: push}]\nfaults: [{fault: drop, operation: push/1}]",
        "4:35: operation: 'push/1' is no repetition of 'push'; it happens once",
    ),
    "a delay of nothing": (
        "operations: [{}]\nfaults: [{fault: delay, by: 0s}]",
        "4:29: by: a delay of nothing; write a longer one",
    ),
    "an unknown region that is known": (
        "operations: [{}]\nfaults: [{fault: unknown-region, as: EastUS}]",
        "4:38: as: 'EastUS' is one of the regions; name one that is not expected",
    ),
    "a wrong key without a key": (
        "operations: [{}]\nfaults: [{fault: wrong-key}]",
        "4:10: wrong-key: the scenario has no key to get wrong; give it a 'key'",
    ),
    "the other letter case of a key without letters": (
        "key: '4711'\noperations: [{}]\nfaults: [{fault: wrong-key, how: other-case}]",
        "5:34: how: other-case: the key '4711' has no letters",
    ),
    "a sink that recovers before it fails": (
        "operations: [{}]\nfaults: [{fault: sink-down, since: 10s, until: 10s}]",
        "4:48: until: 10s is not after since, 10s",
    ),
    "a sink that is notified of nothing": (
        "actions: [push]\noperations: [{name: gone, action: delete}]\nfaults: [{fault: sink-hangs, operation: gone}]",
        "5:10: it never takes effect: the sink is never notified of operation 'gone'",
    ),
    "a sink of a scenario without operations": (
        "faults: [{fault: sink-down}]",
        "3:10: it never takes effect: the sink is never notified of anything",
    ),
    "a crash at an instant of a region": (
        "operations: [{}]\nfaults: [{fault: crash, at: 3s, region: eastus}]",
        "4:33: region: it narrows a step; this crash has an instant",
    ),
    "a notification of a region": (
        "operations: [{}]\nfaults: [{fault: crash, step: after-notify, region: eastus}]",
        "4:45: region: it narrows an answer; at after-notify there is a notification, of no region",
    ),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=list(WRONG))
def test_a_fault_that_cannot_be_meant_is_reported_where_it_stands(text: str, message: str) -> None:
    """One line: file, line, column, what was found, what is accepted, the nearest valid name."""
    with pytest.raises(ScenarioError) as caught:
        loads(HEAD + text, "example.yaml")

    assert str(caught.value) == f"example.yaml:{message}"


@pytest.mark.parametrize(
    "text",
    [
        "operations: [{name: push, repeat: 3}]\nfaults: [{fault: drop, operation: push/3}]",
        "operations: [{reaches: {eastus: never}}, {}]\nfaults: [{fault: drop, region: EASTUS}]",
        "operations: [{action: ping, reaches: {eastus: never}}]\nfaults: [{fault: drop, region: eastus}]",
        "webhooks: {eastus: {status: disabled}}\noperations: [{action: ping}]\nfaults: [{fault: drop, region: eastus}]",
        "operations: [{}]\nfaults: [{fault: unknown-region, as: ''}]",
        "key: k\noperations: [{}]\nfaults: [{fault: wrong-key}]",
        "actions: [push]\noperations: [{action: delete}, {}]\nfaults: [{fault: sink-hangs, operation: op2}]",
        "operations: [{}]\nfaults: [{fault: crash, step: before-response, region: eastus, operation: op1, nth: 2}]",
        "operations: [{}]\nfaults: [{fault: crash, step: before-notify, operation: op1}]",
        "faults: [{fault: crash, at: 3s}, {fault: restart, at: 9s}]",
    ],
)
def test_a_fault_that_can_take_effect_is_taken(text: str) -> None:
    """Only what is certain to do nothing is refused."""
    assert loads(HEAD + text).faults
