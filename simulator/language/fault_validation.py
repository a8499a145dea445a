"""What may be wrong with a fault of the right shape: above all, that it could never bite.

A fault that bites nothing makes a run prove nothing, so it is refused when that can be told without playing.
LazyRandom, scopes and instants cannot be told here; a run whose fault never bit gets the verdict unknown.
"""

from dataclasses import dataclass
from typing import assert_never

from fanin.simulator.durations import format_duration
from fanin.simulator.language.names import operation_names
from fanin.simulator.language.reader import Location
from fanin.simulator.language.scenario import (
    ClockJump,
    Crash,
    DelayBy,
    Drop,
    Duplicate,
    Fault,
    Forge,
    Malform,
    OnDelivery,
    OnSink,
    Operation,
    Pause,
    Reorder,
    Restart,
    Scenario,
    SignEarlier,
    SinkDown,
    UnknownRegion,
    Webhook,
    WrongKey,
)
from fanin.simulator.language.validation import Reading, check_delay, check_expects
from fanin.simulator.text import quoted
from fanin.simulator.wire import normalise_region

# What can be wrong with one event of an envelope while the others are sound.
WITHIN_ENVELOPE = ("not-an-object", "no-id", "empty-id", "wrong-types", "no-action", "no-target")


def check_faults(reading: Reading) -> None:
    """Report what is wrong with the faults of a scenario."""
    prey = _Prey.of(reading.scenario)
    told = all(map(reading.place.sound, ("regions", "operations", "webhooks", "actions")))
    checks = _Checks(reading, prey if told else None)
    for index, fault in enumerate(reading.scenario.faults):
        checks.fault(fault, reading.place.at("faults", index))


@dataclass(frozen=True, slots=True)
class _Prey:
    """What there is for faults to bite."""

    deliveries: frozenset[tuple[str, str]]  # (operation, normalise_region region); "" stands for any
    notifications: frozenset[str]  # operations; "" stands for any

    @classmethod
    def of(cls, scenario: Scenario) -> "_Prey":
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


