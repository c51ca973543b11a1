"""`chroma-search explain DIR TEXT`: how a search is run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from chroma_search.cli.folder import opened_client, opened_collection
from chroma_search.cli.options import folder_argument, json_option, place_options
from chroma_search.cli.output import print_json, print_text, printable
from chroma_search.cli.search_text import collection_option, param_option, read_params, read_text, text_argument


@click.command("explain")
@folder_argument
@text_argument
@collection_option
@param_option
@click.option("--verbose", is_flag=True, help="Add the plan after each rule, and the paths not taken.")
@click.option("--analyze", is_flag=True, help="Run it, and add counts, times and measured recall.")
@click.option("--exact", is_flag=True, help="As query --exact.")
@place_options
@json_option
def command(
    directory: Path,
    text: str,
    collection: str | None,
    params: Sequence[str],
    verbose: bool,
    analyze: bool,
    exact: bool,
    tenant: str,
    database: str,
    as_json: bool,
) -> None:
    """Show how TEXT is run on a collection in the folder DIR: a tree to be read from the bottom (docs/explain.md)."""
    if verbose and analyze:
        raise click.UsageError("--verbose and --analyze cannot both be: choose one")
    mode = "analyze" if analyze else "verbose" if verbose else "plan"
    values, words = read_params(params), read_text(text)
    with opened_client(directory, tenant, database) as client:
        opened = opened_collection(client, collection)
        if as_json:
            print_json(
                {"collection": opened.name, **opened.explain(words, mode, format="json", params=values, exact=exact)}
            )
        else:
            print_text(printable(opened.explain(words, mode, params=values, exact=exact)))
