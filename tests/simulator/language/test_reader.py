# ruff: noqa: E501 - a row of the table is one line, whatever its length
"""Wrong shapes: each problem's exact line, and that the JSON Schema refuses the same files."""

import jsonschema
import msgspec
import pytest
import yaml

from fanin.simulator.language.field_types import shape_of
from fanin.simulator.language.load import ScenarioError, loads
from fanin.simulator.language.problems import Report
from fanin.simulator.language.reader import NodeReader
from fanin.simulator.language.schema import schema
from fanin.simulator.language.yaml_nodes import compose

HEAD = "scenario: example\ntitle: An example\n"  # rows begin on line 3
FIELDS = "scenario, title, description, regions, expects, timeout, registry, correlation, ids, actions, only, notifies_late, key, replicas, signing, latency, sender, replication, webhooks, operations, faults, expect, verdict"
FAULTS = "drop, delay, duplicate, reorder, lose-request, lose-response, slow-client, malform, unknown-region, wrong-key, forge, sign-earlier, upgrade-h2c, sink-refuses, sink-stalls, sink-hangs, sink-loses-response, sink-down, crash, restart, pause, clock-jump"
DURATION = (
    "write a duration such as 250ms, 45s, 1m30s, 2h, 3d, or a multiple of the timeout such as 0.75 timeout"
)
UNITS = "or another duration: 250ms, 45s, 1m30s, 2h, 3d"
IMAGE = "write repo:tag, repo, repo@sha256:… or repo:tag@sha256:… in lower case"

