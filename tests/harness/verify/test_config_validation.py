"""Contradictions in the configuration of a target, and what is missing from it."""

import pytest

from fanin.harness.dialect import NotificationDialect, ResponseDialect
from fanin.harness.verify.config import TargetConfig
from fanin.harness.verify.config_file import ScenarioError, loads
from fanin.harness.verify.config_validation import (
    missing_settings,
    parse_address,
    problems,
    target_kind,
    with_options,
)

DEPLOYMENT = TargetConfig(
    url="https://h/{region}?code={key}",
    regions=("eastus", "westus"),
    timeout=80_000,
    redelivery_grace=120_000,
    listen="0.0.0.0:9000",
    public_url="https://sink.example/",
    key_env="KEY",
    max_rate=20,
    capabilities=("function-keys", "envelopes"),
    seed=7,
    scenarios=("slow-region",),
    report="report",
    responses=ResponseDialect(accepted=(409,)),
    notification=NotificationDialect(tag="nothing"),
)


def test_the_command_line_wins_field_by_field() -> None:
    """What it does not say stays as the file has it."""
    target = with_options(DEPLOYMENT, {"timeout": 5_000, "regions": ("a",), "seed": 1})

    assert (target.timeout, target.regions, target.seed) == (5_000, ("a",), 1)
    assert target.redelivery_grace == 120_000
    assert list(problems(target)) == []


def test_what_the_command_line_says_of_a_capability_wins() -> None:
    """The file has it and the command line lacks it, or the other way round."""
    has = TargetConfig(app="a:b", capabilities=("replicas", "signatures"))
    lacks = TargetConfig(app="a:b", lacks=("replicas",))

    assert with_options(has, {"lacks": ("replicas",)}).capabilities == ("signatures",)
    assert with_options(lacks, {"capabilities": ("replicas",)}).lacks == ()


def test_another_kind_of_target_keeps_only_what_has_a_meaning_for_it() -> None:
    """The file's dialect is still the aggregator's; its address, its rate and its key are not."""
    target = with_options(DEPLOYMENT, {"command": "node server.js"})

    assert target == TargetConfig(
        command="node server.js",
        timeout=80_000,
        redelivery_grace=120_000,
        capabilities=("envelopes",),
        seed=7,
        scenarios=("slow-region",),
        report="report",
        responses=DEPLOYMENT.responses,
        notification=DEPLOYMENT.notification,
    )
    assert list(problems(target)) == []


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        (TargetConfig(), None),
        (TargetConfig(app="a:b"), "app"),
        (TargetConfig(command="x"), "command"),
        (DEPLOYMENT, "url"),
    ],
)
def test_the_kind_is_the_field_that_is_given(target: TargetConfig, kind: str | None) -> None:
    """Or none yet: a file may leave it to the command line."""
    assert target_kind(target) == kind


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        (TargetConfig(), "say what to judge: --app"),
        (TargetConfig(url="https://h/{region}", timeout=1, listen="h:1"), "say which regions"),
        (TargetConfig(url="https://h/{region}", regions=("a",), listen="h:1"), "say which timeout"),
        (
            TargetConfig(url="https://h/{region}", regions=("a",), timeout=1),
            "say where the deployment's notifica",
        ),
    ],
)
def test_what_must_be_known_and_is_not_given_is_asked_for(target: TargetConfig, sentence: str) -> None:
    """A file alone may lack it; the command line may add it."""
    (said,) = missing_settings(target)

    assert said.startswith(sentence)


def test_nothing_is_asked_for_when_all_is_there() -> None:
    """A probe stands for the address of a sink."""
    probed = TargetConfig(url="https://h/{region}", regions=("a",), timeout=1, probe="durable-functions")

    assert list(missing_settings(DEPLOYMENT)) == []
    assert list(missing_settings(probed)) == []
    assert list(missing_settings(TargetConfig(command="x"))) == []


