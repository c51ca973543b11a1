"""Verify: read every byte of a folder and say what is not what was written. Changes nothing.

Other processes may write meanwhile: each file is looked at as it is at one moment.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from chroma_search.engine.catalog import Catalog
from chroma_search.engine.collection import LOG, SEGMENTS
from chroma_search.engine.collection_card import CARD, read_card
from chroma_search.engine.database import CATALOG, COLLECTIONS
from chroma_search.errors import CorruptionError, FormatVersionError, NotFoundError, StorageError
from chroma_search.storage.log import Manifest, SqliteLog
from chroma_search.storage.segment_file import SegmentFile

Progress = Callable[[int, int], None]
"""Called with the collections done and all of them."""

ATTEMPTS = 5
"""Times that a manifest is read again when a segment it names was replaced meanwhile."""


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
    findings, known = _catalog_findings(folder)
    places = [each for each in sorted((folder / COLLECTIONS).glob("*")) if known is None or each.name in known]
    findings += [_gone(each) for each in sorted(known or ()) if not (folder / COLLECTIONS / each).exists()]
    n_segments = n_entries = 0
    for at, place in enumerate(places):
        seen = verify_collection(place)
        findings += [_from(folder, each) for each in seen.errors]
        n_segments, n_entries = n_segments + seen.n_segments, n_entries + seen.n_entries
        if progress is not None:
            progress(at + 1, len(places))
    n_bytes = sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())
    return VerifyReport(str(folder), len(places), n_segments, n_entries, n_bytes, tuple(findings))


@dataclass(frozen=True, slots=True)
class CollectionSeen:
    """What was seen of one collection's folder."""

    n_segments: int
    n_entries: int
    errors: tuple[StorageError, ...]


def verify_collection(folder: Path) -> CollectionSeen:
    """Check every byte of one collection."""
    errors: list[StorageError] = []
    try:
        read_card(folder)
    except StorageError as error:
        errors.append(_as_damage(error, folder / CARD))
    for attempt in range(ATTEMPTS):
        try:
            manifest, n_entries = _log_state(folder / LOG)
        except NotFoundError:  # it was deleted just now
            return CollectionSeen(0, 0, ())
        except StorageError as error:
            return CollectionSeen(0, 0, (*errors, error))
        found, is_gone = _segment_errors(folder / SEGMENTS, manifest)
        if not is_gone or attempt == ATTEMPTS - 1:
            errors += found
            return CollectionSeen(len(manifest.segments), n_entries, tuple(errors))
    raise AssertionError("the last attempt has returned")


def _log_state(path: Path) -> tuple[Manifest, int]:
    with closing(SqliteLog(path, "read")) as log:
        log.check_pages()
        news = log.news()
        return news.manifest or Manifest(), len(news.entries)


def _segment_errors(folder: Path, manifest: Manifest) -> tuple[list[StorageError], bool]:
    """Return what is wrong with the segments, and whether one is missing."""
    errors: list[StorageError] = []
    is_gone = False
    for entry in manifest.segments:
        path = folder / entry.name
        try:
            file = SegmentFile.open(path)
            errors += list(file.damage())
            if file.n_rows != entry.n_rows:
                raise CorruptionError(
                    f"{path} holds {file.n_rows} rows, the manifest says {entry.n_rows}", path=str(path)
                )
            file.close()
        except StorageError as error:
            is_gone |= not path.exists()
            errors.append(_as_damage(error, path))
    return errors, is_gone


def _catalog_findings(folder: Path) -> tuple[list[Finding], set[str] | None]:
    """Return what is wrong with the catalog, and the ids of its collections, None when it cannot tell."""
    try:
        with closing(Catalog(folder / CATALOG, "read")) as catalog:
            catalog.check_pages()
            return [], {str(info.id) for info in catalog.state().collections}
    except StorageError as error:
        return [_from(folder, _as_damage(error, folder / CATALOG))], None


def _gone(id_: str) -> Finding:
    return Finding(f"{COLLECTIONS}/{id_}", None, "the folder of a collection is missing")


def _as_damage(error: StorageError, path: Path) -> StorageError:
    if isinstance(error, (CorruptionError, FormatVersionError)):
        return error
    return CorruptionError(str(error), path=str(path))


def _from(folder: Path, error: StorageError) -> Finding:
    if not isinstance(error, CorruptionError) or not error.path:
        return Finding("", None, str(error))
    path = Path(error.path)
    name = str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)
    return Finding(name, error.offset, f"expected {error.expected}" if error.expected else str(error))
