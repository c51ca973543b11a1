"""What the header of an SQLite file says of its own format, where SQLite itself would say nothing useful."""

from __future__ import annotations

from pathlib import Path

from chroma_search.errors import CorruptionError, StorageError

_MAGIC = b"SQLite format 3\0"
_VERSIONS = (18, 19)
"""Where the header of a database has the formats to write and to read: a larger one makes SQLite refuse to write."""


def check_versions(path: Path) -> None:
    """Refuse a file that says of itself that this SQLite may not write it: ours never do, so a bit has flipped.

    Only for a file that this process has not open (`open_files.py`).

    Raises:
        CorruptionError: it is of such a format.
        StorageError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            header = file.read(len(_MAGIC) + 4)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror or error}") from error
    if len(header) < len(_MAGIC) + 4 or not header.startswith(_MAGIC):
        return  # SQLite refuses it itself
    for at in _VERSIONS:
        if header[at] not in (1, 2):
            raise CorruptionError(
                f"{path} is damaged at byte {at}: restore it from a backup, or repair() the folder",
                path=str(path),
                offset=at,
                expected=f"format version 1 or 2, not {header[at]}",
            )
