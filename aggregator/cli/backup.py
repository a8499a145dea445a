"""``fanin backup`` and ``fanin restore``: the data of a service as one file, and back.

Rules of this file: it works on the file and not through the service, so that it needs no key and works when
the service does not; a copy that is reported has been read back.
"""

import os
from pathlib import Path

import click

from fanin.aggregator.cli.options import examples
from fanin.aggregator.engines.sqlite.file import FILE, Contents, copy, restore
from fanin.aggregator.errors import StoreUnusableError
from fanin.aggregator.settings import DATA_DIR

_data_dir = click.option(
    "--data-dir",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="The service's folder. [FANIN_DATA_DIR, DATA_DIR, ./fanin-data]",
)


@click.command("backup", epilog=examples("fanin backup /backups/fanin-$(date +%F).db"))
@click.argument("target", type=click.Path(path_type=Path))
@_data_dir
def backup(target: Path, data_dir: Path | None) -> None:
    """Copy the data of a service to the file TARGET, while it runs or not.

    The copy is one consistent state: everything that was acknowledged when it began is in it. The service
    goes on meanwhile. TARGET must not be there yet.
    """
    folder = _folder(data_dir)
    try:
        found = copy(folder, target)
    except StoreUnusableError as exc:
        raise click.ClickException(str(exc)) from exc
    click.echo(f"{target} holds {told(found)}")


@click.command("restore", epilog=examples("fanin restore /backups/fanin-2026-03-04.db"))
@click.argument("source", type=click.Path(path_type=Path))
@_data_dir
def restore_command(source: Path, data_dir: Path | None) -> None:
    """Put the copy SOURCE in the place of a service's data. The service must not run.

    What was there is kept beside it. Deadlines that have passed since the copy was made are decided when the
    service starts; notifications that were accepted since then are sent again, under the same keys.
    """
    folder = _folder(data_dir)
    try:
        found, kept = restore(source, folder)
    except StoreUnusableError as exc:
        raise click.ClickException(str(exc)) from exc
    aside = f"; what was there is {kept}" if kept else ""
    click.echo(f"{folder / FILE} holds {told(found)}{aside}")


def told(found: Contents) -> str:
    """What a file holds, in words."""
    return (
        f"{found.operations:,} operations ({found.waiting:,} waiting) and {found.untold:,} notifications "
        f"to be sent, {found.size / 1_048_576:,.1f} MiB, schema {found.version}"
    )


def _folder(data_dir: Path | None) -> Path:
    named = data_dir or os.environ.get("FANIN_DATA_DIR") or os.environ.get("DATA_DIR") or DATA_DIR
    return Path(named).expanduser()
