"""Results as tables to look at: plain text for terminals, HTML for notebooks.

Long documents are cut, long results shortened, with the number of what is left out. What records hold is printed as
it is, never interpreted: rich markup and HTML are escaped, control characters (they could move a terminal's cursor or
turn the writing direction) are shown as escapes.

Not for: programs; they read the columns. Invariant: the text is never wider than the terminal.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import islice
from typing import Any

MAX_ROWS = 20
MAX_TABLES = 5
MIN_WIDTH, USUAL_WIDTH, MAX_WIDTH = 40, 100, 160
TEXT_CHARACTERS = 200
"""Characters of a cell that are looked at; the terminal usually shows fewer."""
HTML_CHARACTERS = 500
SHOWN_NUMBERS = 3
MIN_COLUMN = 4

_ELLIPSIS = "…"
_GAP = "  "
_NUMBERS = ("scores", "distances")
_TITLES = {
    "scores": "score",
    "distances": "distance",
    "documents": "document",
    "metadatas": "metadata",
    "uris": "uri",
    "embeddings": "embedding",
}


@dataclass(frozen=True, slots=True)
class Table:
    """The records of one search.

    Attributes:
        ids: one per record.
        columns: name of a result's column -> one value per record, or None when it was not asked for.
    """

    ids: Sequence[str]
    columns: Mapping[str, Any]

    def present(self) -> list[str]:
        """Return the names of the columns that hold anything to show."""
        return [name for name, values in self.columns.items() if values is not None]


def as_text(title: str, tables: Sequence[Table]) -> str:
    """Return the tables as lines of text, no wider than the terminal, without colours or a newline at the end."""
    width = max(MIN_WIDTH, min(MAX_WIDTH, shutil.get_terminal_size((USUAL_WIDTH, 0)).columns))
    records = sum(len(table.ids) for table in tables)
    searches = "" if len(tables) == 1 else f"{_counted(len(tables), 'search', 'searches')}, "
    lines = [f"{title}: {searches}{_counted(records, 'record', 'records')}"]
    for at, table in enumerate(tables[:MAX_TABLES]):
        if len(tables) > 1:
            lines.append(f"[{at}] {_counted(len(table.ids), 'record', 'records')}")
        if len(table.ids):
            lines.extend(_lines(table, width))
        if len(table.ids) > MAX_ROWS:
            lines.append(f"{_ELLIPSIS} {len(table.ids) - MAX_ROWS} more")
    if len(tables) > MAX_TABLES:
        lines.append(f"{_ELLIPSIS} {len(tables) - MAX_TABLES} more searches")
    return "\n".join(lines)


def as_html(tables: Sequence[Table]) -> str:
    """Return the tables as HTML, one `<table>` each, every value escaped."""
    parts: list[str] = []
    for at, table in enumerate(tables[:MAX_TABLES]):
        names = table.present()
        titles = "".join(f"<th>{escape(_TITLES.get(name, name))}</th>" for name in names)
        parts.append(f"<table><thead><tr><th></th><th>id</th>{titles}</tr></thead><tbody>")
        for number, cells in _rows(table, names, HTML_CHARACTERS):
            inside = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
            parts.append(f"<tr><td>{number}</td>{inside}</tr>")
        parts.append("</tbody></table>")
        shown = f"{min(len(table.ids), MAX_ROWS)} of {_counted(len(table.ids), 'record', 'records')}"
        parts.append(f"<p>search {at}: {shown}</p>" if len(tables) > 1 else f"<p>{shown}</p>")
    if len(tables) > MAX_TABLES:
        parts.append(f"<p>{_ELLIPSIS} {len(tables) - MAX_TABLES} more searches</p>")
    return "".join(parts)


def _lines(table: Table, width: int) -> list[str]:
    """Return header and rows, each at most `width` terminal cells wide."""
    from rich.cells import cell_len, set_cell_size  # knows which characters take two cells; 0.02 s to import

    names = table.present()
    grid = [["#", "id", *(_TITLES.get(name, name) for name in names)]]
    grid += [[str(number), *cells] for number, cells in _rows(table, names, TEXT_CHARACTERS)]
    is_number = [True, False, *(name in _NUMBERS for name in names)]
    needed = [max(cell_len(row[at]) for row in grid) for at in range(len(is_number))]
    widths = _fitted(needed, is_number, width - len(_GAP) * (len(needed) - 1))
    lines: list[str] = []
    for row in grid:
        cells: list[str] = []
        for text, size, number in zip(row, widths, is_number, strict=True):
            if cell_len(text) > size:
                text = set_cell_size(text, size - 1).rstrip() + _ELLIPSIS
            padding = " " * (size - cell_len(text))
            cells.append(padding + text if number else text + padding)
        lines.append(_GAP.join(cells).rstrip())
    return lines


def _fitted(needed: Sequence[int], is_number: Sequence[bool], room: int) -> list[int]:
    """Return column widths that fill at most `room` cells; the widest text columns give way, numbers do not."""
    widths = list(needed)
    texts = [at for at, number in enumerate(is_number) if not number]
    while sum(widths) > room and max(widths[at] for at in texts) > MIN_COLUMN:
        widest = max(texts, key=lambda at: widths[at])
        widths[widest] -= 1
    return widths


def _rows(table: Table, names: Sequence[str], longest: int) -> list[tuple[int, list[str]]]:
    """Return the number, counted from 1, and the cells (id first) of the records to show."""
    columns = [table.columns[name] for name in names]
    shown = min(len(table.ids), MAX_ROWS)
    return [
        (at + 1, [_cell(table.ids[at], longest), *(_cell(column[at], longest) for column in columns)])
        for at in range(shown)
    ]


def _cell(value: Any, longest: int) -> str:
    """Return one value as one line of printable characters, cut."""
    if value is None:
        return ""
    if isinstance(value, str):
        text = value[: longest + 1]
    elif isinstance(value, float):
        text = f"{value:.6g}"
    elif isinstance(value, Mapping):
        text = "  ".join(f"{key}={_short(each)}" for key, each in islice(value.items(), 50))
    else:
        text = _short(value)
    line = _printable(" ".join(text.split()))
    return line if len(line) <= longest else line[: longest - 1] + _ELLIPSIS


def _short(value: Any) -> str:
    """Return a value of a metadata field, or a vector, in a few characters."""
    if isinstance(value, str):
        return value[:TEXT_CHARACTERS]
    if hasattr(value, "indices") and hasattr(value, "values"):
        return f"<sparse vector, {len(value.indices)} dimensions>"
    if isinstance(value, float):
        return f"{value:.6g}"
    if not isinstance(value, (str, bytes)) and hasattr(value, "__len__") and hasattr(value, "__getitem__"):
        first = ", ".join(_short(value[at]) for at in range(min(len(value), SHOWN_NUMBERS)))
        more = f", {_ELLIPSIS} {len(value)}" if len(value) > SHOWN_NUMBERS else ""
        return f"[{first}{more}]"
    return f"{float(value):.6g}" if hasattr(value, "dtype") else str(value)


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text)


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
