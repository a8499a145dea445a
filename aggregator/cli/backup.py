"""``fanin backup`` and ``fanin restore``: copy the data of a service to one file, and back.

Rules of this file: the commands read and write the file themselves, so that they need neither a key nor a
running service; a copy is verified before it is reported.
"""

import os
from pathlib import Path

import click

from fanin.aggregator.cli.options import examples
from fanin.aggregator.engines.sqlite.copies import copy, restore
from fanin.aggregator.engines.sqlite.file import FILE, FileContents
from fanin.aggregator.errors import StoreUnusableError
from fanin.aggregator.settings import DATA_DIR, PRIVATE_UMASK

_data_dir = click.option(
    "--data-dir",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Folder of the service's data. [FANIN_DATA_DIR, DATA_DIR, ./fanin-data]",
)


@click.command("backup", epilog=examples("fanin backup /backups/fanin-$(date +%F).db"))
@click.argument("target", type=click.Path(path_type=Path))
@_data_dir
def backup(target: Path, data_dir: Path | None) -> None:
    """Copy the data of a service to the file TARGET. The service may run meanwhile.

    The copy is a consistent snapshot with everything that was acknowledged before it began. TARGET must not
    exist yet.
    """
    os.umask(PRIVATE_UMASK)
    folder = _folder(data_dir)
    try:
        found = copy(folder, target)
    except StoreUnusableError as exc:
        raise click.ClickException(str(exc)) from exc
    click.echo(f"{target} holds {described(found)}")


@click.command("restore", epilog=examples("fanin restore /backups/fanin-2026-03-04.db"))
@click.argument("source", type=click.Path(path_type=Path))
@_data_dir
def restore_command(source: Path, data_dir: Path | None) -> None:
    """Replace the data of a service by the copy SOURCE. The service must not run.

    The replaced data are kept in the same folder. Deadlines that have passed since the copy was made are
    decided when the service starts; notifications that were accepted since then are sent again, with the same
    keys.
    """
    os.umask(PRIVATE_UMASK)
    folder = _folder(data_dir)
    try:
        found, kept = restore(source, folder)
    except StoreUnusableError as exc:
        raise click.ClickException(str(exc)) from exc
    aside = f"; the replaced data are in {kept}" if kept else ""
    click.echo(f"{folder / FILE} holds {described(found)}{aside}")


def described(found: FileContents) -> str:
    """The content of a data file, in words."""
    return (
        f"{found.operations:,} operations ({found.waiting:,} waiting) and {found.pending:,} pending "
        f"notifications, {found.size / 1_048_576:,.1f} MiB, schema {found.version}"
    )


def _folder(data_dir: Path | None) -> Path:
    named = data_dir or os.environ.get("FANIN_DATA_DIR") or os.environ.get("DATA_DIR") or DATA_DIR
    return Path(named).expanduser()
