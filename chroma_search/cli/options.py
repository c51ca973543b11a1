"""Arguments and options that several commands share, so that they mean the same everywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from chroma_search.config import DEFAULT_DATABASE, DEFAULT_TENANT

F = TypeVar("F", bound=Callable[..., Any])

FOLDER = click.Path(path_type=Path)


def folder_argument(function: F) -> F:
    """Add DIR, the folder of a `PersistentClient`."""
    return click.argument("directory", metavar="DIR", type=FOLDER)(function)


def place_options(function: F) -> F:
    """Add --tenant and --database."""
    tenant = click.option("--tenant", default=DEFAULT_TENANT, show_default=True, help="Tenant of the collection.")
    database = click.option("--database", default=DEFAULT_DATABASE, show_default=True, help="Database of the tenant.")
    return tenant(database(function))


def json_option(function: F) -> F:
    """Add --json."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON document and nothing else; errors, too."
    )(function)


def format_option(function: F) -> F:
    """Add --format of files of records."""
    return click.option(
        "--format", type=click.Choice(["parquet", "jsonl"]), help="Format of the file. [default: by its suffix]"
    )(function)


def batch_rows_option(function: F) -> F:
    """Add --batch-rows."""
    return click.option("--batch-rows", type=click.IntRange(min=1), help="Records per batch. [default: chosen]")(
        function
    )
