"""Verify: read every byte of a folder and say what is not what was written. Changes nothing.

Other processes may write meanwhile: each file is looked at as it is at one moment.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from chroma_search.engine.catalog import Catalog
from chroma_search.engine.collection_card import CARD, read_card
from chroma_search.engine.collection_home import LOG, SEGMENTS
from chroma_search.engine.database_folder import CATALOG, COLLECTIONS
from chroma_search.errors import CorruptionError, FormatVersionError, NotFoundError, StorageError
from chroma_search.storage.log import SqliteLog
from chroma_search.storage.manifest import Manifest
from chroma_search.storage.segment_file import SegmentFile
from chroma_search.storage.segment_folder import LOCKS, SUFFIX
from chroma_search.storage.sqlite_file import SqliteFile

Progress = Callable[[int, int], None]
"""Called with the collections done and all of them."""

ATTEMPTS = 5
"""Times that a manifest is read again when a segment it names was replaced meanwhile."""
BETWEEN_S = 0.05
"""How long to wait before looking again for a collection that may be being deleted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not what was written.

    Attributes:
        path: the file, from the folder.
        offset: byte where it is, when known.
        what: in words.
    """

    path: str
    offset: int | None
    what: str


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What `verify` saw.

    Attributes:
        folder: what was verified.
        n_collections, n_segments, n_entries, n_bytes: what was read; entries are writes that no segment holds yet.
        findings: damage, by file.
    """

    folder: str
    n_collections: int
    n_segments: int
    n_entries: int
    n_bytes: int
    findings: tuple[Finding, ...]

    @property
    def is_clean(self) -> bool:
        """True when everything is what was written."""
        return not self.findings

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        counts = {name: getattr(self, name) for name in ("n_collections", "n_segments", "n_entries", "n_bytes")}
        findings = [{"path": each.path, "offset": each.offset, "what": each.what} for each in self.findings]
        return {"folder": self.folder, "clean": self.is_clean, **counts, "findings": findings}

    def __str__(self) -> str:
        read = f"{self.n_collections} collections, {self.n_segments} segments, {self.n_entries} log entries"
        lines = [f"{self.folder}: {read}, {self.n_bytes / 1e6:,.1f} MB"]
        for each in self.findings:
            place = "" if each.offset is None else f" at byte {each.offset}"
            lines.append(f"  {each.path}{place}: {each.what}")
        lines.append("clean" if self.is_clean else f"{len(self.findings)} findings: repair() keeps what can be kept")
        return "\n".join(lines)


def verify(path: str | PathLike[str], *, progress: Progress | None = None) -> VerifyReport:
    """Check every byte of the folder of a `PersistentClient`, which other processes may be using.

    Args:
        path: the folder.
        progress: called after each collection with the number done and the number there are.

    Returns:
        a report; `is_clean` when all is what was written.

    Raises:
        NotFoundError: there are no data in it.
        StorageError: it cannot be read.
    """
    folder = Path(path).expanduser().resolve()
    if not (folder / CATALOG).exists() and not (folder / COLLECTIONS).exists():
        raise NotFoundError(
            f"{folder} holds no data of chroma_search: give the folder that PersistentClient made",
            kind="folder",
            name=str(folder),
        )
    findings, known, _ = _catalog_findings(folder)
    places = [each for each in sorted((folder / COLLECTIONS).glob("*")) if known is None or each.name in known]
    findings += [_gone(each) for each in sorted(known or ()) if not (folder / COLLECTIONS / each).exists()]
    findings += [] if known is None else _unknown_collections(folder)
    n_segments = n_entries = 0
    for at, place in enumerate(places):
        seen = verify_collection(place)
        findings += [_finding(folder, path, error) for path, error in seen.errors]
        n_segments, n_entries = n_segments + seen.n_segments, n_entries + seen.n_entries
        if progress is not None:
            progress(at + 1, len(places))
    n_bytes = sum(  # by os.walk, which takes a folder that goes meanwhile for an empty one; rglob raises
        _size(Path(parent, name)) for parent, _, names in os.walk(folder) for name in names if not name.endswith("-shm")
    )
    return VerifyReport(str(folder), len(places), n_segments, n_entries, n_bytes, tuple(findings))


@dataclass(frozen=True, slots=True)
class CollectionSeen:
    """What was seen of one collection's folder.

    Attributes:
        n_segments, n_entries: what was read.
        errors: each with the file that it is about.
    """

    n_segments: int
    n_entries: int
    errors: tuple[tuple[Path, StorageError], ...]


