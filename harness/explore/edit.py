"""Lists the parts of a scenario, and returns the scenario with one of them changed or removed.

Rules of this file: pure; generic over the types of `language.scenario`. The result may be invalid, which the
loader decides (`fanin.harness.explore.repair.accepted`). A path leads from the scenario to a part: field
names, keys and indices.
"""

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

import msgspec
from msgspec import inspect

from fanin.simulator.faults.fault import Fault
from fanin.simulator.language.field_types import FieldType, shape_of
from fanin.simulator.language.scenario import Expectation, Scenario
from fanin.simulator.shapes import Delay

type Path = tuple[str | int, ...]


class Part(NamedTuple):
    """One value in a scenario."""

    path: Path
    value: Any
    field_type: FieldType  # its type
    default: Any  # None where it has none


def parts(scenario: Scenario) -> Iterator[Part]:
    """Every value, a container before its items."""
    yield from _of_struct(scenario, ())


def _of_struct(value: msgspec.Struct, path: Path) -> Iterator[Part]:
    for field in shape_of(type(value)).fields:
        default = None if field.required else _default(field)
        part = Part((*path, field.name), getattr(value, field.name), FieldType.of(field.type), default)
        yield part
        yield from _inside(part)


def _inside(part: Part) -> Iterator[Part]:
    match part.value:
        case msgspec.Struct():
            yield from _of_struct(part.value, part.path)
        case tuple() if isinstance(part.field_type.type, inspect.VarTupleType):
            field_type = FieldType.of(part.field_type.type.item_type)
            for index, value in enumerate(part.value):
                item = Part((*part.path, index), value, field_type, None)
                yield item
                yield from _inside(item)
        case dict() if isinstance(part.field_type.type, inspect.DictType):
            field_type = FieldType.of(part.field_type.type.value_type)
            for key, value in part.value.items():
                item = Part((*part.path, key), value, field_type, None)
                yield item
                yield from _inside(item)
        case _:
            return


def _default(field: inspect.Field) -> Any:
    return field.default if field.default is not msgspec.NODEFAULT else field.default_factory()


def durations(scenario: Scenario) -> Iterator[Part]:
    """Every duration and instant."""
    return (part for part in parts(scenario) if part.field_type.duration and part.value is not None)


def delays(scenario: Scenario) -> Iterator[Part]:
    """Every delay, of whatever kind."""
    return (part for part in parts(scenario) if isinstance(part.value, Delay))


def changed[T](whole: T, path: Path, value: Any) -> T:
    """A copy with another value at a path."""
    if not path:
        return value  # type: ignore[no-any-return]
    step, rest = path[0], path[1:]
    match whole:
        case msgspec.Struct():
            return msgspec.structs.replace(
                whole, **{str(step): changed(getattr(whole, str(step)), rest, value)}
            )
        case tuple():
            index = int(step)
            return (*whole[:index], changed(whole[index], rest, value), *whole[index + 1 :])  # type: ignore[return-value]
        case dict():
            return {**whole, step: changed(whole.get(step), rest, value)}  # type: ignore[return-value]
        case _:
            raise TypeError(f"nothing is inside {whole!r}")


def without_part(scenario: Scenario, path: Path) -> Scenario:
    """The scenario without one item of a list or mapping."""
    container: Any = scenario
    for step in path[:-1]:
        inside = isinstance(container, msgspec.Struct)
        container = getattr(container, str(step)) if inside else container[step]
    last = path[-1]
    if isinstance(container, dict):
        return changed(scenario, path[:-1], {key: it for key, it in container.items() if key != last})
    return changed(scenario, path[:-1], tuple(it for n, it in enumerate(container) if n != last))


def without_operations(scenario: Scenario, gone: Collection[int]) -> Scenario:
    """The scenario without the operations at these indices, and without what refers to them."""
    kept = [it for n, it in enumerate(scenario.operations) if n not in gone]
    names = {it.name for it in kept}
    return msgspec.structs.replace(
        scenario,
        operations=tuple(kept),
        faults=tuple(it for it in scenario.faults if _operation_of(it) in names | {""}),
        expect=tuple(it for it in scenario.expect if it.operation in names),
    )


def _operation_of(fault: Fault) -> str:
    return str(getattr(fault, "operation", "")).partition("/")[0]


def without_region(scenario: Scenario, region: str) -> Scenario:
    """The scenario without a region, and without what refers to it."""
    regions = tuple(it for it in scenario.regions if it != region)
    operations = tuple(
        msgspec.structs.replace(
            it,
            reaches={name: delay for name, delay in it.reaches.items() if name != region},
            home=(regions or scenario.regions)[0] if it.home == region else it.home,
        )
        for it in scenario.operations
    )
    return msgspec.structs.replace(
        scenario,
        regions=regions,
        replication={name: delay for name, delay in scenario.replication.items() if name != region},
        webhooks={name: webhook for name, webhook in scenario.webhooks.items() if name != region},
        operations=operations,
        faults=tuple(it for it in scenario.faults if region not in it.named_regions),
        expect=tuple(_without_missing_region(it, region) for it in scenario.expect),
    )


def _without_missing_region(expectation: Expectation, region: str) -> Expectation:
    missing = tuple(it for it in expectation.missing if it != region)
    return msgspec.structs.replace(expectation, missing=missing)
