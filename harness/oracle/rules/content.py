"""Clauses 2 and 9: a notification says what its operation was, and which regions arrived and are missing."""

from collections.abc import Iterator

from fanin.harness.history import RegistryEvent
from fanin.harness.oracle.bounds import FOREVER
from fanin.harness.oracle.evidence import Post, fold
from fanin.harness.oracle.generations import Generation
from fanin.harness.oracle.notification_body import instant_ms
from fanin.harness.oracle.text import clock, listing, quoted
from fanin.harness.oracle.violation import Charge, Hearing
from fanin.harness.verdict import Rule


def check(hearing: Hearing) -> Iterator[Charge]:
    """Judge each operation's first notification; those that differ from it are wrong already."""
    for generation in hearing.generations:
        if generation.posts:
            told = generation.posts[0]
            if strangers := _strangers(hearing, told):
                yield _charge(
                    hearing,
                    generation,
                    Rule.EXPECTED_REGIONS,
                    f"names {listing(strangers)}, which nobody expects",
                    looks_like="B32",
                )
            complaints = [*_image(hearing, told), *_regions(hearing, told), *_deadline(hearing, generation)]
            if complaints:
                yield _charge(hearing, generation, Rule.CONTENT, "; ".join(complaints))


def _charge(
    hearing: Hearing, generation: Generation, rule: Rule, complaint: str, looks_like: str = ""
) -> Charge:
    told = generation.posts[0]
    return hearing.charge(
        rule,
        "a wrong notification",
        f"was told at {clock(told.at)} with a body that {complaint}",
        records=[told.index],
        told=told,
        bounds=generation.bounds,
        looks_like=looks_like,
    )


def _strangers(hearing: Hearing, told: Post) -> list[str]:
    expected = {fold(region) for region in hearing.scenario.regions}
    named = {*(told.notice.arrived or ()), *(told.notice.missing or ())}
    return sorted(named - expected)


def _image(hearing: Hearing, told: Post) -> list[str]:
    """What it says of the image, compared with the occurrence that it fits best: one key may have several."""
    candidates = [_differences(hearing, told, occurred) for occurred in hearing.case.occurrences]
    return min(candidates, key=len)


def _differences(hearing: Hearing, told: Post, occurred: RegistryEvent) -> list[str]:
    notice, unobservable = told.notice, hearing.evidence.run.unobservable
    by_image = hearing.evidence.scenario.correlation == "image"
    wrong = []
    ids = sorted(set(occurred.ids.values()))
    if "id" in unobservable:
        pass
    elif notice.id is None:
        wrong.append("carries no id")
    # An operation that its image names has no one id: every occurrence and every region may bring its own.
    elif ids and notice.id not in ids and not by_image:
        wrong.append(f"says id {quoted(notice.id)}, not {listing(ids)}")
    for name, said, true in (
        ("action", notice.action, occurred.action),
        ("repository", notice.repository, occurred.repository),
        ("tag", notice.tag, occurred.tag or None),
        ("digest", notice.digest, occurred.digest or None),
    ):
        if said != true and name not in unobservable:
            wrong.append(f"says {name} {quoted(said)}, not {true!r}")
    return wrong


def _regions(hearing: Hearing, told: Post) -> list[str]:
    notice = told.notice
    wrong = []
    if notice.outcome is None:
        wrong.append(f"says outcome {quoted(notice.said_outcome)}, not 'completed' or 'timed_out'")
    if notice.arrived is None or notice.missing is None:
        unobservable = hearing.evidence.run.unobservable
        lacking = [
            name
            for name in ("arrived", "missing")
            if getattr(notice, name) is None and name not in unobservable
        ]
        return [*wrong, f"has no list of names as {listing(lacking)}"] if lacking else wrong
    if not hearing.names_each_region_once(told):
        wrong.append("does not name every region once, as arrived or as missing")
    if notice.outcome is not None and (notice.outcome == "completed") == bool(notice.missing):
        missing = listing(notice.missing) if notice.missing else "no region"
        wrong.append(f"says {notice.outcome} and names {missing} missing")
    return wrong


def _deadline(hearing: Hearing, generation: Generation) -> list[str]:
    """The deadline is optional; if told, and if the run says what its clock showed at 0, it must be right."""
    told, epoch = generation.posts[0].notice.deadline, hearing.evidence.run.epoch
    if told is None or epoch is None:
        return []
    instant = instant_ms(told)
    if instant is None:
        return [f"says deadline {quoted(told)}, not an ISO 8601 instant with its offset, nor Unix time"]
    bounds, tolerance = generation.bounds, hearing.tolerance
    at = instant - epoch
    if (
        bounds.deadline_from == FOREVER
        or bounds.deadline_from - tolerance <= at <= bounds.deadline_until + tolerance
    ):
        return []
    return [f"says a deadline of {clock(at)}, which lies at {clock(bounds.deadline_from)}"]
