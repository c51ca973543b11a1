"""Log: the durable list of writes of one collection, and its manifest - what was acknowledged, and nothing else.

A writer holds the lock of the log while it catches up with other processes, checks its write and appends it; it
acknowledges after the commit. So several processes may write one collection, and each applies the same entries in the
same order. Entries carry a checksum chained over all before them, and the head names the last: a lost, changed or
swapped one shows. The last entry is also noted beside the log (`last_commit.py`): so it shows when the end is gone. Of
a long one the log holds the place alone (`long_entries.py`).

A flush moves entries into segment files: in one transaction the manifest names the new segments, says which entries
they hold (`base_seq`), and those entries leave the log.

`NoLog` is the log of a collection in memory: it remembers nothing, for nothing has to outlive the process.
"""

from __future__ import annotations

import zlib
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import field
from pathlib import Path
from typing import Protocol

from chroma_search.errors import CorruptionError, NotFoundError
from chroma_search.record import record
from chroma_search.storage.failpoint import reach
from chroma_search.storage.files import Files, parts_of
from chroma_search.storage.last_commit import CommitNote, LastCommit
from chroma_search.storage.log_entry import PART_BYTES, LogEntry
from chroma_search.storage.long_entries import LONG_BYTES, PLACE_BYTES, LongEntries, Place
from chroma_search.storage.manifest import MANIFEST_ADDITIONS, MANIFEST_SCHEMA, Manifest, changed_manifest, put_manifest
from chroma_search.storage.sqlite_file import FORMAT_VERSION, Mode, SqliteFile

DROPPED = -1
"""`user_version` of the log of a deleted collection."""

LONG_VERSION = FORMAT_VERSION + 1
"""`user_version` of a log that has held a long entry: programs that cannot read these refuse it as a newer one."""

READING_ATTEMPTS = 5
"""Times that a log is read because a flush took a long entry away before it was read."""

SCHEMA = (
    "CREATE TABLE entries (seq INTEGER PRIMARY KEY, chain INTEGER NOT NULL, body BLOB NOT NULL)",
    "CREATE TABLE head (id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL, chain INTEGER NOT NULL)",
    *MANIFEST_SCHEMA,
)


@record()
class News:
    """What has happened in a log since one looked last.

    Attributes:
        manifest: the new one, or None while it is the one known: then `entries` follow those seen before.
        entries: writes, in order; after a new manifest, all that it does not hold.
    """

    manifest: Manifest | None = None
    entries: Sequence[LogEntry] = field(default=())

    def __bool__(self) -> bool:
        return self.manifest is not None or bool(self.entries)

    @property
    def holds_records(self) -> bool:
        """Whether anything was written and is not all flushed away; of the first news of a log."""
        return bool(self.entries) or (self.manifest is not None and bool(self.manifest.segments))


