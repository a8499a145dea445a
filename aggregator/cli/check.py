"""``fanin serve --check``: checks whether the service would start, and reports its settings and data."""

import asyncio

from fanin.aggregator import engines
from fanin.aggregator.advice import advice
from fanin.aggregator.auth import mount_warning
from fanin.aggregator.cli.backup import described
from fanin.aggregator.durations import format_duration
from fanin.aggregator.engines.sqlite.copies import RESTORED
from fanin.aggregator.engines.sqlite.file import (
    FILE,
    check_integrity,
    check_writable,
    contents,
    open_readonly,
    opening,
)
from fanin.aggregator.engines.sqlite.schema import VERSION
from fanin.aggregator.engines.sqlite.unreadable import findings
from fanin.aggregator.regions import RegistryRegions
from fanin.aggregator.settings import Settings

# How many of the rows that cannot be read are shown.
ROWS_SHOWN_MAX = 10


def checked(settings: Settings) -> str:
    """Check everything that a start needs, without changing it; return the report.

    Raises:
        AggregatorError: the service would not start; the message says why.
    """
    return "\n".join((*_settings(settings), *_data(settings)))


def _settings(settings: Settings) -> list[str]:
    regions, origin = tuple(settings.regions), ""
    if isinstance(settings.regions, RegistryRegions):
        regions, origin = asyncio.run(settings.regions.query()), " (the registry's regions)"
    credentials = []
    if settings.keys:
        number = len(settings.keys)
        credentials.append("the function key" if number == 1 else f"one of {number} function keys")
    if settings.header_secret:
        credentials.append(f"the header {settings.header_secret.name}")
    if settings.signing_secrets:
        credentials.append("a signature")
    warning = mount_warning(settings.keys_file) if settings.keys_file else None
    return [
        f"waits up to {format_duration(settings.timeout_ms)} for {', '.join(regions)}{origin}",
        *_filters(settings),
        f"webhooks need {' and '.join(credentials) or 'no credentials'}",
        *(f"warning: {warning}" for warning in settings.warnings()),
        *_targets(settings),
        *(f"warning: {sentence}" for sentence in advice(settings)),
        *([f"warning: {warning}"] if warning else []),
    ]


def _filters(settings: Settings) -> list[str]:
    """What fans in, if not everything does."""
    found = [
        f"{what} {', '.join(patterns.texts)}"
        for what, patterns in (("repositories", settings.repositories), ("tags", settings.tags))
        if patterns.texts
    ]
    found += ["tagged pushes only"] if settings.tagged_only else []
    found += ["no signatures, attestations and SBOMs"] if settings.skip_attachments else []
    return [f"ignores everything but: {'; '.join(found)}"] if found else []


def _targets(settings: Settings) -> list[str]:
    """The targets by name, format, outcomes and host; the rest of an address may be a secret."""
    number = len(settings.targets)
    lines = [f"notifies {number} target{'' if number == 1 else 's'}"]
    for it in settings.targets:
        where = f"{'https' if it.address.tls else 'http'}://{it.address.host_header}"
        by = f", through the proxy {it.proxy.host_header}" if it.proxy else ""
        lines.append(f"  {it.name}: {', '.join(it.on)} as {it.format} to {where}{by}")
    return lines


def _data(settings: Settings) -> list[str]:
    path = settings.data_dir / FILE
    if settings.engine != "sqlite":
        engines.load(settings.engine)
        return [f"keeps operations in {settings.engine}"]
    with opening(path):
        check_writable(settings.data_dir)
    if path.with_name(RESTORED).exists():
        return [f"{path}: a restore was interrupted; the start or `fanin restore` would complete it"]
    if not path.exists():
        return [f"{path} does not exist yet and would be created"]
    with open_readonly(path) as connection:
        check_integrity(connection, path)
        found = contents(connection, path)
        count, rows = (0, []) if found.version != VERSION else findings(connection, ROWS_SHOWN_MAX)
    change = "" if found.version == VERSION else f"; it would be migrated to schema {VERSION}"
    report = [f"{path} is intact and holds {described(found)}{change}"]
    if count:
        which = "1 row cannot be read and is" if count == 1 else f"{count:,} rows cannot be read and are"
        report.append(f"warning: {which} set aside; everything else is served")
        report += [f"  {it.table} {it.n}: operation {it.operation}: {it.reason}" for it in rows]
    return report
