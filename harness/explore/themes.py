"""What a random scenario is about: a few features that belong together, and tell nothing one at a time.

A feature that is drawn once in a hundred scenarios meets another such feature once in ten thousand. So most
scenarios have a theme, which draws its features with certainty and leaves all others as they were drawn.

Rules of this file: pure; every number comes from the `Draw` that is passed in. A theme changes a scenario
that has no faults yet; those that it adds may turn out to take no effect, and are left out then.
"""

from collections.abc import Callable, Collection, Sequence
from itertools import accumulate
from typing import NamedTuple, get_args

import msgspec

from fanin.harness.capabilities import Capability
from fanin.harness.explore.draw import Draw
from fanin.harness.explore.faults import DAY, HOUR, SECOND, SINK_FAULT_MS_MAX, TRIES, longest_outage_ms
from fanin.harness.explore.odd_names import (
    ID_FAMILIES,
    IMAGE_FAMILIES,
    JOINED_IDS,
    REGION_FAMILIES,
    SEPARATORS,
)
from fanin.harness.explore.operations import draw_gap, draw_operations, draw_single_operations
from fanin.simulator.faults.aggregator import kill, reconfigure
from fanin.simulator.faults.delivery import DeliveryFault, Selection
from fanin.simulator.faults.fault import Fault
from fanin.simulator.faults.registry import kinds
from fanin.simulator.faults.sink import SinkFault, SinkWindow
from fanin.simulator.faults.step import Step, StepTrigger
from fanin.simulator.faults.transport import copies
from fanin.simulator.language.scenario import Operation, Scenario, Webhook
from fanin.simulator.shapes import Delay
from fanin.simulator.wire import Action, Quirk

THEMED = 0.6  # of all scenarios
# Of some a URL encodes characters, and bcrypt compares the first 72 bytes alone.
KEYS = ("open-sesame", "Open+sesame/4Q==", "Open+sesame/4Q==" * 5)
# An outcome is remembered for so long; a used id may be used again after that.
RETENTION_MS = 7 * DAY
_DIGEST = f"sha256:{'0' * 63}"
_CROWD = range(9, 13)  # more than a pool of eight workers holds
_LONG_IMAGE = f"team/{'long-' * 24}app:{'1.' * 60}0"  # within what the registry allows
_PADDINGS = (0, 0, 0, 0, 0, 0, 20_000, 200_000)  # characters; frameworks limit bodies to 16 or 100 KiB
_WITH_CHARSET = "application/json; charset=utf-8"


class Theme(NamedTuple):
    """A way to change a scenario, and how often that is drawn compared with others."""

    change: Callable[[Draw, Scenario], Scenario]
    weight: int = 1
    needs: tuple[Capability, ...] = ()


def with_theme(scenario: Scenario, draw: Draw, capabilities: Collection[Capability]) -> Scenario:
    """The scenario with a theme that needs no other capabilities, or as it is."""
    if not draw.chance(THEMED):
        return scenario
    possible = [theme for theme in THEMES if set(theme.needs) <= set(capabilities)]
    theme = draw.choice([theme for theme in possible for _ in range(theme.weight)])
    return theme.change(draw, scenario)


# --- names ---


def _alike_ids(draw: Draw, scenario: Scenario) -> Scenario:
    """Ids that are easily taken for one another."""
    families = draw.sample(ID_FAMILIES, draw.choice((1, 2, 3)))
    names = tuple(dict.fromkeys(name for family in families for name in family))
    return _by_id(scenario, _with_ids(draw, scenario, draw.sample(names, len(names))))


def _joined_ids(draw: Draw, scenario: Scenario) -> Scenario:
    """Ids and regions that are the same text once they are joined: push-east of us, push of east-us."""
    separator = draw.choice(SEPARATORS)
    region = draw.choice(("us", "eu2", "1"))
    other = draw.choice(("asia", "north"))
    regions = draw.sample((region, f"east{separator}{region}", other), 3)
    about = _with_regions(draw, scenario, regions)
    ids = tuple(name.replace("-", separator) for name in draw.choice(JOINED_IDS))
    return _by_id(about, _with_ids(draw, about, draw.sample(ids, len(ids))))


