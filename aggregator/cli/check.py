"""``fanin serve --check``: would it start, and with what?"""

import asyncio

from fanin.aggregator.cli.backup import told
from fanin.aggregator.durations import format_duration
from fanin.aggregator.engines.sqlite.file import FILE, check_integrity, contents, open_readonly
from fanin.aggregator.engines.sqlite.schema import VERSION
from fanin.aggregator.regions import RegistryRegions
from fanin.aggregator.settings import Settings


def checked(settings: Settings) -> str:
    """Look at everything that a start would need, change nothing, and say what was found.

    Raises:
        AggregatorError: it would not start; the message says why.
    """
    return "\n".join((*_settings(settings), _data(settings)))


def _settings(settings: Settings) -> list[str]:
    regions, origin = tuple(settings.regions), ""
    if isinstance(settings.regions, RegistryRegions):
        regions, origin = asyncio.run(settings.regions.query()), " (as the registry says)"
    if settings.keys:
        lock = f"{len(settings.keys)} function key{'s' if len(settings.keys) > 1 else ''}"
    else:
        lock = "no function keys"
    locks = [lock]
    if settings.header_secret:
        locks.append(f"the header {settings.header_secret.name}")
    if settings.signing_secrets:
        locks.append("a signature")
    return [
        f"waits up to {format_duration(settings.timeout_ms)} for {', '.join(regions)}{origin}",
        f"lets in with {', '.join(locks)}",
        f"tells {len(settings.targets)} target{'' if len(settings.targets) == 1 else 's'} of outcomes",
    ]


def _data(settings: Settings) -> str:
    path = settings.data_dir / FILE
    if settings.engine != "sqlite":
        return f"keeps operations with {settings.engine}"
    if not path.exists():
        return f"{path} is not there yet and would be made"
    with open_readonly(path) as connection:
        check_integrity(connection, path)
        found = contents(connection, path)
    change = "" if found.version == VERSION else f"; it would be brought to schema {VERSION}"
    return f"{path} is sound and holds {told(found)}{change}"
