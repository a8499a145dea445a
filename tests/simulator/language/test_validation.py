# ruff: noqa: E501 - a row of the table is one line, whatever its length
"""Wrong meanings outside of faults: unknown names, durations out of bounds, what excludes each other."""

import json

import pytest

from fanin.simulator.language.load import ScenarioError, loads

HEAD = "scenario: example\ntitle: An example\n"  # rows begin on line 3

WRONG = {
    # durations
    "a timeout of eleven years": ("timeout: 4015d", "3:10: timeout: 4015d is too long; at most 3650d"),
    "a duration of a thousand years": (
        "operations: [{at: 365000d}]",
        "3:19: at: '365000d' is too long; at most 36500d, 100 years",
    ),
    "finer than a millisecond": ("latency: 0.1ms", "3:10: latency: '0.1ms' is finer than a millisecond"),
    # delays
    "a spread that is upside down": ("latency: {min: 5s, max: 1s}", "3:16: min: 5s is longer than max, 1s"),
    # what would say nothing
    "no expected region": (
        "expects: []",
        "3:10: expects: every region is meant when it is left out; name at least one, or leave it out",
    ),
    "no repository": (
        "only: {repositories: []}",
        "3:22: repositories: every one of them is meant when it is left out; name at least one, or leave it out",
    ),
    "no tag": (
        "only: {tags: []}",
        "3:14: tags: every one of them is meant when it is left out; name at least one, or leave it out",
    ),
    # headers
    **{
        f"a header of the connection: {name}": (
            f"webhooks: {{eastus: {{headers: {{{name}: x}}}}}}",
            f"3:31: headers: '{name}' belongs to the connection, not to the webhook; leave it out",
        )
        for name in ("Content-Length", "Transfer-Encoding", "host", "Connection", "Upgrade", "TE", "Expect")
    },
    "a header twice": (
        "webhooks: {eastus: {headers: {X-Team: blue, x-team: red}}}",
        "3:45: headers: 'x-team' is 'X-Team' in other letter case; write one of them",
    ),
    # regions
    "a region twice": (
        "regions: [eastus, westus, EastUS]",
        "3:27: regions: 'EastUS' is listed twice, first on line 3",
    ),
    "a region that does not exist": (
        "operations: [{home: eastsu}]",
        "3:21: no region 'eastsu'; there are northeurope, westeurope, eastus; did you mean 'eastus'?",
    ),
    "a region in a table that does not exist": (
        "replication: {mars: 3s}",
        "3:15: no region 'mars'; there are northeurope, westeurope, eastus",
    ),
    "a region twice in a table": (
        "replication: {eastus: 3s, EASTUS: 4s}",
        "3:27: 'EASTUS' is the region 'eastus', which is there already",
    ),
    "a region that a fault cannot find": (
        "operations: [{}]\nfaults: [{fault: drop, region: westeurop}]",
        "4:32: no region 'westeurop'; there are northeurope, westeurope, eastus; did you mean 'westeurope'?",
    ),
    # operations
    "a name twice": (
        "operations: [{name: build}, {name: build}]",
        "3:36: name: 'build' is already the operation on line 3; choose another",
    ),
    "a name that another has by position": (
        "operations: [{name: op2}, {}]",
        "3:27: name: 'op2', this one's name by its position, is already the operation on line 3; choose another",
    ),
    "an operation that does not exist": (
        "operations: [{name: build}]\nexpect: [{operation: biuld, outcome: completed}]",
        "4:22: no operation 'biuld'; there is build; did you mean 'build'?",
    ),
    "padding in an envelope": (
        "sender: {profile: cncf-distribution, envelope: 1s}\noperations: [{padding: 10}]",
        "4:15: padding: an envelope of several such events is longer than any body has to be accepted",
    ),
    "an operation where there are none": (
        "expect: [{operation: op1, outcome: completed}]",
        "3:22: no operation 'op1'; there are none",
    ),
    "a repetition of nothing": (
        "operations: [{image: 'team/app:{n}'}]",
        "3:22: image: {n} without repeat; say how many there are",
    ),
    "another placeholder": (
        "operations: [{id: 'push-{i}', repeat: 3}]",
        "3:19: id: '{i}' stands for nothing; there is {n}",
    ),
    "an image with its registry": (
        "operations: [{image: demo.azurecr.io/team/app:1}]",
        "3:22: image: 'demo.azurecr.io/team/app:1' names the registry; write 'team/app:1'",
    ),
    # webhooks and the scenario itself
    "a uri with another placeholder": (
        "webhooks: {eastus: {uri: '/hook?region={place}'}}",
        "3:26: uri: '{place}' stands for nothing; there is {region}",
    ),
    # expectations
    "a completion with a region missing": (
        "operations: [{}]\nexpect: [{operation: op1, outcome: completed, missing: [eastus]}]",
        "4:47: missing: completed misses no region; only timed_out does",
    ),
    "a missing region that does not exist": (
        "operations: [{}]\nexpect: [{operation: op1, outcome: timed_out, missing: [mars]}]",
        "4:57: no region 'mars'; there are northeurope, westeurope, eastus",
    ),
    "a missing region twice": (
        "operations: [{}]\nexpect: [{operation: op1, outcome: timed_out, missing: [eastus, EastUS]}]",
        "4:65: missing: 'EastUS' is listed twice",
    ),
    "an instant of nothing": (
        "operations: [{}]\nexpect: [{operation: op1, outcome: none, at: 3s}]",
        "4:42: at: the outcome none is never notified; leave it out",
    ),
    "an operation that is expected twice": (
        "operations: [{}]\nexpect:\n  - {operation: op1, outcome: completed}\n  - {operation: op1, outcome: none}",
        "6:17: operation: 'op1' is expected twice, first on line 5",
    ),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=list(WRONG))
