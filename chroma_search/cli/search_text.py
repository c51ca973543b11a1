"""The text of a search on the command line, and its parameters."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from chroma_search.errors import InvalidInputError

F = TypeVar("F", bound=Callable[..., Any])


def text_argument(function: F) -> F:
    """Add TEXT, a search in the query language."""
    return click.argument("text", metavar="TEXT")(function)


def param_option(function: F) -> F:
    """Add --param."""
    return click.option(
        "--param",
        "params",
        multiple=True,
        metavar="NAME=JSON",
        help="Value of $NAME in TEXT, as JSON, or as @FILE that holds JSON. May be repeated.",
    )(function)


def collection_option(function: F) -> F:
    """Add --collection."""
    return click.option("--collection", help="Name of the collection. [default: the only one]")(function)


def read_text(text: str) -> str:
    """Return the text of a search; `-` is what stands on stdin."""
    return sys.stdin.read() if text == "-" else text


def read_params(given: Sequence[str]) -> dict[str, Any] | None:
    """Return parameters by name, None when there are none.

    Raises:
        InvalidInputError: no `NAME=JSON`, or a file that cannot be read.
    """
    params: dict[str, Any] = {}
    for each in given:
        name, equals, form = each.partition("=")
        name = name.removeprefix("$")
        if not equals or not name:
            raise InvalidInputError(f"--param {each[:80]!r}: write NAME=JSON, such as q=[0.1,0.9] or year=2024")
        if name in params:
            raise InvalidInputError(f"--param {name} is given twice")
        params[name] = _value(name, form)
    return params or None


def _value(name: str, form: str) -> Any:
    if form.startswith("@"):
        try:
            form = Path(form[1:]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInputError(f"--param {name}: cannot read {form[1:]}: {error}") from error
    try:
        value = json.loads(form)
    except (ValueError, RecursionError) as error:
        quoted = json.dumps(form[:40])
        raise InvalidInputError(
            f"--param {name}: {form[:40]!r} is no JSON; a string needs its quotes: --param '{name}={quoted}'"
        ) from error
    if isinstance(value, dict) and "indices" in value and "values" in value:
        from chroma_search.model.sparse_vector import SparseVector

        return SparseVector(value["indices"], value["values"])
    return value
