"""Repair: make a damaged folder whole again, keep all that can be kept, and say what is lost.

A damaged collection is built anew beside the old one from the records and log entries that are still what was written
(`storage/salvage.py`, `storage/log_salvage.py`), with new indexes, and takes its place by two renames; the old files
move to `damaged/`. A damaged catalog is built from its sound rows and from the cards of the collections. Cut short at
any moment, repair can simply run again. Sound collections are not touched.

Nobody else may have the folder open meanwhile. Memory: the records of one collection.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field, replace
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
    SoundRows,
    sound_rows,
)
from chroma_search.engine.collection import CollectionEngine
from chroma_search.engine.collection_card import CARD, read_card, write_card
from chroma_search.engine.collection_home import LOG, SEGMENTS
from chroma_search.engine.database_folder import CATALOG, COLLECTIONS, DAMAGED
from chroma_search.engine.record_store import RecordStore
from chroma_search.engine.verifying import Progress, holds_records, verify, verify_collection
from chroma_search.errors import ChromaSearchError, CorruptionError, FormatVersionError, StorageError
from chroma_search.schema.configuration import CollectionConfig
from chroma_search.storage.failpoint import reach
from chroma_search.storage.files import DiskFiles, Files
from chroma_search.storage.last_commit import CommitNote
from chroma_search.storage.log import SqliteLog
from chroma_search.storage.log_salvage import SalvagedLog, salvage_log
from chroma_search.storage.manifest import Manifest
from chroma_search.storage.rows import Rows
from chroma_search.storage.salvage import LOST_OFFSET, name_of_segment, salvage_segment
from chroma_search.storage.segment import IndexSpec, Segment
from chroma_search.storage.segment_folder import LOCKS, SUFFIX, SegmentFolder
from chroma_search.storage.snapshot import SegmentState

REPAIRING = "repairing"
NOTE = ".note"
"""What the name of a file ends in that says what was built, and what is to be reported of it."""


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
        what was built anew, and what was lost; also by an earlier repair of the folder that was cut short.

    Raises:
        NotFoundError: there are no data in it.
        StorageError: it cannot be read or written, or the disk is full; nothing is lost then.
    """
    folder = Path(path).expanduser().resolve()
    is_clean = verify(folder).is_clean
    run = _Repair(folder, DiskFiles())
    if is_clean and not (folder / REPAIRING).exists():
        return RepairReport(str(folder), (), (), None)
    try:
        run.finish_earlier()
        run.mend_catalog()
        run.mend_collections(progress)
    except OSError as error:
        raise StorageError(f"cannot repair {folder}: {error.strerror or error}") from error
    shutil.rmtree(folder / REPAIRING, ignore_errors=True)
    return RepairReport(str(folder), tuple(run.collections), tuple(run.notes), run.damaged)