def test_a_wrong_meaning_is_reported_where_it_stands(text: str, message: str) -> None:
    """One line: file, line, column, what was found, what is accepted, the nearest valid name."""
    with pytest.raises(ScenarioError) as caught:
        loads(HEAD + text, "example.yaml")

    assert str(caught.value) == f"example.yaml:{message}"


def test_a_title_must_say_something() -> None:
    """Blanks are nothing to read."""
    with pytest.raises(ScenarioError, match=r"2:8: title: it is blank; say in a few words what happens"):
        loads('scenario: example\ntitle: "  "\noperations: [{}]')


@pytest.mark.parametrize(
    "image",
    [
        "team/app:1.4.2",
        "app",
        "team/app",
        "a/b/c_d/e__f/g-h/i.j:Tag_1.0-rc",
        "team/app@sha256:" + "2" * 64,
        "team/app:1.4.2@sha256:" + "2" * 64,
        "team/app@",
        "charts:web-5.4.0.tgz",
        "team{n}/app:1.0.{n}",
        "localhost:1",
    ],
)
def test_an_image_is_written_as_registries_write_it(image: str) -> None:
    """Repository, tag and digest, each optional but the first; a bare @ is a push by digest."""
    scenario = loads(f"{HEAD}operations: [{{image: '{image}', repeat: 2}}]\n")

    assert scenario.operations[0].image == image


@pytest.mark.parametrize(
    "image",
    [
        "",
        "/app",
        "app/",
        "app::1",
        "-app",
        "team//app",
        "app:tag:2",
        "app:.1",
        "ap p",
        "app@sha512:00",
        "app:1@",
        "app\n",
    ],
)
def test_what_is_no_image_is_refused(image: str) -> None:
    """A misspelt image would be a payload that no registry sends."""
    with pytest.raises(ScenarioError, match=r"image: .* is not accepted"):
        loads(f"{HEAD}operations: [{{image: {json.dumps(image)}}}]\n")