WRONG = {
    # fields and names
    "a misspelt field": (
        "tmeout: 60s",
        f"3:1: no field 'tmeout'; there are {FIELDS}; did you mean 'timeout'?",
    ),
    "an unknown field": ("zebra: 1", f"3:1: no field 'zebra'; there are {FIELDS}"),
    "a misspelt field of an operation": (
        "operations:\n  - {imag: team/app:1}",
        "4:6: operations: no field 'imag'; there are image, name, at, action, home, reaches, id, repeat, every, quirks, padding; did you mean 'image'?",
    ),
    "a misspelt fault": (
        "operations: [{}]\nfaults:\n  - {fault: dorp}",
        f"5:13: fault: 'dorp' is no fault; there are {FAULTS}; did you mean 'drop'?",
    ),
    "an underscore for a hyphen": (
        "operations: [{}]\nfaults:\n  - {fault: sink_down}",
        f"5:13: fault: 'sink_down' is no fault; there are {FAULTS}; did you mean 'sink-down'?",
    ),
    "a field of another fault": (
        "operations: [{}]\nfaults:\n  - {fault: drop, within: 3s}",
        "5:19: drop: no field 'within'; there are fault, region, operation, chance",
    ),
    "a fault without its name": (
        "operations: [{}]\nfaults:\n  - {region: eastus}",
        f"5:5: faults: field 'fault' is missing; it is one of {FAULTS}",
    ),
    "a fault as a word": (
        "operations: [{}]\nfaults: [drop]",
        "4:10: faults: 'drop', where a mapping is meant; write {fault: drop}",
    ),
    "a fault without what it needs": (
        "operations: [{}]\nfaults: [{fault: delay}]",
        "4:10: delay: field 'by' is missing",
    ),
    "a misspelt choice": (
        "sender: retri",
        "3:9: sender: 'retri' is no choice; there are acr, cncf-distribution, event-grid, retry, standard-webhooks; did you mean 'retry'?",
    ),
    "a misspelt choice in the long form": (
        "sender: {profile: retri}",
        "3:19: profile: 'retri' is no choice; there are acr, cncf-distribution, event-grid, retry, standard-webhooks; did you mean 'retry'?",
    ),
    "a choice that is listed twice": (
        "actions: [push, delete, push]",
        "3:25: actions: 'push' is listed twice",
    ),
    "an action that cannot be subscribed to": (
        "actions: [push, ping]",
        "3:17: actions: 'ping' is no choice; there are chart_delete, chart_push, delete, push, quarantine",
    ),
    # values that YAML reads as something else
    "a name that is no": (
        "regions: [eastus, no]",
        "3:19: regions: YAML takes no for yes or no; in quotes it is text: 'no'",
    ),
    "a name that is on as a key": (
        "replication: {on: 3s}",
        "3:15: replication: YAML takes on for yes or no; in quotes it is text: 'on'",
    ),
    "a time of day for a duration": (
        "operations: [{at: 12:30}]",
        f"3:19: at: '12:30' is not a duration; {DURATION}",
    ),
    "a date for text": (
        "description: 2026-01-01",
        "3:14: description: YAML takes 2026-01-01 for a date; in quotes it is text: '2026-01-01'",
    ),
    "a number for text": (
        "key: 12345",
        "3:6: key: YAML takes 12345 for a number; in quotes it is text: '12345'",
    ),
    "a decimal for a whole number": (
        "operations: [{repeat: 1.5}]",
        "3:23: repeat: '1.5' is not a plain whole number; write decimal digits, such as 3",
    ),
    "a number in quotes": (
        "operations: [{repeat: '3'}]",
        "3:23: repeat: '3' is not a plain whole number; write decimal digits, such as 3, without quotes",
    ),
    "a chance in words": (
        "operations: [{}]\nfaults: [{fault: drop, chance: half}]",
        "4:32: chance: 'half' is not a plain number; write decimal digits, such as 0.5",
    ),
    "nothing at all": ("description:", "3:13: description: there is no value; write text, or leave it out"),
    "a null": (
        "sender: ~",
        "3:9: sender: ~ is nothing; write one of acr, cncf-distribution, event-grid, retry, standard-webhooks, or leave it out",
    ),
    # durations
    "a duration without a unit": ("timeout: 120", f"3:10: timeout: '120' has no unit; write 120s, {UNITS}"),
    "a decimal without a unit": (
        "operations: [{at: 1.5}]",
        f"3:19: at: '1.5' has no unit; write 1.5s, {UNITS}",
    ),
    "a negative duration": (
        "operations: [{at: -5s}]",
        f"3:19: at: '-5s' is negative; time only runs forward: {DURATION}",
    ),
    "a word for a duration": ("latency: fast", f"3:10: latency: 'fast' is not a duration; {DURATION}"),
    "almost never": (
        "operations: [{reaches: {eastus: nevr}}]",
        f"3:33: reaches 'eastus': 'nevr' is not a duration; {DURATION}, or never; did you mean 'never'?",
    ),
    "never where it means nothing": (
        "operations: [{at: never}]",
        f"3:19: at: 'never' is not a duration; {DURATION}",
    ),
    "a timeout in timeouts": (
        "timeout: 2 timeout",
        "3:10: timeout: '2 timeout' is a multiple of the timeout, which is not known here; write 45s or 2h",
    ),
    "a timeout of nothing": ("timeout: 0s", "3:10: timeout: 0s is too short; at least 1ms"),
    "one copy without a unit": (
        "operations: [{}]\nfaults: [{fault: duplicate, after: 130}]",
        f"4:36: after: '130' has no unit; write 130s, {UNITS}",
    ),
    # one value, a list, a mapping
    "a list for one value": (
        "operations: [{image: [team/app:1]}]",
        f"3:22: image: a list, where one value is meant; {IMAGE}",
    ),
    "one value for a list": (
        "regions: eastus",
        "3:10: regions: 'eastus', where a list is meant; write [eastus]",
    ),
    "a mapping for a list": (
        "operations: {image: team/app:1}",
        "3:13: operations: a mapping, where a list is meant; write '- ' before each item",
    ),
    "a mapping for one value": (
        "timeout: {fixed: 3s}",
        "3:10: timeout: a mapping, where one value is meant; write a duration such as 250ms, 45s, 1m30s, 2h, 3d",
    ),
    "a list for a mapping": (
        "replication: [eastus]",
        "3:14: replication: a list, where a mapping is meant; write 'name: value' pairs",
    ),
    "a list for a delay": (
        "latency: [1ms, 3ms]",
        f"3:10: latency: a list, where a mapping is meant; {DURATION}, or a mapping with fixed, min, max, median, sigma",
    ),
    "an empty list of regions": ("regions: []", "3:10: regions: the list is empty; it needs at least 1"),
    # delays
    "a delay of two kinds": (
        "latency: {fixed: 1s, median: 3s}",
        "3:10: several kinds of delay at once; write a duration, or min and max, or median and sigma",
    ),
    "a delay of no kind": (
        "latency: {}",
        "3:10: no delay; write a duration, or min and max, or median and sigma",
    ),
    "half a spread": ("latency: {min: 1s}", "3:11: min without max; write both"),
    "the other half": ("latency: {max: 1s}", "3:11: max without min; write both"),
    "sigma alone": (
        "latency: {sigma: 0.5}",
        "3:10: no delay; write a duration, or min and max, or median and sigma",
    ),
    "sigma of a spread": (
        "latency: {min: 1s, max: 2s, sigma: 1}",
        "3:29: sigma without a median; write both",
    ),
    "a sigma beyond reason": ("latency: {median: 1s, sigma: 50}", "3:30: sigma: 50 is too large; at most 5"),
    "a median of nothing": ("latency: {median: 0s}", "3:19: median: 0s is too short; at least 1ms"),
    # regions
    "a region with space around": (
        "regions: [' eastus']",
        "3:11: regions: ' eastus' is not accepted; write letters, digits, spaces, '.', '_' and '-'",
    ),
    "a region with a comma": (
        "regions: ['eastus,westus']",
        "3:11: regions: 'eastus,westus' is not accepted; write letters, digits, spaces, '.', '_' and '-'",
    ),
    # operations
    "a name with a space": (
        "operations: [{name: my push}]",
        "3:21: name: 'my push' is not accepted; write letters, digits, '.', '_' and '-'",
    ),
    "every without repeat": (
        "operations: [{every: 3s}]",
        "3:15: every without repeat; say how many there are",
    ),
    "repeat nothing": ("operations: [{repeat: 0}]", "3:23: repeat: 0 is too small; at least 1"),
    "repeat for ever": (
        "operations: [{repeat: 1000000}]",
        "3:23: repeat: 1000000 is too large; at most 100000",
    ),
    "an image in capitals": (
        "operations: [{image: Team/App:1.0.0}]",
        f"3:22: image: 'Team/App:1.0.0' is not accepted; {IMAGE}",
    ),
    "an image with an empty tag": (
        "operations: [{image: 'team/app:'}]",
        f"3:22: image: 'team/app:' is not accepted; {IMAGE}",
    ),
    "an image with a short digest": (
        "operations: [{image: 'team/app@sha256:123'}]",
        f"3:22: image: 'team/app@sha256:123' is not accepted; {IMAGE}",
    ),
    # webhooks and the scenario itself
    "a uri without a slash": (
        "webhooks: {eastus: {uri: api/ImagePush}}",
        "3:26: uri: 'api/ImagePush' is not accepted; write a percent-encoded path and query that starts with '/'",
    ),
    "a header over two lines": (
        'webhooks: {eastus: {headers: {X-Team: "a\\nb"}}}',
        "3:39: headers 'X-Team': 'a\\nb' is not accepted; write an HTTP header's value, in ASCII",
    ),
    "a header without a name": (
        "webhooks: {eastus: {headers: {'X Team': a}}}",
        "3:31: headers: 'X Team' is not accepted; write an HTTP header's name",
    ),
    "a scope that matches nothing": (
        "webhooks: {eastus: {scope: 'team/*'}}",
        "3:28: scope: 'team/*' is not accepted; write repo:*, repo:tag, repo (its latest) or '' for everything",
    ),
    "a webhook for nothing": (
        "webhooks: {eastus: {actions: []}}",
        "3:30: actions: the list is empty; it needs at least 1",
    ),
    "a registry with a scheme": (
        "registry: https://demo.azurecr.io",
        "3:11: registry: 'https://demo.azurecr.io' is not accepted; write a host name in lower case",
    ),
    "a key with a space": (
        "key: open sesame",
        "3:6: key: 'open sesame' is not accepted; write ASCII without spaces",
    ),
    # faults
    "a chance beyond certainty": (
        "operations: [{}]\nfaults: [{fault: drop, chance: 1.5}]",
        "4:32: chance: 1.5 is too large; at most 1",
    ),
    "no copies": (
        "operations: [{}]\nfaults: [{fault: duplicate, after: []}]",
        "4:36: after: the list is empty; it needs at least 1",
    ),
    "no attempts": (
        "operations: [{}]\nfaults: [{fault: lose-response, attempts: 0}]",
        "4:43: attempts: 0 is too small; at least 1",
    ),
    "a sink that refuses with a success": (
        "operations: [{}]\nfaults: [{fault: sink-refuses, status: 200}]",
        "4:40: status: 200 is too small; at least 300",
    ),
    "a crash at no time": (
        "operations: [{}]\nfaults: [{fault: crash}]",
        "4:10: crash: neither at nor step; write one of them",
    ),
    "a crash twice timed": (
        "operations: [{}]\nfaults: [{fault: crash, at: 3s, step: before-response}]",
        "4:10: crash: both at and step; write one of them",
    ),
    "a restart at no time": (
        "operations: [{}]\nfaults: [{fault: restart}]",
        "4:10: restart: field 'at' is missing",
    ),
    # expectations
    "within of nothing": (
        "operations: [{}]\nexpect: [{operation: op1, outcome: completed, within: 3s}]",
        "4:47: within without at; say of what",
    ),
    "an expectation without an outcome": (
        "operations: [{}]\nexpect: [{operation: op1}]",
        "4:10: expect: field 'outcome' is missing",
    ),
}
# How a value was spelled is no longer to be seen in what a schema looks at.
MISSPELT = {
    # values that YAML reads as something else
    "an octal number": (
        "operations: [{repeat: 010}]",
        "3:23: repeat: '010' is not a plain whole number; write decimal digits, such as 3",
    ),
    "a number in sixties": (
        "operations: [{repeat: 1:30}]",
        "3:23: repeat: '1:30' is not a plain whole number; write decimal digits, such as 3",
    ),
    "a number with an underscore": (
        "operations: [{repeat: 1_000}]",
        "3:23: repeat: '1_000' is not a plain whole number; write decimal digits, such as 3",
    ),
    "not a number": (
        "operations: [{}]\nfaults: [{fault: drop, chance: .nan}]",
        "4:32: chance: '.nan' is not a plain number; write decimal digits, such as 0.5",
    ),
}


