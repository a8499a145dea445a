"""Answers what faults ask when they are checked: what the scenario holds, and what they could take effect on.

What may be wrong with a fault is its own matter (`simulator.faults.fault.Fault.check`); here is what it may
ask about the scenario, and where in the file a problem stands.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Self

from fanin.simulator.language.names import operation_names
from fanin.simulator.language.reader import Location
from fanin.simulator.language.scenario import Operation, Scenario, Webhook
from fanin.simulator.language.validation import (
    ValidationContext,
    check_delay,
    check_not_empty,
    check_region_list,
)
from fanin.simulator.shapes import Delay
from fanin.simulator.text import quoted
from fanin.simulator.wire import normalise_region


def check_faults(context: ValidationContext) -> None:
    """Report what is wrong with the faults of a scenario."""
    scenario = context.scenario
    possible = _Possible.of(scenario)
    repeats = (operation.repeat for operation in scenario.operations)
    by_name = dict(zip(operation_names(scenario.operations), repeats, strict=True))
    for index, fault in enumerate(scenario.faults):
        fault.check(FaultValidation(context, context.location.at("faults", index), possible, by_name))


@dataclass(frozen=True, slots=True)
class _Possible:
    """What there is for faults to take effect on."""

    deliveries: frozenset[tuple[str, str]]  # (operation, normalised region); "" stands for any
    notifications: frozenset[str]  # operations; "" stands for any

    @classmethod
    def of(cls, scenario: Scenario) -> Self:
        webhooks = {normalise_region(region): webhook for region, webhook in scenario.webhooks.items()}
        regions = [normalise_region(region) for region in scenario.regions]
        deliveries: set[tuple[str, str]] = set()
        notifications: set[str] = set()
        for operation, name in zip(scenario.operations, operation_names(scenario.operations), strict=True):
            # A ping asks for no subscription and no replication.
            never = {normalise_region(region) for region, delay in operation.reaches.items() if delay is None}
            for region in regions:
                webhook = webhooks.get(region, Webhook())
                if operation.action == "ping" or (region not in never and _wants(webhook, operation)):
                    deliveries |= {(name, region), (name, ""), ("", region), ("", "")}
            if (name, "") in deliveries and operation.action in scenario.actions:
                notifications |= {name, ""}
        return cls(frozenset(deliveries), frozenset(notifications))


def _wants(webhook: Webhook, operation: Operation) -> bool:
    """Whether the webhook is sent for the operation, if its scope allows."""
    return webhook.status == "enabled" and operation.action in webhook.actions


class FaultValidation:
    """What one fault may ask, and where its problems go: a `simulator.faults.fault.FaultChecks`."""

    def __init__(
        self,
        context: ValidationContext,
        location: Location,
        possible: _Possible,
        repeats: Mapping[str, int],  # by the operation's name
    ) -> None:
        self._context, self._location = context, location
        self._possible, self._repeats = possible, repeats

    @property
    def key(self) -> str:
        return self._context.scenario.key

    @property
    def is_signed(self) -> bool:
        return bool(self._context.scenario.signing.secrets)

    @property
    def in_envelopes(self) -> bool:
        return self._context.scenario.sender.envelope is not None

    def problem(self, message: str, field: str = "") -> None:
        location = self._location.at(field) if field else self._location
        self._context.report.add(location.mark, message)

    def unfit(self, message: str, field: str) -> None:
        self._context.report.add(self._location.at(field).name, message)

    def gives(self, field: str) -> bool:
        return self._location.has(field)

    def selects(self, region: str, operation: str) -> bool:
        context, location = self._context, self._location
        known = [context.check_region(region, location.at("region"))] if region else []
        if operation:
            where = location.at("operation").mark
            known.append(context.operations.check(operation, where, context.report))
        return all(known)

    def operation_of(self, name: str) -> str:
        operation, slash, number = name.partition("/")
        if not slash:
            return operation
        repeat = self._repeats.get(operation)
        wrong = not (number.isascii() and number.isdigit() and number == str(int(number)))
        if repeat is not None and (wrong or not 1 <= int(number) <= repeat or repeat == 1):
            message = f"operation: {quoted(name)} is no repetition of {quoted(operation)}"
            accepted = f"there are {operation}/1 to {operation}/{repeat}" if repeat > 1 else "it happens once"
            self.problem(f"{message}; {accepted}", "operation")
        return operation

    def sends(self, region: str, operation: str) -> None:
        if (operation, normalise_region(region)) in self._possible.deliveries:
            return
        of = f" of operation {quoted(operation)}" if operation else ""
        by = f" by region {quoted(region)}" if region else ""
        self.problem(f"it never takes effect: no webhook{of} is ever sent{by}")

    def notifies(self, operation: str) -> None:
        if operation in self._possible.notifications:
            return
        of = f" of operation {quoted(operation)}" if operation else ""
        self.problem(f"it never takes effect: the sink is never notified{of or ' of anything'}")

    def is_region(self, name: str) -> bool:
        return self._context.regions.has(normalise_region(name))

    def delay(self, delay: Delay, field: str) -> None:
        check_delay(delay, self._location.at(field), self._context.report)

    def regions(self, names: Collection[str], field: str) -> None:
        if self._location.has(field):
            what = f"{field}: the same as before"
            check_not_empty(names, self._location.at(field), self._context.report, what)
        check_region_list(names, self._location.at(field), self._context, field=field)

    def replica(self, number: int, field: str) -> None:
        there = self._context.scenario.replicas
        if number > there:
            are = "is" if there == 1 else "are"
            self.problem(f"{field}: there is no replica {number}; there {are} {there}", field)