def verify_collection(folder: Path) -> CollectionSeen:
    """Check every byte of one collection."""
    small = [*_card_errors(folder), *(error for lock in LOCKS for error in _lock_errors(folder / SEGMENTS / lock))]
    for attempt in range(ATTEMPTS):
        try:
            manifest, n_entries = _log_state(folder / LOG)
        except NotFoundError:  # it was deleted just now
            return CollectionSeen(0, 0, ())
        except StorageError as error:
            names = sorted(each.name for each in (folder / SEGMENTS).glob(f"*{SUFFIX}"))
            errors, _ = _segment_errors(folder / SEGMENTS, dict.fromkeys(names))
            return CollectionSeen(len(names), 0, (*small, (folder / LOG, error), *errors))
        errors, is_gone = _segment_errors(folder / SEGMENTS, {each.name: each.n_rows for each in manifest.segments})
        if not is_gone or attempt == ATTEMPTS - 1:
            return CollectionSeen(len(manifest.segments), n_entries, (*small, *errors))
    raise AssertionError("the last attempt has returned")


def holds_records(folder: Path) -> bool:
    """Tell whether a collection's folder is sound, not that of a deleted collection, and was written to."""
    try:
        with closing(SqliteLog(folder / LOG, "read")) as log:
            log.check_pages()
            return log.news().holds_records
    except (StorageError, NotFoundError):
        return False


def _card_errors(folder: Path) -> Iterator[tuple[Path, StorageError]]:
    path = folder / CARD
    try:
        if str(read_card(folder).id) != folder.name:
            yield path, CorruptionError(f"{path} is of another collection", path=str(path), expected="its own id")
    except StorageError as error:
        yield path, error


def _lock_errors(path: Path) -> Iterator[tuple[Path, StorageError]]:
    """It holds nothing, but where SQLite cannot read it no flush can take the lock."""
    try:
        if path.exists():
            with closing(SqliteFile(path, (), mode="read")) as lock:
                lock.check_pages()
    except StorageError as error:
        yield path, error


def _log_state(path: Path) -> tuple[Manifest, int]:
    with closing(SqliteLog(path, "read")) as log:
        log.check_pages()
        news = log.news()
        return news.manifest or Manifest(), len(news.entries)


def _segment_errors(folder: Path, expected: Mapping[str, int | None]) -> tuple[list[tuple[Path, StorageError]], bool]:
    """Return what is wrong with segments, named with the rows they should have, and whether one is missing."""
    errors: list[tuple[Path, StorageError]] = []
    is_gone = False
    for name, n_rows in expected.items():
        path = folder / name
        try:
            with closing(SegmentFile.open(path)) as file:
                errors += [(path, error) for error in file.damage()]
                if n_rows not in (None, file.n_rows):
                    wanted = f"{n_rows} rows as in the manifest, not {file.n_rows}"
                    errors.append((path, CorruptionError(f"{path}: {wanted}", path=str(path), expected=wanted)))
        except (StorageError, FormatVersionError) as error:
            is_gone |= not path.exists()
            errors.append((path, error))
    return errors, is_gone


def _catalog_findings(folder: Path) -> tuple[list[Finding], set[str] | None, set[str]]:
    """Return what is wrong with the catalog, the ids of its collections (None: it cannot tell), and removed ones."""
    try:
        with closing(Catalog(folder / CATALOG, "read")) as catalog:
            catalog.check_pages()
            return [], {str(info.id) for info in catalog.state().collections}, catalog.removed()
    except StorageError as error:
        return [_finding(folder, folder / CATALOG, error)], None, set()


def _unknown_collections(folder: Path) -> list[Finding]:
    """Return collections with records that the catalog does not know: it is older than they are.

    One that is being made or deleted just now looks so for a moment, thus it is looked for several times.
    """
    unknown: list[Path] = []
    for attempt in range(ATTEMPTS):
        time.sleep(BETWEEN_S if attempt else 0)
        _, known, removed = _catalog_findings(folder)
        expected = (known or set()) | removed
        unknown = [each for each in sorted((folder / COLLECTIONS).glob("*")) if each.name not in expected]
        unknown = [each for each in unknown if not list(_card_errors(each)) and holds_records(each)]
        if known is None or not unknown:
            return []
    what = "the catalog does not know this collection: it is older than it should be"
    return [Finding(f"{COLLECTIONS}/{each.name}", None, what) for each in unknown]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except FileNotFoundError:  # another process has removed it just now
        return 0


def _gone(id_: str) -> Finding:
    return Finding(f"{COLLECTIONS}/{id_}", None, "the folder of a collection is missing")


def _finding(folder: Path, path: Path, error: StorageError) -> Finding:
    """Return an error as a finding; it names the file itself when that is another one, such as a write-ahead file."""
    if not isinstance(error, CorruptionError) or not error.path:
        return Finding(_name(folder, path), None, str(error))
    path = Path(error.path)
    has_offset = path.suffix not in (".sqlite", ".json")  # of these it is not known where
    return Finding(_name(folder, path), error.offset if has_offset else None, _what(error))


def _what(error: CorruptionError) -> str:
    return f"expected {error.expected}" if error.expected else str(error)


def _name(folder: Path, path: Path) -> str:
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)