@pytest.mark.parametrize(
    ("target", "field", "message"),
    [
        (TargetConfig(app="a:b", url="https://h/{region}"), "url", "app is given as well"),
        (
            TargetConfig(command="x", app_dir="src"),
            "app_dir",
            "it has no meaning for a target given by command",
        ),
        (TargetConfig(url="https://h/x"), "url", "it names no region"),
        (
            TargetConfig(app="a:b", capabilities=("replicas",), lacks=("replicas",)),
            "lacks",
            "replicas is among its capabilities as well; it has it or lacks it",
        ),
        (TargetConfig(headers={"x-api-key": "sesame"}), "headers", "may be a secret"),
        (TargetConfig(regions=("a", "A")), "regions", "'A' is listed twice; letter case does not count"),
        (TargetConfig(listen="h:70000"), "listen", "a port is from 0 to 65535"),
        (
            TargetConfig(probe="durable-functions", listen="h:1"),
            "probe",
            "it needs no sink; leave out listen and public_url, or the probe",
        ),
        (
            TargetConfig(url="https://h/{region}", capabilities=("function-keys",)),
            "capabilities",
            "function-keys, but no {key} in the url or in a header",
        ),
        (
            TargetConfig(responses=ResponseDialect(accepted=(200,), busy=(200,))),
            "responses",
            "200 is both accepted and busy; it can be one",
        ),
        (
            TargetConfig(notification=NotificationDialect(completed=("x",), timed_out=("x",))),
            "notification",
            "'x' is both completed and timed_out; it can be one",
        ),
        (
            TargetConfig(notification=NotificationDialect(id="nothing", digest="nothing")),
            "notification",
            "otherwise its operation cannot be found",
        ),
    ],
)
def test_a_contradiction_is_named_with_its_field(target: TargetConfig, field: str, message: str) -> None:
    """So that a file can say the line, and the command line the option."""
    (problem,) = problems(target)

    assert problem.field == field
    assert message in problem.message
    assert "sesame" not in problem.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "command: x\ncapabilities: [stepping-clock]",
            "'stepping-clock' cannot be declared for a target given by command; there are replicas,",
        ),
        (
            "app: a:b\ncapabilities: [function-keys]",
            "'function-keys' cannot be declared for a target given by app; there are replicas,",
        ),
        (
            "url: 'https://h/{region}'\ncapabilities: [replicas]",
            "'replicas' cannot be declared for a target given by url; there are image-correlation,",
        ),
    ],
)
def test_what_a_kind_of_target_cannot_have_is_refused(text: str, message: str) -> None:
    """Its scenarios would be skipped for ever, without a reason."""
    with pytest.raises(ScenarioError) as caught:
        loads(text)

    assert message in str(caught.value)


def test_a_target_file_may_declare_them() -> None:
    """As the command line does."""
    assert loads("app: a:b\ncapabilities: [replicas, stepping-clock]").capabilities == (
        "replicas",
        "stepping-clock",
    )


@pytest.mark.parametrize(
    ("text", "address"),
    [("0.0.0.0:9000", ("0.0.0.0", 9000)), ("[::1]:80", ("::1", 80)), ("sink.local:0", ("sink.local", 0))],  # noqa: S104 - an example
)
def test_addresses_are_a_host_and_a_port(text: str, address: tuple[str, int]) -> None:
    """IPv6 in brackets."""
    assert parse_address(text) == address
    assert loads(f"listen: '{text}'").listen == text


def test_a_port_beyond_all_ports_is_no_address() -> None:
    """The message has the limit."""
    with pytest.raises(ValueError, match="'h:65536' is no address; a port is from 0 to 65535"):
        parse_address("h:65536")


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"listen": "0.0.0.0:9000"}, "each scenario of a command has a sink of its own; write port 0"),
        ({"public_url": "http://me/"}, "it has no {port}, and each sink has its own"),
    ],
)
def test_the_sinks_of_a_command_have_a_port_each(fields: dict[str, str], complaint: str) -> None:
    """Scenarios play at the same time."""
    (problem,) = problems(TargetConfig(command="run", **fields))  # type: ignore[arg-type]

    assert complaint in problem.message