@dataclass
class _Repair:
    """One run. What was done is also noted in files, so that a run that was cut short is reported by the next one."""

    folder: Path
    files: Files
    collections: list[RepairedCollection] = field(default_factory=list[RepairedCollection])
    notes: list[str] = field(default_factory=list[str])

    @property
    def damaged(self) -> str | None:
        """Where the damaged files are, if there are any."""
        aside = self.folder / DAMAGED
        return str(aside) if (self.collections or self.notes) and aside.exists() else None

    def finish_earlier(self) -> None:
        """Take up where an earlier repair was cut short: between its two renames, or before the first."""
        making = self.folder / REPAIRING
        for note in sorted(making.glob(f"*{NOTE}")):
            built = note.with_suffix("")
            place = self.folder / (CATALOG if built.name == CATALOG else f"{COLLECTIONS}/{built.name}")
            if built.exists() and place.exists():  # it is made once more
                note.unlink()
            elif built.exists():  # and complete, for the note was written after it
                self._put_aside_with_log(place)
                self._rename(built, place)
            if note.exists():
                self._take_note(note)
        for left in making.glob("*"):
            if left.is_dir():
                shutil.rmtree(left)
            elif left.suffix != NOTE:
                left.unlink()

    def _note(self, built: Path, facts: dict[str, Any]) -> Path:
        """Note, durably, that what was built is complete and waits for its place, and what is to be reported of it."""
        note = built.with_name(built.name + NOTE)
        self.files.write_file(note, [json.dumps(facts).encode()])
        return note

    def _take_note(self, note: Path) -> None:
        known = json.loads(note.read_bytes())
        self.notes += known.get("notes", [])
        if "name" in known:
            known["losses"] = tuple(known["losses"])
            self.collections.append(RepairedCollection(**known))

    # --- the catalog --------------------------------------------------------------------------------------------------

    def mend_catalog(self) -> None:
        """Build the catalog anew where it is damaged, or does not know a collection that is there."""
        path = self.folder / CATALOG
        left = sound_rows(path)
        unknown: list[CollectionInfo] = []
        try:
            with closing(Catalog(path, "read")) as catalog:
                catalog.check_pages()
                catalog.state()
                removed = catalog.removed()
            known = {str(info.id) for info in left.collections} | removed
            unknown = [info for place, info in self._cards() if place.name not in known and holds_records(place)]
            if not unknown:
                return
            notes = list[str]()
        except FormatVersionError:
            if not left.collections:  # else only the number of the version is damaged
                raise
            notes = [_lost_rows(left)]
        except CorruptionError:
            notes = [_lost_rows(left)]
            unknown = [info for _, info in self._cards() if info.id not in {each.id for each in left.collections}]
        notes += [f"collection {info.name!r} was found by the card in its folder" for info in unknown]
        collections = _with_names_of_their_own([*left.collections, *unknown], notes)
        built = self.folder / REPAIRING / CATALOG
        self.files.make_folder(built.parent)
        with closing(Catalog(built)) as catalog, catalog.writing():
            catalog.clear()
            self._fill(catalog, left.tenants, left.databases, collections)
        self._swap(built, path, {"notes": notes})

    def _swap(self, built: Path, place: Path, facts: dict[str, Any]) -> None:
        """Let what was built take its place; what is there is put aside."""
        note = self._note(built, facts)
        reach("repair.before_swap")
        self._put_aside_with_log(place)
        reach("repair.between")
        self._rename(built, place)
        reach("repair.after_swap")
        self._take_note(note)

    def _cards(self) -> Iterator[tuple[Path, CollectionInfo]]:
        for place in sorted((self.folder / COLLECTIONS).glob("*")):
            with suppress(StorageError):
                info = read_card(place)
                if str(info.id) == place.name and not salvage_log(place / LOG).is_dropped:
                    yield place, info

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

    def mend_collections(self, progress: Progress | None) -> None:
        """Mend every damaged collection."""
        with closing(Catalog(self.folder / CATALOG, "open")) as catalog:
            collections = catalog.state().collections
        for at, info in enumerate(collections):
            place = self.folder / COLLECTIONS / str(info.id)
            damaged = {Path(path) for path, _ in verify_collection(place).errors} if place.exists() else {place}
            if damaged - {place / CARD, *(place / SEGMENTS / lock for lock in LOCKS)}:
                self._rebuild(info, place)
            elif damaged:
                self._replace_small(info, place, damaged)
            if progress is not None:
                progress(at + 1, len(collections))

    def _replace_small(self, info: CollectionInfo, place: Path, damaged: set[Path]) -> None:
        """Make the card, or the lock of the flushes, again; neither holds anything of its own."""
        for path in damaged:
            self._put_aside_with_log(path)
        if place / CARD in damaged:
            write_card(self.files, place, info)
        with closing(_engine_of(info, place)) as engine:
            self.collections.append(RepairedCollection(info.name, str(info.id), engine.count(), ()))

    def _rebuild(self, info: CollectionInfo, place: Path) -> None:
        """Build a collection anew from what is left of its records and writes."""
        log = salvage_log(place / LOG)
        losses = list(log.losses) if place.exists() else ["everything: its folder was missing"]
        store = RecordStore(_spec_of(info), seals=False)
        _load(store, log, place / SEGMENTS, losses)
        for seq, entry in sorted(log.entries.items()):
            try:
                store.check(entry)
                store.apply(entry)
            except (ChromaSearchError, ValueError, TypeError, IndexError):
                losses.append(f"{LOG}: 1 write (number {seq}), which does not fit the others")
        store.compact()
        built = self.folder / REPAIRING / place.name
        self._build(built, info, store, log.last_seq)
        facts = RepairedCollection(info.name, str(info.id), store.snapshot.n_live, tuple(losses))
        self._swap(built, place, asdict(facts))

    def _build(self, built: Path, info: CollectionInfo, store: RecordStore, last_seq: int) -> None:
        self.files.make_folder(built / SEGMENTS)
        write_card(self.files, built, info)
        segments = SegmentFolder(built / SEGMENTS, self.files)
        entries = tuple(segments.write(state) for state in store.snapshot.segments if state.n_live)
        manifest = Manifest(1, last_seq, 0, store.next_offset, store.snapshot.dimension, entries, store.n_ops)
        with closing(SqliteLog(built / LOG)) as log:
            log.begin(manifest)
        self.files.sync_folder(built)

    def _put_aside_with_log(self, path: Path) -> None:
        """Put a file or a folder aside; of a database also what stands beside it, which must not meet the new one."""
        beside = [path.with_name(f"{path.name}{suffix}") for suffix in ("-wal", "-shm")]
        for each in (path, *beside, *([CommitNote(path).path] if path.suffix else [])):
            if each.exists():
                self._put_aside(each)

    def _put_aside(self, path: Path) -> None:
        """Move damaged files to where they are in nobody's way."""
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


