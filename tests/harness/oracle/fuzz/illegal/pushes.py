"""Wrong outcomes of an image that is pushed again, when all regions have reported the push before."""

import random
from typing import NamedTuple

from msgspec.structs import replace

from tests.harness.oracle.fuzz.illegal.seen import (
    Change,
    Entries,
    Seen,
    changed,
    seen_in,
    with_body,
    with_extra,
    without,
)
from tests.harness.oracle.fuzz.model import RETENTION_MS, LegalRun, Truth


class _Pushes(NamedTuple):
    seen: Seen
    first: Truth
    second: Truth


def _pushes(run: LegalRun, rng: random.Random) -> _Pushes | None:
    """Two pushes that certainly are operations of their own."""
    seen, found = seen_in(run), []
    for subject in run.subjects:
        certain = all(
            it.sent.invalid_because or seen.ended[it.sent.attempt].status in range(200, 300)
            for it in subject.planned
        )
        told = len(subject.operations) == 2 and all(it.told for it in subject.operations)
        if subject.in_order and certain and told and {*run.around.all_regions} == {*run.around.always}:
            found.append(_Pushes(seen, *subject.operations))
    return rng.choice(found) if found else None


def an_image_that_is_pushed_again(run: LegalRun, rng: random.Random) -> Entries | None:
    """One of two pushes is not reported, reported twice, or under the key or the id of the other one."""
    if (found := _pushes(run, rng)) is None:
        return None
    one, other = rng.choice(((found.first, found.second), (found.second, found.first)))
    ids = sorted({*other.event.ids.values()} - {*one.event.ids.values()})
    wrong = [without(run, found.seen, one.told)]
    if found.second.told[-1].at < found.first.event.at + RETENTION_MS:
        wrong.append(changed(run, *((it, replace(it, key=other.key)) for it in one.told)))
    if (other.told[0].body or {})["id"] in other.event.ids.values():
        # Otherwise the other one's notification may be this one's.
        wrong.append(with_body(run, one.told, id=rng.choice(ids)))
    if one.told[-1].at < found.first.event.at + RETENTION_MS // 2:
        again = replace(one.told[-1], at=one.told[-1].at + rng.choice((0, 5_000)), key="key-third")
        wrong.append(with_extra(run, again))
    return rng.choice(wrong)


CHANGES: tuple[Change, ...] = (an_image_that_is_pushed_again,)
