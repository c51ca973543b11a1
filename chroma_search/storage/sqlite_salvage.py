"""A copy of a damaged database from which as much can be read as is there, for `repair`.

What its write-ahead file holds is put into the copy, past damaged frames too (`write_ahead.py`). The first page holds
only the header and the definitions of the tables; these are the same in each file of a kind, and so is where the tables
begin: where it is damaged, that of a new file takes its place. All other damage stays: the reader checks each row.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chroma_search.storage.sqlite_file import READING_ERRORS, SqliteFile
from chroma_search.storage.write_ahead import copy_with_log

_N_PAGES, _FREE_PAGES = slice(28, 32), slice(32, 40)
"""Where the header of a database has its number of pages, and its list of free ones."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that could be read, and whether they are all there are."""

    rows: list[tuple[Any, ...]]
    is_whole: bool


class DamagedDatabase:
    """A copy of a damaged database.

    Args:
        connection: to the copy.
        has_last_commit: False when the last commit may be missing, for the write-ahead file is damaged.
    """

    def __init__(self, connection: sqlite3.Connection, has_last_commit: bool) -> None:
        connection.text_factory = _text
        self._connection = connection
        self.has_last_commit = has_last_commit

    def read(self, statement: str) -> Rows:
        """Return the rows of a query up to where the file cannot be read; a column may be of any type."""
        rows: list[tuple[Any, ...]] = []
        try:
            for row in self._connection.execute(statement):
                rows.append(row)
        except READING_ERRORS:
            return Rows(rows, False)
        return Rows(rows, True)


@contextmanager
def opened_copy(path: Path, schema: Sequence[str]) -> Generator[DamagedDatabase]:
    """Give a copy of a damaged database; the file itself, which may be missing, is not changed.

    Args:
        path: the database.
        schema: the statements that made its tables.

    Raises:
        OSError: it cannot be read or copied.
    """
    with tempfile.TemporaryDirectory(prefix="chroma_search_") as folder:
        copy, new = Path(folder) / path.name, Path(folder) / "new"
        has_last_commit = copy_with_log(path, copy)
        SqliteFile(new, schema).close()
        if copy.stat().st_size and not _definitions(copy) >= _definitions(new):
            _replace_first_page(copy, new)
        with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
            yield DamagedDatabase(connection, has_last_commit)


def _definitions(path: Path) -> set[tuple[Any, ...]]:
    """Return the tables and indexes with their first pages, as far as they can be read."""
    with closing(sqlite3.connect(path)) as connection:
        return {*DamagedDatabase(connection, True).read("SELECT name, rootpage, sql FROM sqlite_master").rows}


def _replace_first_page(path: Path, new: Path) -> None:
    fresh = new.read_bytes()
    page_bytes = int.from_bytes(fresh[16:18], "big")
    page = bytearray(fresh[:page_bytes])
    page[_N_PAGES] = (path.stat().st_size // page_bytes).to_bytes(4, "big")
    page[_FREE_PAGES] = bytes(8)
    page[92:96] = page[24:28]  # says that the number of pages is to be believed
    with path.open("r+b") as file:
        file.write(page)


def _text(raw: bytes) -> str:
    """Decode a text: what is no UTF-8 must not end the reading, its checksum will tell."""
    return raw.decode("utf-8", "replace")