def _spec_of(info: CollectionInfo) -> IndexSpec:
    config = CollectionConfig.from_stored(info.config)
    return IndexSpec(config.space, config.index_kind, config.index_params)


def _engine_of(info: CollectionInfo, place: Path) -> CollectionEngine:
    config = CollectionConfig.from_stored(info.config)
    return CollectionEngine(info.name, info.tenant, info.database, config, id=info.id, folder=place, reads_only=True)


def _lost_rows(left: SoundRows) -> str:
    if left.n_changes_lost:
        return f"its last {left.n_changes_lost} changes are lost"
    if left.n_lost is None:
        return "it was damaged, and was made again; whether tenants or databases are missing cannot be told"
    lost = f"{left.n_lost} of its rows are lost" if left.n_lost else "none of its rows is lost"
    return f"it was damaged, and was made again; {lost}"


def _load(store: RecordStore, log: SalvagedLog, folder: Path, losses: list[str]) -> None:
    """Put what is left of the segments into the store."""
    named = {entry.name: entry for entry in log.segments}
    names = list(named)
    places = _places(folder)
    if log.n_unnamed != 0:
        # Files that the manifest does not name may be older than those it names: they come first, and lose.
        names = [*(name for name in places if name not in named), *names]
    parts: list[Rows] = []
    for name in names:
        entry = named.get(name)
        if name not in places and (folder / name).exists():
            losses.append(
                f"{name}: all its records ({entry.n_live if entry else 'unknown'}), for it holds another segment"
            )
            continue
        try:
            left = salvage_segment(places.get(name, folder / name), None if entry is None else entry.dead)
        except StorageError as error:
            losses.append(f"{name}: all its records ({'unknown' if entry is None else entry.n_live}): {error}")
            continue
        losses += left.losses
        if len(left.at):
            parts.append(left.rows)
    manifest = log.manifest or Manifest()
    dimension = parts[-1].vectors.shape[1] if parts else manifest.dimension
    next_offset = max([1, manifest.next_offset, *(int(rows.offset_ids.max()) + 1 for rows in parts)])
    states: list[SegmentState] = []
    for at, rows in enumerate(parts):
        if rows.vectors.shape[1] != dimension:
            losses.append(f"{len(rows)} records of dimension {rows.vectors.shape[1]}, the others have {dimension}")
            continue
        fresh = np.flatnonzero(rows.offset_ids == LOST_OFFSET)
        rows.offset_ids[fresh] = np.arange(next_offset, next_offset + len(fresh))
        next_offset += len(fresh)
        states.append(SegmentState.of(Segment(f"left-{at}", rows, store.spec, None)))
    store.load(_without_twins(states), dimension, next_offset, manifest.n_ops)


def _places(folder: Path) -> dict[str, Path]:
    """Return the segment files by the names they were written under, oldest first: files may have changed places.

    A file over which another one was copied has no place; whoever looks under its name finds none.
    """
    files = sorted(folder.glob(f"*{SUFFIX}"), key=lambda each: each.stat().st_mtime_ns)
    return {name_of_segment(path): path for path in files}


def _without_twins(states: list[SegmentState]) -> list[SegmentState]:
    """Let only the last row of each id live: of segments without a manifest, older ones may hold replaced records."""
    seen: set[str] = set()
    kept: list[SegmentState] = []
    for state in reversed(states):
        live = np.ones(state.segment.n_rows, np.bool_)
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