def _alike_regions(draw: Draw, scenario: Scenario) -> Scenario:
    """Regions that are easily taken for one another, of which most operations lack one."""
    family = draw.choice(REGION_FAMILIES)
    about = _with_regions(draw, scenario, draw.sample(family, draw.choice(range(2, len(family) + 1))))
    if draw.chance(1 / 2):
        return about
    return _with_operations(about, _singles(draw, about, draw.choice((1, 2, 3))))


def _alike_images(draw: Draw, scenario: Scenario) -> Scenario:
    """Images that differ in one part of the key, in the action, or in whether there is a host."""
    family = draw.choice(IMAGE_FAMILIES)
    images = list(draw.sample(family, draw.choice(range(2, len(family) + 1))))
    drawn = _singles(draw, scenario, len(images))
    found = [
        msgspec.structs.replace(it, image=image, action="push", quirks=_without(it.quirks, "no-request"))
        for it, image in zip(drawn, images, strict=True)
    ]
    twin = msgspec.structs.replace(found[0], name=f"op{len(found) + 1}", reaches=found[-1].reaches)
    match draw.choice(("host", "action", "")):
        case "host":
            found.append(msgspec.structs.replace(twin, quirks=("no-request",)))
        case "action":
            found.append(msgspec.structs.replace(twin, action=draw.choice(("quarantine", "chart_push"))))
    return msgspec.structs.replace(_with_operations(scenario, found), correlation="image")


def _without(quirks: Sequence[Quirk], gone: Quirk) -> tuple[Quirk, ...]:
    return tuple(quirk for quirk in quirks if quirk != gone)


# --- again ---