class _Checks:
    """Looks at one fault after the other. ``prey`` is None while nobody can tell what there is to bite."""

    def __init__(self, reading: Reading, prey: _Prey | None) -> None:
        self._reading, self._report, self._prey = reading, reading.report, prey
        operations = reading.scenario.operations
        repeats = (operation.repeat for operation in operations)
        self._repeats = dict(zip(operation_names(operations), repeats, strict=True))

    def fault(self, fault: Fault, place: Location) -> None:
        match fault:
            case OnDelivery():
                self._on_delivery(fault, place)
            case OnSink() | SinkDown():
                self._on_sink(fault, place)
            case Crash() | Pause():
                self._crash(fault, place)
            case Restart():
                self._replica(fault.replica, place)
                check_expects(fault.expects, place.at("expects"), self._reading)
            case ClockJump():
                if (fault.forward is None) == (fault.back is None):
                    found = "neither forward nor back" if fault.back is None else "both forward and back"
                    self._report.add(place.mark, f"clock-jump: {found}; write one of them")
            case _:
                assert_never(fault)

    def _on_delivery(self, fault: OnDelivery, place: Location) -> None:
        known = self._selector(fault.region, self._repetition(fault.operation, place), place)
        if known:
            self._delivered(fault.region, fault.operation.partition("/")[0], place)
        if fault.chance == 0:
            self._report.add(place.at("chance").mark, "chance: 0 never bites; leave the fault out")
        if isinstance(fault, DelayBy):
            check_delay(fault.by, place.at("by"), self._report)
            if fault.by.fixed == 0 or fault.by.max == 0:
                self._report.add(place.at("by").mark, "by: a delay of nothing; write a longer one")
        if (
            isinstance(fault, WrongKey)
            and not self._reading.scenario.key
            and self._reading.place.sound("key")
        ):
            self._report.add(place.mark, "wrong-key: the scenario has no key to get wrong; give it a 'key'")
        if isinstance(fault, UnknownRegion) and fault.claims:
            self._unknown(fault.claims, place)
        if isinstance(fault, Forge | SignEarlier) and not self._reading.scenario.signing.secrets:
            tag = "forge" if isinstance(fault, Forge) else "sign-earlier"
            self._report.add(place.mark, f"{tag}: deliveries are not signed; give the scenario a 'signing'")
        if self._reading.scenario.sender.envelope is not None:
            self._in_envelope(fault, place)

    def _in_envelope(self, fault: OnDelivery, place: Location) -> None:
        """Whatever befalls a request befalls a whole envelope, so it can be nobody's own."""
        if not isinstance(fault, Drop | DelayBy | Duplicate | Reorder | Malform):
            message = "it befalls requests, which are shared; drop, delay, duplicate, reorder, malform do not"
            self._report.add(place.mark, f"{fault.__struct_config__.tag}: {message}")
        elif isinstance(fault, Malform) and fault.how not in WITHIN_ENVELOPE:
            message = f"how: {fault.how} breaks a whole envelope; of an event there are"
            self._report.add(place.at("how").mark, f"{message} {', '.join(WITHIN_ENVELOPE)}")

    def _unknown(self, claims: str, place: Location) -> None:
        for region in self._reading.scenario.regions:
            if normalise_region(region) == normalise_region(claims):
                message = f"as: {quoted(claims)} is one of the regions; name one that nobody expects"
                self._report.add(place.at("as").mark, message)

    def _repetition(self, name: str, place: Location) -> str:
        """The operation that ``name`` or ``name/3`` means; a repetition that there is not is reported."""
        operation, slash, number = name.partition("/")
        if not slash:
            return operation
        repeat = self._repeats.get(operation)
        wrong = not (number.isascii() and number.isdigit() and number == str(int(number)))
        if repeat is not None and (wrong or not 1 <= int(number) <= repeat or repeat == 1):
            message = f"operation: {quoted(name)} is no repetition of {quoted(operation)}"
            accepted = f"there are {operation}/1 to {operation}/{repeat}" if repeat > 1 else "it happens once"
            self._report.add(place.at("operation").mark, f"{message}; {accepted}")
        return operation

    def _selector(self, region: str, operation: str, place: Location) -> bool:
        """Whether a region and an operation exist, as far as they are given; when not, that is reported."""
        known = [self._reading.region(region, place.at("region"))] if region else []
        if operation:
            where = place.at("operation").mark
            known.append(self._reading.operations.knows(operation, where, self._report))
        return all(known)

    def _delivered(self, region: str, operation: str, place: Location) -> None:
        if self._prey is None or (operation, normalise_region(region)) in self._prey.deliveries:
            return
        of = f" of operation {quoted(operation)}" if operation else ""
        by = f" by region {quoted(region)}" if region else ""
        self._report.add(place.mark, f"nothing to bite: no webhook{of} is ever sent{by}")

    def _notified(self, operation: str, place: Location) -> None:
        if self._prey is None or operation in self._prey.notifications:
            return
        of = f" of operation {quoted(operation)}" if operation else ""
        self._report.add(place.mark, f"nothing to bite: the sink is never told{of or ' anything'}")

    def _on_sink(self, fault: OnSink | SinkDown, place: Location) -> None:
        operation = fault.operation if isinstance(fault, OnSink) else ""
        if self._selector("", operation, place):
            self._notified(operation, place)
        if fault.until is not None and fault.until <= fault.since:
            until, since = format_duration(fault.until), format_duration(fault.since)
            self._report.add(place.at("until").mark, f"until: {until} is not after since, {since}")

    def _replica(self, replica: int, place: Location) -> None:
        there = self._reading.scenario.replicas
        if replica > there:
            message = f"replica: there is no replica {replica}; there {'is' if there == 1 else 'are'} {there}"
            self._report.add(place.at("replica").mark, message)

    def _crash(self, fault: Crash | Pause, place: Location) -> None:
        kind = "crash" if isinstance(fault, Crash) else "pause"
        self._replica(fault.replica, place)
        if (fault.at is None) == (fault.step is None):
            found = "neither at nor step" if fault.at is None else "both at and step"
            self._report.add(place.mark, f"{kind}: {found}; write one of them")
            return
        known = self._selector(fault.region, fault.operation, place)
        if fault.step is None:
            for name in ("region", "operation", "nth"):
                if place.has(name):
                    self._report.add(
                        place.at(name).name, f"{name}: it narrows a step; this {kind} has an instant"
                    )
        elif fault.step in ("before-answer", "after-answer"):
            if known:
                self._delivered(fault.region, fault.operation, place)
        elif fault.region:
            message = f"region: it narrows an answer; at {fault.step} there is a notification, of no region"
            self._report.add(place.at("region").name, message)
        elif known:
            self._notified(fault.operation, place)
