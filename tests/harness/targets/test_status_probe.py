"""A Durable Functions deployment judged by its status API, without a sink."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from fanin.harness.capabilities import Capability
from fanin.harness.cli.main import main
from fanin.harness.history import NotificationReceived, SinkResponded, encode
from fanin.harness.oracle.oracle import judge
from fanin.harness.results import Card, Judged, rule_results
from fanin.harness.targets.adapt import DeploymentConfig
from fanin.harness.targets.deployment import Deployment, DeploymentSession, UnreachableError, plan
from fanin.harness.targets.endpoint import Endpoint
from fanin.harness.targets.scale import TimeScale
from fanin.harness.targets.smoke_test import push_once
from fanin.harness.targets.status_body import Activities
from fanin.harness.verdict import Rule, Validity
from fanin.simulator.language.load import load, loads
from fanin.simulator.language.scenario import Scenario
from fanin.simulator.pack import find
from tests.harness.targets.fake_functions import SYSTEM_KEY, FakeFunctions

pytestmark = pytest.mark.real_time

REGIONS = ("northeurope", "westeurope", "eastus")
TIME_SCALE = TimeScale(
    timeout_ms=1_000, tolerance_ms=3_000, redelivery_grace_ms=200, response_timeout_ms_min=5_000, repeat_max=3
)
LIMIT_S = 30
SHOWN = ("slow-region", "late-region", "rude-traffic", "sink-hangs")
RIGHT = ("slow-region", "late-region", "dropped-region", "stampede-start", "sink-hangs")
LATE = loads("""
scenario: long-after
title: The last region reports long after the deadline
operations:
  - {image: "team/app:1", reaches: {northeurope: 0s, westeurope: 1s, eastus: 2 timeouts}}
