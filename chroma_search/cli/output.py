"""What commands write to stdout: one JSON document, or text for people. Everything else goes to stderr.

Text of records is shown, never obeyed: control characters become escapes, so no document moves a terminal's cursor.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

CELL_CHARACTERS = 300
"""Longest cell of a table."""
PART_CHARACTERS = 1 << 15
PIPED_WIDTH = 160
"""Width of a table that no terminal shows."""


class OutputError(OSError):
    """Stdout cannot be written, for a reason that is no reader who has gone: a full disk, say."""


@contextmanager
def output_errors() -> Generator[None]:
    """Tell what goes wrong with stdout from all else that goes wrong with files.

    Raises:
        OutputError: it cannot be written. BrokenPipeError: its reader has gone.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write the output: {error.strerror or error}") from error


def print_json(document: Any) -> None:
    """Print a value as one JSON document on one line."""
    write(to_json(document) + "\n")


def to_json(document: Any) -> str:
    """Return a value as JSON; numbers that JSON does not have (NaN, infinities) become null."""
    is_unicode = (sys.stdout.encoding or "ascii").lower().replace("-", "") == "utf8"
    return json.dumps(json_ready(document), ensure_ascii=not is_unicode, allow_nan=False)


def json_ready(value: Any) -> Any:
    """Return a value made of what JSON has."""
    if isinstance(value, Mapping):
        return {str(key): json_ready(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_ready(each) for each in value]
    if isinstance(value, float):
        return value if value - value == 0 else None
    if value is None or isinstance(value, (str, int)):
        return value
    to_dict = getattr(value, "to_dict", None)
    return json_ready(to_dict()) if to_dict is not None else str(value)


def print_text(text: str) -> None:
    """Print lines for people."""
    write(text + "\n")


def write(text: str) -> None:
    """Write to stdout; what its encoding lacks becomes an escape."""
    encoding = sys.stdout.encoding or "ascii"
    shown = text.encode(encoding, "backslashreplace").decode(encoding)
    # In parts: a reader who goes away is noticed at the next write, and some systems count an interrupted one as whole.
    with output_errors():
        for start in range(0, len(shown), PART_CHARACTERS):
            sys.stdout.write(shown[start : start + PART_CHARACTERS])


def print_table(titles: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table, as wide as the terminal at most; numbers stand to the right.

    Args:
        titles: one per column.
        rows: values of one row each; None is an empty cell.
    """
    from rich.box import SIMPLE_HEAD  # 0.05 s, and JSON needs none of it
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for at, title in enumerate(titles):
        is_number = all(isinstance(row[at], (int, float)) or row[at] is None for row in rows) and bool(rows)
        table.add_column(title, justify="right" if is_number else "left", overflow="fold" if is_number else "ellipsis")
    for row in rows:
        table.add_row(*(Text(cell(value)) for value in row))
    console = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH, color_system=None)
    with console.capture() as captured:
        console.print(table)
    # Not by the console itself: it ends the program in its own way when the reader of a pipe has gone.
    write("\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n")


def cell(value: Any) -> str:
    """Return a value as one line of printable characters."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    text = value if isinstance(value, str) else _words(value)
    line = printable(" ".join(text[: 4 * CELL_CHARACTERS].split()))
    return line if len(line) <= CELL_CHARACTERS else line[: CELL_CHARACTERS - 1] + "…"


def printable(text: str) -> str:
    """Return a text with escapes for what does not print; line ends stay."""
    if text.replace("\n", "").isprintable():
        return text
    return "".join(
        each if each.isprintable() or each == "\n" else each.encode("unicode_escape").decode("ascii") for each in text
    )


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={_words(each)}" for key, each in value.items())
    if isinstance(value, float):
        return f"{value:.6g}"
    if hasattr(value, "indices") and hasattr(value, "values"):
        return f"<sparse vector, {len(value.indices)} dimensions>"
    if isinstance(value, (list, tuple)):
        shown = ", ".join(_words(each) for each in value[:3])
        return f"[{shown}{f', … {len(value)}' if len(value) > 3 else ''}]"
    return str(value)
