"""Settings that are allowed and probably a mistake: a sentence for each, for the start's log and `--check`.

Rules of this file: no secrets; of an address only the host. What is certainly a mistake is an error instead
(`fanin.aggregator.settings`), and weak credentials are the business of `fanin.aggregator.auth`.
"""

from collections.abc import Iterator

from fanin.aggregator.durations import format_duration
from fanin.aggregator.notify.formats import FORMATS, load
from fanin.aggregator.notify.target import Target
from fanin.aggregator.settings import RETENTION_MS, Settings


def advice(settings: Settings) -> list[str]:
    """What to look at again."""
    found = []
    if settings.retention_ms < RETENTION_MS:
        found.append(
            f"the retention is {format_duration(settings.retention_ms)}: a webhook that comes later than "
            f"that after an outcome starts a second operation, and senders retry for days; the default is "
            f"{format_duration(RETENTION_MS)}"
        )
    found += settings.unused_proxies
    for target in settings.targets:
        found += _of(target)
    return found


def _of(target: Target) -> Iterator[str]:
    host = target.address.host
    for name in FORMATS:
        form = load(name)
        if form.retired(target.address):
            yield (
                f"target {target.name!r} posts to {host}, which its provider has switched off; make a new "
                f"webhook for the format {name}"
            )
        elif form.receives(target.address) and name != target.format and not load(target.format).compile:
            yield (
                f"target {target.name!r} sends the format {target.format} to {host}, which takes the format "
                f"{name} and may refuse or garble any other"
            )
