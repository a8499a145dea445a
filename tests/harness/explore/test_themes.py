"""Each theme makes scenarios that can be played, and has what it is about."""

from collections.abc import Collection

import msgspec
import pytest

from fanin.harness.capabilities import DEFAULT_CAPABILITIES, Capability
from fanin.harness.explore import themes
from fanin.harness.explore.draw import Draw
from fanin.harness.explore.generate import generate
from fanin.harness.explore.odd_names import ID_FAMILIES, IMAGE_FAMILIES, REGION_FAMILIES
from fanin.harness.explore.repair import accepted
from fanin.harness.explore.themes import KEYS, RETENTION_MS, THEMES, Theme, with_theme
from fanin.simulator.faults.aggregator import AggregatorFault
from fanin.simulator.language.scenario import Scenario
from fanin.simulator.wire import parse_image
from tests.harness.explore.scenarios import push

SEEDS = range(20)


def about(name: str, scenario: Scenario | None = None) -> list[Scenario]:
    """What a theme makes of a scenario, with several seeds."""
    change = getattr(themes, name)
    return [change(Draw(seed, "theme"), scenario or push()) for seed in SEEDS]


@pytest.mark.parametrize("theme", THEMES, ids=lambda it: it.change.__name__)
def test_every_theme_makes_scenarios_that_a_file_could_hold(
    theme: Theme, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever was drawn before, one region included."""
    monkeypatch.setattr(themes, "THEMED", 0)
    drawn_before = (msgspec.structs.replace(generate(seed), faults=()) for seed in SEEDS)
    before = [*drawn_before, push(regions=("northeurope",))]

    drawn = [theme.change(Draw(seed, "theme"), it) for seed, it in enumerate(before)]

    assert all(accepted(msgspec.structs.replace(it, faults=())) for it in drawn)
    assert sum(accepted(it) is None for it in drawn) <= 4  # a region's webhook may be disabled


def test_a_theme_that_needs_more_than_there_is_is_not_drawn() -> None:
    """An aggregator without it would be accused of that."""

    def drawn(capabilities: Collection[Capability]) -> list[Scenario]:
        return [with_theme(push(), Draw(seed, "any"), capabilities) for seed in range(100)]

    assert {it.correlation for it in drawn(DEFAULT_CAPABILITIES)} == {"event-id", "image"}
    assert {it.correlation for it in drawn(DEFAULT_CAPABILITIES - {"image-correlation"})} == {"event-id"}
    assert {it.key for it in drawn(DEFAULT_CAPABILITIES - {"function-keys"})} == {""}


def test_some_scenarios_have_no_theme() -> None:
    """What no theme foresees is drawn as well."""
    drawn = [with_theme(push(), Draw(seed, "any"), DEFAULT_CAPABILITIES) for seed in range(100)]

    assert 20 <= sum(it == push() for it in drawn) <= 60


def test_ids_of_several_families_are_in_one_scenario() -> None:
    """Two of a family at least, and no id twice."""
    for scenario in about("_alike_ids"):
        ids = [it.id for it in scenario.operations]
        assert len(set(ids)) == len(ids)
        assert any(set(family) <= set(ids) for family in ID_FAMILIES)


def test_two_ids_and_two_regions_are_one_text_when_they_are_joined() -> None:
    """By whatever is between them."""
    for scenario in about("_joined_ids"):
        joined = {
            separator: [
                f"{it.id}{separator}{region}" for it in scenario.operations for region in scenario.regions
            ]
            for separator in ("-", "_", ".", "")
        }
        assert any(len(set(texts)) < len(texts) for texts in joined.values())


def test_regions_are_of_one_family() -> None:
    """And operations reach none but them."""
    for scenario in about("_alike_regions"):
        assert any(set(scenario.regions) <= set(family) for family in REGION_FAMILIES)


def test_images_that_are_alike_differ_in_one_part_and_each_has_a_digest() -> None:
    """Without one, the registry would make one of the rest, and no two would be alike."""
    drawn = about("_alike_images")

    assert {it.correlation for it in drawn} == {"image"}
    assert all(parse_image(it.image).digest for scenario in drawn for it in scenario.operations)
    assert {it.action for scenario in drawn for it in scenario.operations} >= {"push", "quarantine"}
    assert any("no-request" in it.quirks for scenario in drawn for it in scenario.operations)
    assert all(parse_image(image).digest for family in IMAGE_FAMILIES for image in family)


def test_one_image_is_pushed_several_times() -> None:
    """Before and after the outcome of the push before."""
    drawn = about("_same_image_again")

    assert all(len({it.image for it in scenario.operations}) == 1 for scenario in drawn)
    assert all(len({it.at for it in scenario.operations}) > 1 for scenario in drawn)


def test_an_image_is_pushed_again_with_a_region_that_is_not_expected_at_first() -> None:
    """A restart with that region comes as a fault."""
    drawn = about("_same_image_with_another_region")

    assert all(len({it.image for it in scenario.operations}) == 1 for scenario in drawn)
    assert all(0 < len(scenario.expects) < len(scenario.regions) for scenario in drawn)
    assert all(set(scenario.expects) < set(scenario.regions) for scenario in drawn)
    planned = [it for it in drawn if it.faults]
    assert len(drawn) / 4 < len(planned) < len(drawn)
    for scenario in planned:
        *_, before, last = scenario.operations
        (restart,) = scenario.faults
        assert isinstance(restart, AggregatorFault)
        assert before.at < restart.at_ms < last.at
        assert set(restart.new_regions) == set(scenario.regions)


def test_payloads_are_odd_in_their_length_and_in_their_type_as_well() -> None:
    """Names that a column would cut, bodies that a framework would refuse, a charset beside the type."""
    drawn = about("_odd_payloads")
    operations = [it for scenario in drawn for it in scenario.operations]

    assert any(len(parse_image(it.image).repository) > 100 for it in operations)
    assert {0, 20_000, 200_000} <= {it.padding for it in operations}
    webhooks = [it for scenario in drawn for it in scenario.webhooks.values()]
    assert any(it.headers.get("Content-Type", "").endswith("charset=utf-8") for it in webhooks)


def test_a_key_may_have_characters_that_a_url_encodes() -> None:
    """And need not."""
    assert {it.key for it in about("_begins_with_wrong_key")} == set(KEYS)


def test_a_used_id_comes_back_at_once_and_after_the_retention() -> None:
    """Both are right then, and a new operation waits for all of its regions."""
    last = [scenario.operations[1].at for scenario in about("_used_id")]

    assert min(last) < push().timeout
    assert max(last) > RETENTION_MS


def test_copies_come_days_later_and_within_the_retention() -> None:
    """As long as an outcome must be remembered at least."""
    after = [max(fault.after) for it in about("_remembered") for fault in it.faults]  # type: ignore[attr-defined]

    assert max(after) < RETENTION_MS + push().timeout
    assert min(after) > RETENTION_MS - 2 * 86_400_000


@pytest.mark.parametrize("name", ["_begins_refused", "_begins_with_wrong_key"])
def test_the_first_webhook_of_an_operation_never_counts(name: str) -> None:
    """Its fault is the last of the scenario, and the others come seconds later."""
    for scenario in about(name):
        (fault,) = scenario.faults
        operation = scenario.operations[-1]
        assert fault.never_succeeds(scenario.timeout)  # type: ignore[attr-defined]
        assert fault.named_regions == (operation.home,)
        delays = {region: delay.fixed or 0 for region, delay in operation.reaches.items() if delay}
        assert delays.pop(operation.home) == 0
        assert min(delays.values()) >= 2_000


def test_payloads_of_every_kind_are_drawn() -> None:
    """Charts, deletes, pushes by digest, and what is optional left out."""
    operations = [it for scenario in about("_odd_payloads") for it in scenario.operations]

    assert {it.action for it in operations} >= {"push", "chart_push", "delete", "quarantine"}
    assert any(it.image.endswith("@") for it in operations)
    assert {quirk for it in operations for quirk in it.quirks} >= {"no-request", "no-media-type", "empty-tag"}


def test_a_crowd_waits_at_the_sink_and_others_do_not() -> None:
    """More of them than a small pool of workers has."""
    for scenario in about("_crowd_at_the_sink"):
        (fault,) = scenario.faults
        assert fault.about == "crowd"  # type: ignore[attr-defined]
        assert scenario.operations[0].repeat > 8
        assert scenario.operations[1].name == "others"


def test_the_sink_fails_for_an_hour_with_every_status() -> None:
    """Of the operation that is decided soon."""
    faults = [fault for scenario in about("_sink_fails_for_an_hour") for fault in scenario.faults]

    assert min(fault.ends_ms for fault in faults) >= 3_600_000
    assert len({fault.tag for fault in faults}) > 1


def test_the_aggregator_is_down_when_the_deadline_passes() -> None:
    """It crashed at the outcome, before or after that was reported."""
    faults = [fault for scenario in about("_down_over_the_deadline") for fault in scenario.faults]

    assert {fault.trigger.step for fault in faults} == {"before-notify", "after-notify", "after-response"}  # type: ignore[attr-defined]
    assert max(fault.away_ms for fault in faults) > push().timeout  # type: ignore[attr-defined]
