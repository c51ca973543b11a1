"""`chroma-search export DIR COLLECTION FILE`: a collection as one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from chroma_search.cli.folder import opened_client, opened_collection
from chroma_search.cli.options import batch_rows_option, folder_argument, format_option, json_option, place_options
from chroma_search.cli.output import print_json, print_text
from chroma_search.cli.progress import progress_bar
from chroma_search.errors import InvalidInputError


@click.command("export")
@folder_argument
@click.argument("collection")
@click.argument("file", type=click.Path(path_type=Path))
@format_option
@click.option("--where", metavar="TEXT", help='Only the records that pass this filter, such as "year >= 2024".')
@click.option("--overwrite", is_flag=True, help="Replace FILE if it is there.")
@batch_rows_option
@place_options
@json_option
def command(
    directory: Path,
    collection: str,
    file: Path,
    format: Any,
    where: str | None,
    overwrite: bool,
    batch_rows: int | None,
    tenant: str,
    database: str,
    as_json: bool,
) -> None:
    """Write all records of COLLECTION in the folder DIR to FILE, as Parquet or JSONL (docs/exchange.md).

    FILE is one state of the collection, whatever is written meanwhile, and appears whole or not at all.
    """
    if str(file) == "-":
        raise InvalidInputError("FILE is a file that appears whole or not at all, not stdout: give it a name")
    from chroma_search.exchange import export_collection  # 0.4 s, which --help need not wait for

    with opened_client(directory, tenant, database) as client, progress_bar(f"Exporting {collection}") as progress:
        report = export_collection(
            opened_collection(client, collection),
            file,
            format=format,
            where=where,
            overwrite=overwrite,
            batch_rows=batch_rows,
            progress=progress,
        )
    if as_json:
        print_json(report.to_dict())
    else:
        print_text(str(report))
