"""Repair: make a damaged folder whole again, keep all that can be kept, and say what is lost.

A damaged collection is built anew beside the old one from the records and log entries that are still what was written
(`storage/salvage.py`, `storage/log_salvage.py`), with new indexes, and takes its place by two renames; the old files
move to `damaged/`. A damaged catalog is built from its sound rows and from the cards of the collections. Cut short at
any moment, repair can simply run again. Sound collections are not touched.

Nobody else may have the folder open meanwhile. Memory: the records of one collection.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from chroma_search.engine.catalog import (
    DEFAULT_DATABASE,
    DEFAULT_TENANT,
    Catalog,
    CollectionInfo,
    DatabaseInfo,
    sound_rows,
)
from chroma_search.engine.collection import LOG, SEGMENTS
from chroma_search.engine.collection_card import read_card, write_card
from chroma_search.engine.database import CATALOG, COLLECTIONS, DAMAGED
from chroma_search.engine.verifying import Progress, verify, verify_collection
from chroma_search.engine.writing import RecordStore
from chroma_search.errors import ChromaSearchError, CorruptionError, FormatVersionError, StorageError
from chroma_search.schema.configuration import CollectionConfig
from chroma_search.storage.failpoint import reach
from chroma_search.storage.files import DiskFiles, Files
from chroma_search.storage.log import Manifest, SegmentEntry, SqliteLog
from chroma_search.storage.log_salvage import SalvagedLog, salvage_log
from chroma_search.storage.salvage import LOST_OFFSET, Salvaged, salvage_segment
from chroma_search.storage.segment import IndexSpec, Segment
from chroma_search.storage.segment_folder import SUFFIX, SegmentFolder
from chroma_search.storage.snapshot import SegmentState

REPAIRING = "repairing"


@dataclass(frozen=True, slots=True)
class RepairedCollection:
    """What became of one collection.

    Attributes:
        name, id: which one.
        n_records: records that it has now.
        losses: what could not be kept, in words; empty when only indexes were damaged.
    """

    name: str
    id: str
    n_records: int
    losses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RepairReport:
    """What `repair` did.

    Attributes:
        folder: what was repaired.
        collections: those that were built anew.
        catalog: what was done to the catalog, in words; empty when it was sound.
        damaged: where the damaged files are now; None when there were none.
    """

    folder: str
    collections: tuple[RepairedCollection, ...]
    catalog: tuple[str, ...]
    damaged: str | None

    @property
    def is_lossless(self) -> bool:
        """True when every record and every write was kept."""
        return not self.catalog and not any(each.losses for each in self.collections)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        collections = [
            {"name": each.name, "id": each.id, "n_records": each.n_records, "losses": list(each.losses)}
            for each in self.collections
        ]
        facts = {"folder": self.folder, "lossless": self.is_lossless, "damaged": self.damaged}
        return {**facts, "catalog": list(self.catalog), "collections": collections}

    def __str__(self) -> str:
        if not self.collections and not self.catalog:
            return f"{self.folder}: nothing to repair"
        lines = [f"{self.folder}: repaired", *(f"  catalog: {each}" for each in self.catalog)]
        for each in self.collections:
            lost = "nothing was lost" if not each.losses else "lost:"
            lines.append(f"  collection {each.name!r}: {each.n_records} records, {lost}")
            lines += [f"    {loss}" for loss in each.losses]
        lines.append(f"the damaged files are in {self.damaged}: remove them when you no longer need them")
        return "\n".join(lines)


def repair(path: str | PathLike[str], *, progress: Progress | None = None) -> RepairReport:
    """Make a damaged folder whole again; no process may have it open.

    Args:
        path: the folder of a `PersistentClient`.
        progress: called after each collection with the number done and the number there are.

    Returns:
        what was built anew, and what was lost.

    Raises:
        NotFoundError: there are no data in it.
        StorageError: it cannot be read or written, or the disk is full; nothing is lost then.
    """
    folder = Path(path).expanduser().resolve()
    report = verify(folder)
    run = _Repair(folder, DiskFiles())
    run.finish_earlier()
    notes = run.mend_catalog()
    if report.is_clean and not notes and not run.is_begun:
        return RepairReport(str(folder), (), (), None)
    repaired = tuple(run.mend_collections(progress))
    return RepairReport(str(folder), repaired, tuple(notes), str(folder / DAMAGED) if run.has_moved else None)


@dataclass
class _Repair:
    folder: Path
    files: Files
    is_begun: bool = field(default=False)
    has_moved: bool = field(default=False)

    def finish_earlier(self) -> None:
        """Take up where an earlier repair was cut short: between its two renames, or before the first."""
        for built in sorted((self.folder / REPAIRING).glob("*")):
            self.is_begun = True
            place = self.folder / COLLECTIONS / built.name
            if built.is_dir() and not place.exists() and not verify_collection(built).errors:
                self._rename(built, place)
            if built.name == CATALOG and not (self.folder / CATALOG).exists():
                with suppress(StorageError), closing(Catalog(built, "open")) as catalog:
                    catalog.state()
                    self._rename(built, self.folder / CATALOG)
        shutil.rmtree(self.folder / REPAIRING, ignore_errors=True)

    # --- the catalog --------------------------------------------------------------------------------------------------

    def mend_catalog(self) -> list[str]:
        """Build the catalog anew where it is damaged; return what was done."""
        path = self.folder / CATALOG
        tenants, databases, collections = sound_rows(path)
        try:
            with closing(Catalog(path, "open")) as catalog:
                catalog.check_pages()
                catalog.state()
            return []
        except FormatVersionError:
            if not collections:  # else only the number of the version is damaged
                raise
        except CorruptionError:
            pass
        notes = ["it was damaged, and was made again"]
        known = {info.id for info in collections}
        for info in self._cards():
            if info.id not in known:
                collections.append(info)
                notes.append(f"collection {info.name!r} was found by the card in its folder")
        collections = _with_names_of_their_own(collections, notes)
        new = self.folder / REPAIRING / CATALOG
        self.files.make_folder(new.parent)
        with closing(Catalog(new)) as catalog, catalog.writing():
            catalog.clear()
            self._fill(catalog, tenants, databases, collections)
        for suffix in ("", "-wal", "-shm"):
            old = path.with_name(path.name + suffix)
            if old.exists():
                self._put_aside(old)
        reach("repair.between")
        self._rename(new, path)
        return notes

    def _cards(self) -> Iterator[CollectionInfo]:
        for place in sorted((self.folder / COLLECTIONS).glob("*")):
            with suppress(StorageError):
                info = read_card(place)
                if str(info.id) == place.name and not salvage_log(place / LOG).is_dropped:
                    yield info

    @staticmethod
    def _fill(
        catalog: Catalog, tenants: set[str], databases: list[DatabaseInfo], collections: list[CollectionInfo]
    ) -> None:
        tenants |= {info.tenant for info in (*databases, *collections)}
        named = {(info.tenant, info.name): info for info in databases}
        for info in collections:
            named.setdefault((info.tenant, info.database), DatabaseInfo(uuid.uuid4(), info.database, info.tenant))
        for tenant in sorted(tenants - {DEFAULT_TENANT}):
            catalog.add_tenant(tenant)
        for info in named.values():
            if (info.tenant, info.name) != (DEFAULT_TENANT, DEFAULT_DATABASE):
                catalog.add_database(info)
        for info in collections:
            catalog.put_collection(info)

    # --- the collections ----------------------------------------------------------------------------------------------

    def mend_collections(self, progress: Progress | None) -> Iterator[RepairedCollection]:
        """Build every damaged collection anew."""
        with closing(Catalog(self.folder / CATALOG, "open")) as catalog:
            collections = catalog.state().collections
        for at, info in enumerate(collections):
            place = self.folder / COLLECTIONS / str(info.id)
            if not place.exists() or verify_collection(place).errors:
                yield self._mended(info, place)
            if progress is not None:
                progress(at + 1, len(collections))

    def _mended(self, info: CollectionInfo, place: Path) -> RepairedCollection:
        log = salvage_log(place / LOG)
        losses = list(log.losses) if place.exists() else ["everything: its folder was missing"]
        config = CollectionConfig.from_stored(info.config)
        spec = IndexSpec(config.space, config.index_kind, config.index_params)
        store = RecordStore(spec, seals=False)
        _load(store, log, place / SEGMENTS, losses)
        for seq, entry in sorted(log.entries.items()):
            try:
                store.check(entry)
                store.apply(entry)
            except (ChromaSearchError, ValueError, TypeError, IndexError):
                losses.append(f"{LOG}: write {seq}, which does not fit the others")
        store.compact()
        built = self.folder / REPAIRING / place.name
        self._build(built, info, store, log.last_seq)
        reach("repair.before_swap")
        if place.exists():
            self._put_aside(place)
        reach("repair.between")
        self._rename(built, place)
        reach("repair.after_swap")
        return RepairedCollection(info.name, str(info.id), store.snapshot.n_live, tuple(losses))

    def _build(self, built: Path, info: CollectionInfo, store: RecordStore, last_seq: int) -> None:
        shutil.rmtree(built, ignore_errors=True)
        self.files.make_folder(built / SEGMENTS)
        write_card(self.files, built, info)
        segments = SegmentFolder(built / SEGMENTS, self.files)
        entries = tuple(segments.write(state) for state in store.snapshot.segments if state.n_live)
        manifest = Manifest(1, last_seq, 0, store.next_offset, store.snapshot.dimension, entries)
        with closing(SqliteLog(built / LOG)) as log:
            log.begin(manifest)
        self.files.sync_folder(built)

    def _put_aside(self, path: Path) -> None:
        """Move damaged files to where they are in nobody's way."""
        self.has_moved = True
        self.files.make_folder(self.folder / DAMAGED)
        for number in range(10_000):
            target = self.folder / DAMAGED / (path.name if not number else f"{path.name}.{number}")
            if not target.exists():
                return self._rename(path, target)
        raise StorageError(f"{self.folder / DAMAGED} is full of earlier repairs: remove it")

    def _rename(self, source: Path, target: Path) -> None:
        try:
            os.replace(source, target)
        except OSError as error:
            raise StorageError(f"cannot rename {source} to {target}: {error.strerror}") from error
        for each in {source.parent, target.parent}:
            self.files.sync_folder(each)


