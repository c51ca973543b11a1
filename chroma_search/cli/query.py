"""`chroma-search query DIR TEXT`: run a search in the query language."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chroma_search.cli.folder import opened_client, opened_collection
from chroma_search.cli.options import folder_argument, json_option, place_options
from chroma_search.cli.output import output_errors, print_json, print_table, print_text, to_json, write
from chroma_search.cli.search_text import collection_option, param_option, read_params, read_text, text_argument
from chroma_search.errors import InvalidInputError

if TYPE_CHECKING:
    from chroma_search.model.results import SearchResult

FORMATS = ("table", "json", "jsonl", "arrow")


@click.command("query")
@folder_argument
@text_argument
@collection_option
@param_option
@click.option("--exact", is_flag=True, help="Compare with every record instead of using an index.")
@click.option("--strict", is_flag=True, help="Refuse what Chroma's own Search API does not have.")
@click.option("--format", "form", type=click.Choice(FORMATS), help="How records are printed. [default: table]")
@click.option("--output", type=click.Path(path_type=Path), help="Write to this file instead of stdout.")
@click.option("--overwrite", is_flag=True, help="Replace the file of --output if it is there.")
@place_options
@json_option
def command(
    directory: Path,
    text: str,
    collection: str | None,
    params: Sequence[str],
    exact: bool,
    strict: bool,
    form: str | None,
    output: Path | None,
    overwrite: bool,
    tenant: str,
    database: str,
    as_json: bool,
) -> None:
    """Run TEXT, a search in the query language (docs/language.md), on a collection in the folder DIR.

    TEXT "-" is read from stdin. Without SELECT, records come with #document, #metadata and #score. Texts to search for,
    as in knn('words'), are embedded by the function of the collection.
    """
    if as_json and form not in (None, "json"):
        raise click.UsageError(f"--json and --format {form} cannot both be")
    chosen = "json" if as_json else form or ("table" if output is None else _form_of(output))
    if chosen == "arrow" and output is None and sys.stdout.isatty():
        raise click.UsageError("Arrow is no text: add --output FILE, or send stdout elsewhere")
    values = read_params(params)
    with opened_client(directory, tenant, database) as client:
        opened = opened_collection(client, collection)
        result = opened.search(_search(read_text(text), values), exact=exact, strict=strict)
        name = opened.name
    if output is None:
        _print(name, result, chosen)
        return
    from chroma_search.exchange.whole_file import whole_file

    with whole_file(output, overwrite=overwrite) as file:
        file.write(_content(name, result, chosen))
    report = {"output": str(output), "format": chosen, "n_records": len(result.ids[0])}
    if as_json:
        print_json(report)
    else:
        print_text(f"wrote {report['n_records']:,} records to {output}")


def _search(text: str, params: dict[str, Any] | None) -> Any:
    from chroma_search.dsl import Search

    search = Search.from_text(text, params)
    return search if search.clauses.select.names else search.select("#document", "#metadata", "#score")


def _form_of(output: Path) -> str:
    forms = {".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".arrow": "arrow", ".feather": "arrow"}
    found = forms.get(output.suffix.lower())
    if found is None:
        raise InvalidInputError(f"the name of {output} does not tell the format: say --format {'|'.join(FORMATS[1:])}")
    return found


def _print(name: str, result: SearchResult, form: str) -> None:
    rows = result.rows()[0]
    if form == "table":
        shown = [key for key in ("score", "id", "document", "metadata", "embedding") if any(key in row for row in rows)]
        if rows:
            print_table(shown, [[row.get(key) for key in shown] for row in rows])
        print_text(f"{len(rows):,} record{'' if len(rows) == 1 else 's'}")
    elif form == "arrow":
        import pyarrow as pa

        table = result.to_arrow()
        with output_errors(), pa.ipc.new_stream(sys.stdout.buffer, table.schema) as writer:
            writer.write_table(table)
    elif form == "json":
        print_json({"collection": name, "records": rows})
    else:
        for row in rows:
            write(to_json(row) + "\n")


def _content(name: str, result: SearchResult, form: str) -> bytes:
    rows = result.rows()[0]
    if form == "arrow":
        import pyarrow as pa

        table, sink = result.to_arrow(), pa.BufferOutputStream()
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        return sink.getvalue().to_pybytes()
    if form == "json":
        return (to_json({"collection": name, "records": rows}) + "\n").encode()
    if form == "jsonl":
        return "".join(to_json(row) + "\n" for row in rows).encode()
    raise InvalidInputError("a table is for the terminal: say --format json, jsonl or arrow beside --output")