def _same_image_again(draw: Draw, scenario: Scenario) -> Scenario:
    """An image that is pushed again, before or after the outcome, with a region that may be late."""
    timeout = scenario.timeout
    many = draw.choice((2, 3, 4))
    gaps = [draw.choice((SECOND, timeout // 2, timeout + SECOND, 3 * timeout)) for _ in range(many - 1)]
    image = f"team/app:1.4.2@{_DIGEST}1"
    drawn = [
        msgspec.structs.replace(
            it, image=image, at=at, action="push", quirks=(), reaches=_some_late(it, draw, scenario)
        )
        for it, at in zip(_singles(draw, scenario, many), accumulate(gaps, initial=0), strict=True)
    ]
    return msgspec.structs.replace(_with_operations(scenario, drawn), correlation="image")


def _same_image_with_another_region(draw: Draw, scenario: Scenario) -> Scenario:
    """An image that is pushed again when a region more is expected than before."""
    first, *others = draw.sample(scenario.regions, len(scenario.regions))
    again = _same_image_again(draw, scenario)
    if not others:
        return again
    again = msgspec.structs.replace(again, expects=(first, *others[1:]))
    if draw.chance(1 / 2):
        return again  # a restart may come as any other fault does
    *_, before, last = again.operations
    between = draw.duration(before.at + 1, last.at - 1)
    return _with_fault(again, reconfigure(between, scenario.regions))


def _some_late(operation: Operation, draw: Draw, scenario: Scenario) -> dict[str, Delay | None]:
    if draw.chance(1 / 2):
        return {region: Delay(fixed=draw.duration(0, 2 * SECOND)) for region in scenario.regions}
    late = Delay(fixed=scenario.timeout + draw.duration(SECOND, scenario.timeout + SECOND))
    return {**operation.reaches, draw.choice(scenario.regions): late}


def _used_id(draw: Draw, scenario: Scenario) -> Scenario:
    """An id that was used before: at once, after the outcome, or when it may have been forgotten."""
    timeout, many = scenario.timeout, draw.choice((2, 3))
    forgotten = RETENTION_MS + timeout + draw.duration(SECOND, DAY)
    apart = draw.choice((draw_gap(draw, timeout), timeout, forgotten, forgotten))
    return _by_id(scenario, _with_ids(draw, scenario, ("again",) * many, apart))


def _remembered(draw: Draw, scenario: Scenario) -> Scenario:
    """Copies that come days after an outcome, and well within the retention."""
    operation = draw.choice(scenario.operations)
    days = [scenario.timeout + draw.duration(HOUR, RETENTION_MS - HOUR) for _ in range(draw.choice((1, 2)))]
    latest = scenario.timeout + RETENTION_MS - draw.duration(HOUR, DAY)
    after = tuple(sorted({*days, latest}))
    region = draw.choice(scenario.regions)
    return _with_fault(scenario, copies(region, operation.name, after))


# --- what is refused ---


def _begins_refused(draw: Draw, scenario: Scenario) -> Scenario:
    """An operation whose first webhook is invalid: it counts neither for the set nor for the deadline."""
    return _with_first_refused(draw, scenario, lambda kind: not kind.requires)


def _begins_with_wrong_key(draw: Draw, scenario: Scenario) -> Scenario:
    keyed = msgspec.structs.replace(scenario, key=draw.choice(KEYS))
    return _with_first_refused(draw, keyed, lambda kind: kind.requires == ("function-keys",))


def _with_first_refused(
    draw: Draw, scenario: Scenario, suits: Callable[[type[DeliveryFault]], bool]
) -> Scenario:
    """With an operation of which one region's webhook comes first, and never counts."""
    first, timeout = draw.choice(scenario.regions), scenario.timeout
    reaches: dict[str, Delay | None] = {
        region: Delay(fixed=draw.duration(2 * SECOND, timeout + 4 * SECOND)) for region in scenario.regions
    }
    about = msgspec.structs.replace(
        _singles(draw, scenario, 1)[0],
        name="refused", action="push", home=first, reaches={**reaches, first: Delay(fixed=0)},
    )  # fmt: skip
    suitable = list(filter(suits, kinds(DeliveryFault)))
    selection = Selection(first, about.name, 1.0)
    drawn = (draw.choice(suitable).draw(draw, selection, timeout) for _ in range(TRIES * len(suitable)))
    refused = next((it for it in drawn if it.never_succeeds(timeout)), None)
    if refused is None:
        return scenario
    return _with_fault(_with_operations(scenario, (*scenario.operations[:1], about)), refused)


def _odd_payloads(draw: Draw, scenario: Scenario) -> Scenario:
    """Every action, pushes without a tag, long names and bodies, and what may lack or come besides."""
    images = ("team/app@", "team/app:1.4.2", "charts:web-5.4.0.tgz", "charts/web:5.4.0", _LONG_IMAGE)
    drawn = [
        msgspec.structs.replace(
            it,
            image=draw.choice(images),
            action=draw.choice(("push", "push", *get_args(Action))),
            quirks=draw.sample(get_args(Quirk), draw.choice((0, 1, 2, 3))),
            padding=draw.choice(_PADDINGS),
        )
        for it in _singles(draw, scenario, draw.choice((2, 3, 4)))
    ]
    with_charset = {draw.choice(scenario.regions): Webhook(headers={"Content-Type": _WITH_CHARSET})}
    webhooks = scenario.webhooks if draw.chance(2 / 3) else {**scenario.webhooks, **with_charset}
    return msgspec.structs.replace(_with_operations(scenario, drawn), webhooks=webhooks)


# --- the sink, and outages ---


def _crowd_at_the_sink(draw: Draw, scenario: Scenario) -> Scenario:
    """Many notifications that the sink holds up, and a few others, which must not wait for them."""
    scenario = _with_regions(draw, scenario, scenario.regions[:2])
    soon, home = _soon(draw, scenario), scenario.regions[0]
    crowd = Operation(
        image="team/crowd:1.0.{n}", name="crowd", home=home, reaches=soon, repeat=draw.choice(_CROWD),
        every=draw.duration(0, 20),
    )  # fmt: skip
    others = Operation(
        image="team/app:1.0.{n}", name="others", at=draw.duration(SECOND, 5 * SECOND), home=home,
        reaches=soon, repeat=draw.choice((2, 3)), every=SECOND,
    )  # fmt: skip
    until = draw.duration(2 * SECOND, 30 * SECOND)
    about = _with_operations(scenario, (crowd, others))
    return _with_fault(about, _at_the_sink(draw, SinkWindow(0, until, crowd.name, until)))


def _sink_fails_for_an_hour(draw: Draw, scenario: Scenario) -> Scenario:
    """The sink takes nothing of what is decided soon, for an hour to an hour and a half."""
    about = msgspec.structs.replace(
        _singles(draw, scenario, 1)[0], name="refused", action="push", reaches=_soon(draw, scenario)
    )
    others = draw_operations(draw, scenario.regions, scenario.timeout)[:1]
    until = draw.duration(HOUR, SINK_FAULT_MS_MAX)
    fault = _at_the_sink(draw, SinkWindow(0, until, about.name, until))
    return _with_fault(_with_operations(scenario, (*others, about)), fault)


def _soon(draw: Draw, scenario: Scenario) -> dict[str, Delay | None]:
    return {region: Delay(fixed=draw.duration(0, SECOND)) for region in scenario.regions}


def _at_the_sink(draw: Draw, window: SinkWindow) -> SinkFault:
    """A fault that holds up the notifications of one operation, and can be seen."""
    drawn = (kind.draw(draw, window) for kind in draw.sample(kinds(SinkFault), len(kinds(SinkFault))))
    return next(it for it in drawn if it.about and it.delays_notifications)


def _down_over_the_deadline(draw: Draw, scenario: Scenario) -> Scenario:
    """A crash at an outcome that is not reported yet, and the deadline passes before the next start."""
    timeout = min(scenario.timeout, longest_outage_ms(scenario) // 2)
    reaches: dict[str, Delay | None] = {
        region: Delay(fixed=draw.duration(0, max(1, timeout - SECOND))) for region in scenario.regions
    }
    about = msgspec.structs.replace(
        _singles(draw, scenario, 1)[0], name="decided", action="push", reaches=reaches
    )
    steps: Sequence[Step] = ("before-notify", "before-notify", "after-notify", "after-response")
    step = StepTrigger(draw.choice(steps), operation=about.name)
    if step.step == "after-response":
        step = step._replace(nth=len(scenario.regions))
    down_for = draw.choice((timeout + SECOND, draw.duration(1, 2 * timeout)))
    changed = msgspec.structs.replace(_with_operations(scenario, (about,)), timeout=timeout)
    return _with_fault(changed, kill(step, down_for=down_for))


# --- parts of scenarios ---


def _singles(draw: Draw, scenario: Scenario, many: int, apart: int | None = None) -> list[Operation]:
    gap = draw_gap(draw, scenario.timeout) if apart is None else apart
    return draw_single_operations(draw, many, gap, scenario.regions, scenario.timeout)


def _with_ids(
    draw: Draw, scenario: Scenario, ids: Sequence[str], apart: int | None = None
) -> Sequence[Operation]:
    """Operations with these ids."""
    drawn = _singles(draw, scenario, len(ids), apart)
    return [msgspec.structs.replace(it, id=each) for it, each in zip(drawn, ids, strict=True)]


def _by_id(scenario: Scenario, operations: Sequence[Operation]) -> Scenario:
    """With these operations, which their ids tell apart."""
    return msgspec.structs.replace(_with_operations(scenario, operations), correlation="event-id", ids="same")


def _with_operations(scenario: Scenario, operations: Sequence[Operation]) -> Scenario:
    return msgspec.structs.replace(scenario, operations=tuple(operations))


def _with_regions(draw: Draw, scenario: Scenario, regions: tuple[str, ...]) -> Scenario:
    """With other regions, and operations that reach them."""
    return msgspec.structs.replace(
        scenario,
        regions=regions,
        expects=(),
        replication={region: draw.delay(scenario.timeout) for region in regions if draw.chance(0.3)},
        webhooks={},
        operations=draw_operations(draw, regions, scenario.timeout),
    )


def _with_fault(scenario: Scenario, fault: Fault) -> Scenario:
    return msgspec.structs.replace(scenario, faults=(*scenario.faults, fault))


THEMES: Sequence[Theme] = (
    Theme(_alike_ids, 4),
    Theme(_joined_ids),
    Theme(_alike_regions, 3),
    Theme(_alike_images, 4, ("image-correlation",)),
    Theme(_same_image_again, 3, ("image-correlation",)),
    Theme(_same_image_with_another_region, 2, ("image-correlation", "reconfiguration")),
    Theme(_used_id, 3),
    Theme(_remembered, 2),
    Theme(_begins_refused, 3),
    Theme(_begins_with_wrong_key, 2, ("function-keys",)),
    Theme(_odd_payloads, 2),
    Theme(_crowd_at_the_sink, 2),
    Theme(_sink_fails_for_an_hour, 2),
    Theme(_down_over_the_deadline, 2, ("process",)),
)