class Log(Protocol):
    """What a collection needs of its log. One object per collection and process; calls come under its lock."""

    def has_changed(self) -> bool:
        """Tell whether another process may have written."""
        ...

    def news(self) -> News:
        """Return what was written since the last call, by other processes or before this one opened the log."""
        ...

    def caught_up(self) -> None:
        """Say that the last news were applied: until then `has_changed` stays True for other threads."""
        ...

    def writing(self, *, waits: bool = True) -> AbstractContextManager[None]:
        """Hold the writer's lock; what is appended inside is durable when the block has ended."""
        ...

    def append(self, entry: LogEntry) -> None:
        """Append an entry, inside `writing`, after `news` were applied."""
        ...

    def read_again(self) -> None:
        """Forget what was seen: the next `news` give everything."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


class NoLog:
    """The log of a collection that lives in memory."""

    def has_changed(self) -> bool:
        """Return False: nobody else writes."""
        return False

    def news(self) -> News:
        """Return nothing."""
        return News()

    def caught_up(self) -> None:
        """Do nothing."""

    def writing(self, *, waits: bool = True) -> AbstractContextManager[None]:
        """Hold nothing: the collection has its own lock."""
        return nullcontext()

    def append(self, entry: LogEntry) -> None:
        """Forget the entry."""

    def read_again(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class SqliteLog:
    """A log in an SQLite file.

    Args:
        path: the file.
        mode: see `SqliteFile`.

    Raises:
        CorruptionError: it is missing, or damaged.
        FormatVersionError: a newer program has written it.
    """

    def __init__(self, path: Path, mode: Mode = "create") -> None:
        self._path = path
        self._note = CommitNote(path)
        self._noted = self._note.read()  # before the log; what others append from now on is not in it
        self._file = SqliteFile(path, SCHEMA, additions=MANIFEST_ADDITIONS, mode=mode, newest=LONG_VERSION)
        self._long = LongEntries(path.parent)
        self._version = -1  # of the manifest that this process has seen
        self._seq = 0
        self._chain = 0
        self._n_bytes = 0
        self._data_version = -1
        self._news_version = -1
        self.manifest = Manifest()
        """The manifest, as far as this process has seen."""
        self._unseen_version = -1  # what `_data_version` was before a manifest was put
        self._appended_after: list[tuple[int, int]] = []  # of the running transaction: what to return to

    def has_changed(self) -> bool:
        """Tell whether another process has committed since the news that were applied last."""
        return self._file.data_version() != self._data_version

    def news(self) -> News:
        """Return what was written since the last call.

        Raises:
            CorruptionError: an entry or the manifest is not what its checksum says.
            NotFoundError: the collection was deleted.
        """
        for _ in range(READING_ATTEMPTS - 1):
            try:
                return self._news()
            except FileNotFoundError:  # another process has flushed the entry since its row was read: read all anew
                self.read_again()
        try:
            return self._news()
        except FileNotFoundError as error:
            path = str(error.filename)
            raise CorruptionError(
                f"{path} is missing, with writes of the log {self._path}: repair() the folder, or restore the file",
                path=path,
                expected="a file",
            ) from error

    def _news(self) -> News:
        self._news_version = self._file.data_version()  # before the reading: what comes in between shows next time
        with self._file.reading():
            if self._file.execute("PRAGMA user_version")[0][0] == DROPPED:
                raise NotFoundError("the collection was deleted", kind="collection", name=self._path.parent.name)
            manifest = changed_manifest(self._file, self._version)
            if manifest is not None:
                self._version, self._seq, self._chain = manifest.version, manifest.base_seq, manifest.base_chain
                self._n_bytes, self.manifest = 0, manifest
            return News(manifest, self._new_entries())

    def caught_up(self) -> None:
        """Say that the last news were applied."""
        self._data_version = self._news_version

    @contextmanager
    def writing(self, *, waits: bool = True) -> Generator[None]:
        """Hold the writer's lock of the file; see `SqliteFile.writing`."""
        self._appended_after.clear()
        self._long.begin()
        try:
            with self._file.writing(waits=waits):
                try:
                    yield
                    reach("log.before_commit")
                except BaseException:
                    self._long.take_back()
                    raise
        except BaseException:
            if self._appended_after:
                self._seq, self._chain = self._appended_after[0]
            raise
        reach("log.after_commit")
        if self._appended_after:
            self._note.write(LastCommit(self._seq, self._chain))

    def append(self, entry: LogEntry) -> None:
        """Append an entry after all others; a long one in parts.

        Raises:
            InvalidArgumentError: a single record is longer than a log can hold.
        """
        if entry.vectors is not None and entry.vectors.nbytes > PART_BYTES:
            pieces = None
        else:
            pieces = entry.to_pieces()
        if pieces is None or (_n_bytes(pieces) > PART_BYTES and len(entry.ids) > 1):
            for part in entry.parts():
                self._append(part.to_pieces())
        else:
            self._append(pieces)

    def _append(self, pieces: Sequence[bytes | memoryview]) -> None:
        seq, n_bytes = self._seq + 1, _n_bytes(pieces)
        reach("log.before_append")
        if n_bytes >= LONG_BYTES:
            chain = chained(self._chain, seq, *pieces)
            if self._file.execute("PRAGMA user_version") == [(FORMAT_VERSION,)]:
                self._file.execute(f"PRAGMA user_version = {LONG_VERSION}")
            body = self._long.append(max(self._version, 0), chain, pieces).to_bytes()
        else:
            body = b"".join(pieces)
            chain = chained(self._chain, seq, body)
        self._file.execute("INSERT INTO entries VALUES (?, ?, ?)", (seq, chain, body))
        self._file.execute("INSERT OR REPLACE INTO head VALUES (1, ?, ?)", (seq, chain))
        reach("log.after_append")
        self._n_bytes += n_bytes
        self._appended_after.append((self._seq, self._chain))
        self._seq, self._chain = seq, chain

    @property
    def position(self) -> tuple[int, int, int]:
        """Version of the manifest, number and checksum of the last entry that this process has seen."""
        return self._version, self._seq, self._chain

    @property
    def n_bytes(self) -> int:
        """Bytes of the entries that no segment holds, as far as this process has seen."""
        return self._n_bytes

    def put_manifest(self, manifest: Manifest) -> None:
        """Take a new manifest, inside `writing`; the entries that its segments hold leave the log.

        The next `news` give it back, to all processes; to this one not when it says `adopt`.
        """
        put_manifest(self._file, manifest)
        self._file.execute("DELETE FROM entries WHERE seq <= ?", (manifest.base_seq,))
        self._unseen_version, self._data_version = self._data_version, -1

    def adopt(self, manifest: Manifest, *, n_flushed_bytes: int) -> None:
        """Say that this process has the state that the manifest just put leads to, and need not read it.

        Args:
            manifest: the one that was put, and committed.
            n_flushed_bytes: bytes of the entries that have left the log.
        """
        self._version, self.manifest = manifest.version, manifest
        self._n_bytes -= n_flushed_bytes
        self._data_version = self._unseen_version

    def begin(self, manifest: Manifest) -> None:
        """Fill a new log with a manifest, as if all entries up to its last one had been flushed."""
        with self._file.writing():
            self.put_manifest(manifest)
            self._file.execute("INSERT INTO head VALUES (1, ?, ?)", (manifest.base_seq, manifest.base_chain))
        self._note.write(LastCommit(manifest.base_seq, manifest.base_chain))

    def reclaim(self) -> None:
        """Remove the files of long entries that have left the log, after the manifest that says so is committed."""
        if not self._long.found():
            return
        with self._file.reading():
            version = self._file.execute("SELECT version FROM manifest") or [(0,)]
            kept = self._places()
        self._long.reclaim(version[0][0], {place.version for place in kept})

    def n_free_bytes(self) -> int:
        """Return the bytes of the file that hold nothing."""
        return self._file.n_free_bytes()

    def shrink(self, *, wait_s: float = 0.0) -> bool:
        """Give the room of entries that have left the log back to the file system; see `SqliteFile.shrink`."""
        return self._file.shrink(wait_s=wait_s)

    def check_pages(self) -> None:
        """Check that the file is a sound database; `news` check what is in it.

        Raises:
            CorruptionError: it is not.
        """
        self._file.check_pages()

    def copy_to(self, path: Path) -> None:
        """Write a copy of the log as it is at this moment, with the note of its last entry: reading it checks both.

        Its long entries are to be copied then: `copy_long_entries` of the copy.
        """
        self._file.copy_to(path)
        if self._noted is not None:
            CommitNote(path).write(self._noted)

    def copy_long_entries(self, source: Path, files: Files) -> None:
        """Copy to this log's folder what its long entries need.

        Args:
            source: folder of the log that this one is a copy of.
            files: the disk.

        Raises:
            FileNotFoundError: a file is gone, for a flush has moved its entries since the log was copied.
            StorageError: the disk is full, or fails.
        """
        for version in sorted({place.version for place in self._places()}):
            with LongEntries(source).path(version).open("rb") as file:
                files.write_file(self._long.path(version), parts_of(file))

    def read_again(self) -> None:
        """Forget what was seen: the next `news` give everything."""
        self._version = self._data_version = -1

    def drop(self) -> None:
        """Mark the log: every later `news` of any process fails."""
        with self._file.writing():
            self._file.execute(f"PRAGMA user_version = {DROPPED}")

    def close(self) -> None:
        """Close the connection."""
        self._file.close()
        self._note.close()

    def long_files(self) -> set[Path]:
        """Return the files that long entries lie in."""
        return {self._long.path(place.version) for place in self._places()}

    def _places(self) -> list[Place]:
        """Return where the long entries lie."""
        statement = f"SELECT body FROM entries WHERE length(body) = {PLACE_BYTES}"
        found = (Place.of(body) for (body,) in self._file.execute(statement) if isinstance(body, bytes))
        return [place for place in found if place is not None]

    def _new_entries(self) -> list[LogEntry]:
        entries: list[LogEntry] = []
        rows = self._file.execute("SELECT seq, chain, body FROM entries WHERE seq > ? ORDER BY seq", (self._seq,))
        for seq, chain, stored in rows:
            is_next = seq == self._seq + 1 and isinstance(stored, bytes)  # a damaged column may be of any type
            place = Place.of(stored) if is_next else None
            body = stored if place is None else self._long.body(place)
            if not is_next or chain != chained(self._chain, seq, body):
                if place is not None and place.chain == chain:
                    raise self._damaged_long(seq, place)
                raise self._damaged(f"entry {seq} of {self._path} does not follow entry {self._seq}", seq)
            self._n_bytes += len(body)
            entries.append(LogEntry.from_bytes(body))
            self._seq, self._chain = seq, chain
        head = self._file.execute("SELECT seq, chain FROM head") or [(0, 0)]
        if head != [(self._seq, self._chain)]:
            raise self._damaged(f"the log {self._path} ends with entry {self._seq}, not with {head[0][0]}", self._seq)
        self._check_end()
        return entries

    def _check_end(self) -> None:
        """Compare with the note that was there at the opening."""
        noted, self._noted = self._noted, None
        if noted is not None and noted.is_missing_from(LastCommit(self._seq, self._chain)):
            self._noted = noted
            raise CorruptionError(
                f"the log {self._path} ends with write {self._seq}, but write {noted.number} was acknowledged: the "
                "last writes are lost; repair() the folder to go on without them, or restore it from a backup",
                path=str(self._path),
                offset=self._seq,
                expected=f"all writes up to number {noted.number}, not {self._seq}",
            )

    def _damaged(self, what: str, seq: int) -> CorruptionError:
        return CorruptionError(
            f"{what}: the log is damaged",
            path=str(self._path),
            offset=seq,
            expected=f"entry {self._seq + 1} with the checksum chained to it",
        )

    def _damaged_long(self, seq: int, place: Place) -> CorruptionError:
        path = str(self._long.path(place.version))
        return CorruptionError(
            f"entry {seq} of the log {self._path} is damaged, which lies in {path} from byte {place.offset} on",
            path=path,
            offset=place.offset,
            expected=f"{place.length} bytes as the checksum in the log says",
        )


def chained(chain: int, seq: int, *pieces: bytes | memoryview) -> int:
    """Return the checksum of an entry, given as its body in pieces, that follows one with the checksum `chain`."""
    found = zlib.crc32(f"{chain} {seq}".encode())
    for each in pieces:
        found = zlib.crc32(each, found)
    return found


def _n_bytes(pieces: Sequence[bytes | memoryview]) -> int:
    return sum(map(len, pieces))