""")


class DeploymentResult(NamedTuple):
    """The results of one deployment."""

    smoke_test: str  # what `push_once` returned
    judged: dict[str, Judged]
    skipped: dict[str, tuple[Capability, ...]]


async def judge_deployment(scenarios: Sequence[Scenario], bug: str = "", says: str = "") -> DeploymentResult:
    """Judge a fake host by its status API."""
    host = FakeFunctions(REGIONS, TIME_SCALE.timeout_ms / 1000, bug, says)
    deployment = Deployment(
        endpoint=Endpoint(f"http://127.0.0.1:{await host.start()}/api/ImagePush?region={{region}}"),
        configuration=DeploymentConfig(REGIONS, has_sink=False),
        time_scale=TIME_SCALE,
        per_second=400,
        activities=Activities(),
    )
    planned, skipped = plan(scenarios, deployment, seed=1)
    try:
        async with DeploymentSession(deployment) as session:
            smoke_test = (await push_once(session, 1)).result
            played = [each async for each in session.play_all(planned)]
    finally:
        await host.stop()
    judged = {
        each.history.run.scenario.scenario: Judged(each.history, judge(each.history)) for each in played
    }
    return DeploymentResult(smoke_test, judged, {it.name: it.lacks for it in skipped})


@pytest.fixture(scope="module")
def results() -> dict[str, DeploymentResult]:
    """Every kind of host, judged at the same time, because real time is long."""
    quick = [load(find("identical-bodies"))]

    async def all_of_them() -> dict[str, DeploymentResult]:
        return dict(
            zip(
                (
                    "right",
                    "looks-then-starts",
                    "waits-twice",
                    "rises-again",
                    "activity-fails",
                    "output",
                    "hidden",
                ),
                await asyncio.gather(
                    judge_deployment([load(find(name)) for name in RIGHT]),
                    judge_deployment([load(find("stampede-start"))], "looks-then-starts"),
                    judge_deployment(quick, "waits-twice"),
                    judge_deployment([LATE], "rises-again"),
                    judge_deployment(quick, "activity-fails"),
                    judge_deployment(quick, says="completed"),
                    judge_deployment(quick, "hides-all-but-the-first"),
                ),
                strict=True,
            )
        )

    return asyncio.run(all_of_them())


def only(result: DeploymentResult) -> Judged:
    (judged,) = result.judged.values()
    return judged


def test_a_right_orchestration_is_valid(results: dict[str, DeploymentResult]) -> None:
    """On time, late, and never; a fault of the sink needs a sink."""
    right = results["right"]

    assert {it.verdict.validity for it in right.judged.values()} == {Validity.VALID}
    assert len(right.judged) == 4
    assert right.skipped == {"sink-hangs": ("own-sink",)}
    assert right.smoke_test.endswith("and its status says 'completed'")


def test_what_cannot_be_seen_is_untested_and_never_kept(results: dict[str, DeploymentResult]) -> None:
    """The key, repetitions, and what a notification says."""
    statuses = {
        it.rule: it.status for it in rule_results(Card("fake", list(results["right"].judged.values())))
    }

    assert statuses[Rule.NOTIFICATION] == "untested"
    assert statuses[Rule.CONTENT] == "untested"
    assert statuses[Rule.OUTCOME] == "kept"
    assert statuses[Rule.DEADLINE] == "kept"


def test_a_start_that_wipes_out_another_is_found_invalid(results: dict[str, DeploymentResult]) -> None:
    """Look up, then start: what was raised in between is gone, and the instance times out without it."""
    verdict = only(results["looks-then-starts"]).verdict

    assert verdict.validity is Validity.INVALID
    assert Rule.OUTCOME in {finding.rule for finding in verdict.findings}
    assert any("though every region had counted" in finding.message for finding in verdict.findings)


def test_the_sample_of_2018_always_times_out_and_is_found_invalid(
    results: dict[str, DeploymentResult],
) -> None:
    """It waits for every region twice, so no operation ever completes."""
    verdict = only(results["waits-twice"]).verdict

    assert verdict.validity is Validity.INVALID
    assert {finding.rule for finding in verdict.findings} == {Rule.OUTCOME}
    assert "though every region had counted" in verdict.findings[0].message


def test_an_instance_that_rises_again_is_seen(results: dict[str, DeploymentResult]) -> None:
    """Its first history is gone by then; two executions had an outcome each."""
    risen = only(results["rises-again"])

    keys = {entry.key for entry in risen.history.entries if isinstance(entry, NotificationReceived)}
    assert len(keys) == 2
    assert risen.verdict.validity is Validity.INVALID


def test_a_failed_activity_has_certainly_not_notified(results: dict[str, DeploymentResult]) -> None:
    """And it is not tried again."""
    failed = only(results["activity-fails"])

    replies = [entry for entry in failed.history.entries if isinstance(entry, SinkResponded)]
    assert [(reply.status, reply.error) for reply in replies] == [(None, "reset")]
    assert failed.verdict.findings[0].rule is Rule.NOTIFICATION


def test_an_outcome_in_the_output_will_do(results: dict[str, DeploymentResult]) -> None:
    """An orchestration of another design may return it. How late it was seen is tolerated."""
    returned = only(results["output"])

    assert returned.verdict.findings == ()
    assert returned.verdict.validity is Validity.VALID
    assert returned.history.run.tolerance > TIME_SCALE.tolerance_ms


def test_a_status_that_cannot_be_read_is_the_reason_why_nothing_is_proved(
    results: dict[str, DeploymentResult],
) -> None:
    """Not that the watch was cut short: it is the host that fails, and how is said."""
    verdict = only(results["hidden"]).verdict

    assert verdict.validity is Validity.UNKNOWN
    (doubt,) = verdict.doubts
    assert doubt.endswith(": its status cannot be read: it answered 500")


def test_a_status_that_says_nothing_of_the_outcome_is_found_out_before_anything_is_judged() -> None:
    """Silence of the status is not silence of the deployment."""
    with pytest.raises(UnreachableError, match="no activity FirePushNotification, FireTimeoutNotification"):
        asyncio.run(judge_deployment([LATE], says="who knows"))


def test_the_status_uris_key_is_in_no_history(results: dict[str, DeploymentResult]) -> None:
    """It opens the whole task hub."""
    stored = b"".join(line for it in results["right"].judged.values() for line in encode(it.history))

    assert b"WaitForAllRegions" not in stored
    assert SYSTEM_KEY.encode() not in stored


@pytest.fixture
def address() -> Iterator[str]:
    """A right host, in a thread: the command line has a loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    host = FakeFunctions(REGIONS, TIME_SCALE.timeout_ms / 1000)
    port = asyncio.run_coroutine_threadsafe(host.start(), loop).result(LIMIT_S)
    yield f"http://127.0.0.1:{port}/api/ImagePush?region={{region}}"
    asyncio.run_coroutine_threadsafe(host.stop(), loop).result(LIMIT_S)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(LIMIT_S)
    loop.close()


def test_the_command_line_needs_an_address_and_no_sink(address: str) -> None:
    """What only a sink could show is named, and never counted as kept."""
    said = [
        "--regions",
        ",".join(REGIONS),
        "--timeout",
        "1s",
        "--tolerance",
        "3s",
        "--redelivery-grace",
        "1s",
        "--max-rate",
        "400",
    ]

    arguments = ["verify", "--url", address, *said, "--probe", "durable-functions", *SHOWN]
    result = CliRunner().invoke(main, arguments)

    assert result.exit_code == 0, result.output
    assert "skipped  sink-hangs               needs own-sink\n" in result.stdout
    assert "  kept     4-outcome\n" in result.stdout
    assert "  untested 7-notification         not seen: key, repetition\n" in result.stdout
    assert f"VALID  {address}: " in result.stdout
    assert SYSTEM_KEY not in result.output
