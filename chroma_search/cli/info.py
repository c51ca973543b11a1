"""`chroma-search info DIR`: what is in a folder. It reads headers and the log, no index and no records."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chroma_search.cli.exit_codes import ExitCode, exit_code_of
from chroma_search.cli.folder import CATALOG, COLLECTIONS, bytes_below, check_folder, opened_client
from chroma_search.cli.options import folder_argument, json_option
from chroma_search.cli.output import print_json, print_table, print_text
from chroma_search.errors import NotFoundError, StorageError

if TYPE_CHECKING:
    from chroma_search.front.collection import Collection


@click.command("info")
@folder_argument
@json_option
def command(directory: Path, as_json: bool) -> int:
    """Show the tenants, databases and collections in the folder DIR, with records and bytes.

    A collection that cannot be read is listed with its error; the exit code says so. What an import is still writing,
    or has left after a kill, is no collection yet, and named at the end.
    """
    check_folder(directory)
    facts, code = _facts(directory)
    if as_json:
        print_json(facts)
        return code
    print_text(f"{facts['directory']}: format {facts['format_version']}, {_size(facts['bytes'])}")
    empty = [each for each in facts["databases"] if not each["collections"]]
    for database in empty:
        print_text(f"no collections in tenant {database['tenant']}, database {database['database']}")
    collections: list[dict[str, Any]] = facts["collections"]
    if collections:
        several = len(facts["databases"]) > 1
        titles = ["collection", "records", "dim", "index", "space", "embeds", "segments", "size"]
        print_table(
            [*(["tenant", "database"] if several else []), *titles],
            [[*([each["tenant"], each["database"]] if several else []), *_row(each)] for each in collections],
        )
    for name in facts["unfinished"]:
        print_text(f"unfinished import {name}: it is running, or was killed; import again to remove what it left")
    return code


def _facts(directory: Path) -> tuple[dict[str, Any], int]:
    from chroma_search.engine.catalog import Catalog  # 0.4 s, which --help need not wait for
    from chroma_search.exchange.unfinished import is_unfinished
    from chroma_search.storage.array_file import FORMAT_VERSION

    catalog = Catalog(directory / CATALOG, "read")
    try:
        state = catalog.state()
    finally:
        catalog.close()
    code = int(ExitCode.OK)
    databases: list[dict[str, Any]] = []
    unfinished: list[str] = []
    collections: list[dict[str, Any]] = []
    for database in sorted(state.databases, key=lambda each: (each.tenant, each.name)):
        with opened_client(directory, database.tenant, database.name) as client:
            every = client.list_collections()
            found = [each for each in every if not is_unfinished(each.name)]
            unfinished += [each.name for each in every if is_unfinished(each.name)]
            for collection in found:
                facts, problem = _collection_facts(directory, collection)
                if problem == ExitCode.NOT_FOUND:
                    if collection.id not in {each.id for each in client.list_collections()}:
                        continue  # another process has deleted it since
                    facts["error"] = "its folder is missing: restore it from a backup, or repair the folder"
                    problem = ExitCode.DAMAGED
                code = code or problem
                collections.append(facts)
        databases.append({"tenant": database.tenant, "database": database.name, "collections": len(found)})
    return {
        "directory": str(directory),
        "format_version": FORMAT_VERSION,
        "bytes": bytes_below(directory),
        "tenants": sorted(state.tenants),
        "databases": databases,
        "collections": collections,
        "unfinished": unfinished,
    }, code


def _collection_facts(directory: Path, collection: Collection) -> tuple[dict[str, Any], int]:
    configuration = collection.configuration_json
    kind = next(name for name in ("hnsw", "spann", "flat") if configuration.get(name))
    function = configuration["embedding_function"] or {}
    facts: dict[str, Any] = {
        "tenant": collection.tenant,
        "database": collection.database,
        "name": collection.name,
        "id": str(collection.id),
        "metadata": collection.metadata,
        "index": kind,
        "space": configuration[kind]["space"],
        "embedding_function": function.get("name"),
        "bytes": bytes_below(directory / COLLECTIONS / str(collection.id)),
    }
    try:
        stats = collection.stats()
    except (StorageError, NotFoundError) as error:
        return {**facts, "error": str(error)}, exit_code_of(error)
    return {
        **facts,
        "records": stats["records"],
        "dimension": stats["dimension"],
        "segments": stats["segments"],
        "flush_error": stats.get("flush_error"),
    }, ExitCode.OK


def _row(facts: dict[str, Any]) -> list[Any]:
    if "error" in facts:
        return [facts["name"], None, None, facts["error"], None, None, None, _size(facts["bytes"])]
    known = (facts["name"], facts["records"], facts["dimension"], facts["index"], facts["space"])
    return [*known, facts["embedding_function"], len(facts["segments"]), _size(facts["bytes"])]


def _size(n_bytes: int) -> str:
    size, unit = float(n_bytes), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.3g} {unit}"