def _load(store: RecordStore, log: SalvagedLog, folder: Path, losses: list[str]) -> None:
    """Put what is left of the segments into the store."""
    entries = {entry.name: entry for entry in log.segments}
    names = [entry.name for entry in log.segments]
    if log.manifest is None or not names:
        found = sorted(folder.glob(f"*{SUFFIX}"), key=lambda each: each.stat().st_mtime_ns)
        names += [each.name for each in found if each.name not in entries and log.manifest is None]
    parts: list[tuple[Salvaged, SegmentEntry | None]] = []
    for name in names:
        try:
            left = salvage_segment(folder / name)
        except StorageError as error:
            n_rows = entries[name].n_rows if name in entries else "unknown"
            losses.append(f"{name}: all its records ({n_rows}): {error}")
            continue
        losses += left.losses
        if len(left.at):
            parts.append((left, entries.get(name)))
    dimension = parts[-1][0].rows.vectors.shape[1] if parts else None
    known = [] if log.manifest is None else [log.manifest.next_offset]
    next_offset = max([1, *known, *(int(left.rows.offset_ids.max()) + 1 for left, _ in parts)])
    states: list[SegmentState] = []
    for at, (left, entry) in enumerate(parts):
        rows = left.rows
        if rows.vectors.shape[1] != dimension:
            losses.append(f"{len(rows)} records of dimension {rows.vectors.shape[1]}, the others have {dimension}")
            continue
        fresh = np.flatnonzero(rows.offset_ids == LOST_OFFSET)
        rows.offset_ids[fresh] = np.arange(next_offset, next_offset + len(fresh))
        next_offset += len(fresh)
        live = np.ones(len(rows), np.bool_)
        if entry is not None and entry.dead is not None and entry.n_rows == left.n_rows:
            dead = np.unpackbits(np.frombuffer(entry.dead, np.uint8), count=entry.n_rows).astype(np.bool_)
            live = ~dead[left.at]
        segment = Segment(f"left-{at}", rows, store.spec, None)
        states.append(SegmentState(segment, live, int(np.count_nonzero(live))))
    store.load(_without_twins(states), dimension, next_offset)


def _without_twins(states: list[SegmentState]) -> list[SegmentState]:
    """Let only the last row of each id live: of segments without a manifest, older ones may hold replaced records."""
    seen: set[str] = set()
    kept: list[SegmentState] = []
    for state in reversed(states):
        assert state.live is not None
        live = state.live.copy()
        ids: list[str] = list(state.segment.rows.ids)
        for row in np.flatnonzero(live)[::-1].tolist():
            live[row] = ids[row] not in seen
            seen.add(ids[row])
        kept.append(SegmentState(state.segment, live, int(np.count_nonzero(live))))
    return kept[::-1]


def _with_names_of_their_own(collections: list[CollectionInfo], notes: list[str]) -> list[CollectionInfo]:
    taken: set[tuple[str, str, str]] = set()
    kept: list[CollectionInfo] = []
    for info in collections:
        named, number = info, 2
        while named.place in taken:
            named, number = replace(info, name=f"{info.name}-{number}"), number + 1
        if named is not info:
            notes.append(f"a second collection {info.name!r} is now called {named.name!r}")
        taken.add(named.place)
        kept.append(named)
    return kept