@pytest.mark.parametrize(("text", "message"), [*WRONG.values(), *MISSPELT.values()], ids=[*WRONG, *MISSPELT])
def test_a_wrong_shape_is_reported_where_it_stands(text: str, message: str) -> None:
    """One line: file, line, column, what was found, what is accepted, the nearest valid name."""
    with pytest.raises(ScenarioError) as caught:
        loads(HEAD + text, "example.yaml")

    assert str(caught.value) == f"example.yaml:{message}"


@pytest.mark.parametrize("text", [text for text, _ in WRONG.values()], ids=list(WRONG))
def test_the_schema_refuses_it_as_well(text: str) -> None:
    """What an editor underlines and what the loader refuses is the same."""
    document = yaml.safe_load(HEAD + text)

    assert not jsonschema.Draft202012Validator(schema()).is_valid(document)


class Switch(msgspec.Struct):
    """A shape with what no scenario has yet."""

    lit: bool


@pytest.mark.parametrize(("text", "lit"), [("true", True), ("false", False)])
def test_true_and_false_are_read(text: str, lit: bool) -> None:  # noqa: FBT001 - it is what is tested
    """A shape may want a truth value."""
    report = Report("switch.yaml")

    found = NodeReader(report, 1).read(compose(f"lit: {text}", report), shape_of(Switch), "switch")

    assert found is not None
    assert found.value == Switch(lit=lit)


@pytest.mark.parametrize("text", ["yes", "Off", "TRUE", "1", "'true'", "maybe"])
def test_truth_has_two_words(text: str) -> None:
    """YAML 1.1 knows 22, one of which is a country."""
    report = Report("switch.yaml")

    assert NodeReader(report, 1).read(compose(f"lit: {text}", report), shape_of(Switch), "switch") is None
    with pytest.raises(ScenarioError, match="is neither true nor false; write true or false"):
        report.close()
