"""`chroma-search import DIR COLLECTION FILE`: a file as a collection."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from chroma_search.cli.folder import made_client
from chroma_search.cli.options import batch_rows_option, folder_argument, format_option, json_option, place_options
from chroma_search.cli.output import print_json, print_text
from chroma_search.cli.progress import progress_bar
from chroma_search.errors import InvalidInputError


@click.command("import")
@folder_argument
@click.argument("collection")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@format_option
@click.option(
    "--mode",
    type=click.Choice(["create", "add", "upsert"]),
    default="create",
    show_default=True,
    help="Make the collection, or write to one that may be there: add skips known ids, upsert changes them.",
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="ROLE=NAME",
    help="Which column is the id, document, embedding, uri or metadata, if not the one of that name. An empty NAME is "
    "none of them. May be repeated.",
)
@click.option("--space", type=click.Choice(["l2", "cosine", "ip"]), help="Distance of a new collection.")
@batch_rows_option
@place_options
@json_option
def command(
    directory: Path,
    collection: str,
    file: Path,
    format: Any,
    mode: Any,
    columns: Sequence[str],
    space: str | None,
    batch_rows: int | None,
    tenant: str,
    database: str,
    as_json: bool,
) -> None:
    """Read FILE, Parquet or JSONL, into COLLECTION in the folder DIR, which is made when it is missing.

    An export of chroma-search becomes the same collection again. Other files need ids, and vectors or documents to
    embed; other columns become metadata (docs/exchange.md). A new collection is imported as a whole or not at all.
    """
    from chroma_search.exchange import import_collection  # 0.4 s, which --help need not wait for

    roles = _roles(columns)
    with made_client(directory, tenant, database) as client, progress_bar(f"Importing {file.name}") as progress:
        report = import_collection(
            client,
            collection,
            file,
            format=format,
            mode=mode,
            columns=roles,
            configuration=None if space is None else {"hnsw": {"space": space}},
            batch_rows=batch_rows,
            progress=progress,
        )
    if as_json:
        print_json(report.to_dict())
    else:
        print_text(str(report))


def _roles(given: Sequence[str]) -> dict[str, str | None] | None:
    roles: dict[str, str | None] = {}
    for each in given:
        role, equals, name = each.partition("=")
        if not equals:
            raise InvalidInputError(f"--column {each[:80]!r}: write ROLE=NAME, such as embedding=vector")
        roles[role] = name or None
    return roles or None
