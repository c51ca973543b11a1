"""`chroma-search import-chroma SOURCE DIR`: the collections of a folder that Chroma wrote."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from chroma_search.cli.exit_codes import ExitCode
from chroma_search.cli.folder import made_client
from chroma_search.cli.options import FOLDER, json_option
from chroma_search.cli.output import print_json, print_text, printable
from chroma_search.cli.progress import progress_bar


@click.command("import-chroma")
@click.argument("source", type=FOLDER)
@click.argument("directory", metavar="DIR", type=FOLDER)
@click.option("--collection", "collections", multiple=True, help="Only this collection. May be repeated.")
@click.option("--tenant", help="Tenant that receives them. [default: the same as in SOURCE]")
@click.option("--database", help="Database that receives them. [default: the same as in SOURCE]")
@json_option
def command(
    source: Path,
    directory: Path,
    collections: Sequence[str],
    tenant: str | None,
    database: str | None,
    as_json: bool,
) -> int:
    """Copy the collections of SOURCE, a folder of Chroma, into the folder DIR, which is made when it is missing.

    SOURCE is only read; no program should be writing there. The exit code is 1 when records could not be recovered: the
    report names them.
    """
    from chroma_search.exchange.chroma_folder import check_apart, import_chroma  # 0.4 s, which --help need not wait for
    from chroma_search.exchange.chroma_sqlite import checked_file

    checked_file(source)  # before a folder is made for what cannot come, or in the one that never changes
    check_apart(source, directory)
    with made_client(directory) as client, progress_bar("Importing") as show:
        report = import_chroma(
            source,
            client,
            collections=list(collections) or None,
            tenant=tenant,
            database=database,
            progress=None if show is None else lambda at: show(at.n_done, at.n_total),
        )
    if as_json:
        print_json(report.to_dict())
    else:
        print_text(printable(str(report)))
    return ExitCode.FAILED if report.n_lost else ExitCode.OK
