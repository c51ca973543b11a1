"""`chroma-search compact DIR`: one segment per collection, and what was deleted leaves the disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chroma_search.cli.folder import opened_client, opened_collection
from chroma_search.cli.options import folder_argument, json_option, place_options
from chroma_search.cli.output import print_json, print_table
from chroma_search.cli.progress import busy

if TYPE_CHECKING:
    from chroma_search.front.collection import Collection


@click.command("compact")
@folder_argument
@click.option("--collection", "collections", multiple=True, help="Only this collection. May be repeated.")
@place_options
@json_option
def command(directory: Path, collections: Sequence[str], tenant: str, database: str, as_json: bool) -> None:
    """Bring each collection in the folder DIR into one segment; what was deleted is in no file then.

    Other processes may go on reading and writing.
    """
    with opened_client(directory, tenant, database, writes=True) as client:
        chosen = [opened_collection(client, name) for name in dict.fromkeys(collections)] or client.list_collections()
        reports = [_compacted(each) for each in chosen]
    if as_json:
        print_json({"collections": reports})
    else:
        print_table(
            ["collection", "records", "segments before", "after", "bytes before", "after"],
            [list(each.values()) for each in reports],
        )


def _compacted(collection: Collection) -> dict[str, Any]:
    before = collection.stats()
    with busy(f"Compacting {collection.name}"):
        collection.compact()
    after = collection.stats()
    return {
        "collection": collection.name,
        "records": after["records"],
        "segments_before": len(before["segments"]),
        "segments_after": len(after["segments"]),
        "bytes_before": _bytes(before),
        "bytes_after": _bytes(after),
    }


def _bytes(stats: dict[str, Any]) -> int:
    return stats["log_bytes"] + stats["segment_bytes"]
