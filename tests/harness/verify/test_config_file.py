"""Target files: what is read from them, and what is said about those that make no sense."""

from pathlib import Path

import pytest

from fanin.harness.dialect import NotificationDialect, ResponseDialect
from fanin.harness.verify.config import TargetConfig
from fanin.harness.verify.config_file import ScenarioError, load, loads
from fanin.harness.verify.config_validation import missing_settings

WHOLE = """
url: https://acr.example/api/ImagePush?region={region}&code={key}
key_env: ACR_KEY
headers: {x-tenant: blue}
regions: [northeurope, westeurope]
timeout: 80s
tolerance: 5s
redelivery_grace: 2m
listen: "0.0.0.0:9000"
public_url: https://sink.example/hook
max_rate: 20
capabilities: [function-keys]
seed: 7
scenarios: [slow-region, late-region]
report: report
responses: {accepted: [202, 409], refused: [400]}
notification:
  id: /data/id
  outcome: header x-outcome
  completed: [done]
  timed_out: [expired, stuck]
  tag: nothing
"""


def complaints(text: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        loads(text)
    return str(caught.value).splitlines()


def test_everything_is_read() -> None:
    """Durations as everywhere, the rest as the shape says."""
    target = loads(WHOLE)

    assert target == TargetConfig(
        url="https://acr.example/api/ImagePush?region={region}&code={key}",
        key_env="ACR_KEY",
        headers={"x-tenant": "blue"},
        regions=("northeurope", "westeurope"),
        timeout=80_000,
        tolerance=5_000,
        redelivery_grace=120_000,
        listen="0.0.0.0:9000",
        public_url="https://sink.example/hook",
        max_rate=20,
        capabilities=("function-keys",),
        seed=7,
        scenarios=("slow-region", "late-region"),
        report="report",
        responses=ResponseDialect(accepted=(202, 409), refused=(400,)),
        notification=NotificationDialect(
            id="/data/id",
            outcome="header x-outcome",
            completed=("done",),
            timed_out=("expired", "stuck"),
            tag="nothing",
        ),
    )
    assert list(missing_settings(target)) == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("regoins: [a]", "target:1:1: no field 'regoins'"),
        ("key: abc", "target:1:1: no field 'key'"),
        ("command: x\ntimeout: 80", "target:2:10: timeout: '80' has no unit; write 80s"),
        (
            "command: x\ntimeout: 2 timeouts",
            "target:2:10: timeout: '2 timeouts' is a multiple of the timeout",
        ),
        ("command: x\ntimeout: 0", "target:2:10: timeout: 0s is too short; at least 1ms"),
        ("app: nonsense", "target:1:6: app: 'nonsense' is not accepted; write module:application"),
        ("capabilities: [function-kyes]", "did you mean 'function-keys'?"),
        ("capabilities: [process]", "'process' is no choice"),
        ("lacks: [own-snik]", "did you mean 'own-sink'?"),
        ("probe: durable", "'durable' is no choice; there are durable-functions"),
        ("listen: 9000", "target:1:9: listen: YAML takes 9000 for a number"),
        ("listen: host", "'host' is not accepted; write HOST:PORT, such as 0.0.0.0:9000"),
        ("listen: 'h:70000'", "target:1:1: listen: 'h:70000' is no address; a port is from 0 to 65535"),
        ("url: https://h/x", "target:1:1: url: it names no region; write {region}"),
        ("url: 'https://h/{region}?code=sesame'", "the value of 'code' may be a secret"),
        ("headers: {x-functions-key: sesame}", "target:1:1: headers: the value of 'x-functions-key' may be"),
        ("regions: [a, ' A']", "target:1:14: regions: ' A' is not accepted"),
        ("regions: [a, A]", "target:1:1: regions: 'A' is listed twice"),
        ("app: a:b\ncommand: x", "target:2:1: command: app is given as well; a target is one of"),
        ("app: a:b\nmax_rate: 3", "target:2:1: max_rate: it has no meaning for a target given by app, only"),
        ("command: x\napp_dir: src", "target:2:1: app_dir: it has no meaning for a target given by command"),
        ("probe: durable-functions\nlisten: 'h:1'", "target:1:1: probe: it needs no sink"),
        ("responses: {accepted: [200], refused: [200]}", "200 is both accepted and refused"),
        ("responses: {accepted: [99]}", "target:1:24: accepted: 99 is too small; at least 100"),
        ("notification: {id: data/id}", "target:1:20: id: 'data/id' is not accepted; write a JSON pointer"),
        ("notification: {outcome: nothing}", "outcome: 'nothing' is not accepted"),
        ("notification: {completed: []}", "completed: the list is empty; it needs at least 1"),
        ("notification: {completed: [x], timed_out: [x]}", "'x' is both completed and timed_out"),
        ("notification: {id: nothing, tag: nothing}", "without id it must have action, repository, tag and"),
        (
            "url: 'https://h/{region}'\ncapabilities: [function-keys]",
            "target:2:1: capabilities: function-keys, but no {key} in the url or in a header",
        ),
        ("", "target:1:1: the file is empty; a target begins with app, command or url"),
        ("# nothing\n", "the file is empty"),
        ("app: a:b\n---\napp: c:d", "target:2:1: a second document begins here; a file holds one target"),
        ("- app", "target:1:1: this is no mapping; a target has the fields app, app_dir,"),
        ("app: [", "not YAML"),
    ],
)
def test_what_makes_no_sense_is_told_where_it_stands(text: str, complaint: str) -> None:
    """With the nearest name, or with what would be accepted; and no secret is quoted."""
    said = complaints(text)

    assert complaint in said[0]
    assert "sesame" not in "".join(said)


def test_all_problems_are_told_at_once() -> None:
    """In the file's order."""
    said = complaints("timeout: 80\nmax_rate: 0\nseed: -1\n")

    assert [line.split(":")[1] for line in said] == ["1", "2", "3"]


def test_files_are_read_and_those_that_cannot_be_are_named(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 have their place, too."""
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("command: node server.js\n")
    bad.write_bytes(b"command: \xff\n")

    assert load(good) == TargetConfig(command="node server.js")
    with pytest.raises(ScenarioError, match=r"bad\.yaml:1:10: byte 0xff is not UTF-8"):
        load(bad)
    with pytest.raises(ScenarioError, match=r"none\.yaml: cannot be read: No such file"):
        load(tmp_path / "none.yaml")
