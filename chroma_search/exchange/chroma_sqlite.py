"""Opens the database of a Chroma directory for reading, so that not one byte in the directory changes.

A database that was closed well is opened read-only in place. One that was left in the middle of something (a
write-ahead log or a rollback journal lies beside it) can only be read by finishing that, which writes: it is copied to
a temporary folder with what lies beside it, and finished there.

Invariant: the directory stays as it is; what somebody else writes into it meanwhile is an error, not a mixture.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from chroma_search.errors import CorruptionError, LockedError, NotFoundError, StorageError, UnsupportedError
from chroma_search.exchange.chroma_parquet import COLLECTIONS, EMBEDDINGS, connect_parquet

CHROMA_FILE = "chroma.sqlite3"
BUSY_S = 10.0
"""How long to wait for a program that is writing."""

Fingerprint = list[tuple[int, int]]
"""Size and time of the last change of the database and of what lies beside it."""

_BESIDE = ("-wal", "-journal")
_JOURNAL_MODE_AT, _WAL_MODE = 18, b"\x02"


@dataclass(frozen=True, slots=True)
class OpenedSource:
    """A connection on one unchanging state of a database, and the file that this is the state of."""

    connection: sqlite3.Connection
    path: Path
    fingerprint: Fingerprint

    def check_unchanged(self) -> None:
        """Refuse to believe what was read if the file has changed since; not every way of opening it keeps others out.

        Raises:
            StorageError: it has.
        """
        if _fingerprint(self.path) != self.fingerprint:
            raise StorageError(
                f"{self.path} changed while it was read: stop the programs that use it, and import again"
            )


@contextmanager
def opened_for_reading(folder: Path) -> Generator[OpenedSource]:
    """Open the database in `folder`.

    Raises:
        NotFoundError: no such folder.
        UnsupportedError: no folder of Chroma.
        CorruptionError: the file is damaged. LockedError: another program holds it.
        StorageError: it cannot be read.
    """
    path = checked_file(folder)
    fingerprint = _fingerprint(path)
    with (
        tempfile.TemporaryDirectory(prefix="chroma-import-") as scratch,
        our_errors(path),
        closing(_connected(path, Path(scratch))) as connection,
    ):
        connection.execute("BEGIN")
        yield OpenedSource(connection, path, fingerprint)


def checked_file(folder: Path) -> Path:
    """Return the path of the database, or say what this folder is instead."""
    path = folder / CHROMA_FILE
    if path.is_file():
        return path
    if not folder.exists():
        raise NotFoundError(f"there is no folder {folder}", kind="folder", name=str(folder))
    if (folder / EMBEDDINGS).is_file():
        if (folder / COLLECTIONS).is_file():
            return folder / EMBEDDINGS
        raise CorruptionError(
            f"{folder} is a folder of Chroma 0.3, but {COLLECTIONS} is missing: put it beside {EMBEDDINGS}",
            path=str(folder / COLLECTIONS),
            expected="the names of the collections",
        )
    inner = sorted(each.parent for each in folder.glob(f"*/{CHROMA_FILE}"))[:3] if folder.is_dir() else []
    beside = folder.parent if folder.is_file() or (folder.parent / CHROMA_FILE).exists() else None
    instead = f"did you mean {inner[0]}?" if inner else "name the folder that was given to chromadb.PersistentClient"
    if beside is not None and (beside / CHROMA_FILE).exists():
        instead = f"did you mean {beside}?"
    raise UnsupportedError(
        f"{folder} is no folder of Chroma, for it holds no {CHROMA_FILE}: {instead}",
        feature="importing this folder",
        why=f"no {CHROMA_FILE}",
        instead=instead,
    )


@contextmanager
def our_errors(path: Path) -> Generator[None]:
    """Turn the errors of SQLite into ours."""
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as error:
        text = str(error)
        if "locked" in text or "busy" in text:
            raise LockedError(
                f"{path} is in use by another program: stop it, and import again", path=str(path)
            ) from error
        if isinstance(error, sqlite3.OperationalError) and ("unable to open" in text or "readonly" in text):
            raise StorageError(f"cannot open {path}: {text}") from error
        raise CorruptionError(
            f"{path} is damaged ({text}): `sqlite3 {path.name} .recover` may save a part of it into a new file",
            path=str(path),
            expected="a database of Chroma",
        ) from error


def _connected(path: Path, scratch: Path) -> sqlite3.Connection:
    if path.name == EMBEDDINGS:
        return connect_parquet(path.parent, scratch)
    beside = [path.with_name(path.name + ending) for ending in _BESIDE]
    unfinished = [each for each in beside if each.exists() and each.stat().st_size]
    if unfinished:
        for each in (path, *unfinished):
            shutil.copyfile(each, scratch / each.name)
        return _connect(scratch / path.name, "mode=rw")
    with path.open("rb") as file:
        file.seek(_JOURNAL_MODE_AT)
        is_wal = file.read(1) == _WAL_MODE
    # In WAL mode even a reader makes files beside the database. Without a log nothing is going on: it may be taken as
    # a file that does not change.
    return _connect(path, "immutable=1" if is_wal else "mode=ro")


def _connect(path: Path, how: str) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?{how}", uri=True, timeout=BUSY_S, isolation_level=None)
    connection.execute("PRAGMA query_only=ON")
    return connection


def _fingerprint(path: Path) -> Fingerprint:
    files = [path, *(path.with_name(path.name + ending) for ending in _BESIDE)]
    stats = [each.stat() if each.exists() else None for each in files]
    return [(0, 0) if each is None else (each.st_size, each.st_mtime_ns) for each in stats]
