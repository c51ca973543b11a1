"""What a power cut may leave of a folder, worked out from the trace of the process that wrote it.

The rules are those of POSIX, which promise less than most file systems keep:

* The content of a file is safe when the file was synced; what was written since may be there or not, write by write and
  sector by sector, also with zeros in place of what is missing. A length is content.
* A name (made, renamed, removed; of a file or a folder) is safe when its folder was synced. Until then each name is old
  or new by itself, whatever the order of the calls, but one name goes through its states in order, a rename is one
  step, and whoever lost the name of a folder lost what is below it.
* After an fsync that failed, what it should have written may be lost although the next fsync succeeds.
* SQLite's -shm files are not traced: they are gone, or full of noise.

`Cut` says how much of what is not safe survives. Sources: T. Pillai and others, "All File Systems Are Not Created
Equal", OSDI 2014, sections 3 and 4; A. Rebello and others, "Can Applications Recover from fsync Failures?", ATC 2020.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from tests.crash.traced_disk import Operation

Survivors = Literal["nothing", "everything", "names", "contents", "a prefix", "some"]
"""Of what was not synced: names without the contents, contents without the names, all up to a moment, any part."""

Forgotten = Literal["none", "all", "folders by SQLite"]

SURVIVORS: tuple[Survivors, ...] = get_args(Survivors)
SECTORS = (512, 4096)
DATABASE, SHARED_MEMORY, SHARED_MEMORY_BYTES = ".sqlite", "-shm", 32768


@dataclass(slots=True, eq=False)
class _Change:
    """A write, or with `data` None a truncation to `at` bytes."""

    moment: int
    at: int
    data: bytes | None
    is_safe: bool = False
    was_refused: bool = False  # an fsync failed over it


@dataclass(slots=True, eq=False)
class _File:
    path: str
    content: bytearray = field(default_factory=bytearray)
    changes: list[_Change] = field(default_factory=list)

    def sync(self) -> None:
        for change in self.changes:
            change.is_safe = change.is_safe or not change.was_refused
        while self.changes and self.changes[0].is_safe:
            _apply(self.content, self.changes.pop(0))

    def refuse(self) -> None:
        for change in self.changes:
            change.was_refused = not change.is_safe


@dataclass(slots=True, eq=False)
class _Folder:
    path: str
    safe: dict[str, _File | _Folder] = field(default_factory=dict)
    namings: list[tuple[int, dict[str, _File | _Folder | None]]] = field(default_factory=list)
    now: dict[str, _File | _Folder] = field(default_factory=dict)

    def name(self, moment: int, names: dict[str, _File | _Folder | None]) -> None:
        self.namings.append((moment, names))
        _name(self.now, names)

    def sync(self) -> None:
        self.safe = dict(self.now)
        self.namings.clear()

    def refuse(self) -> None:
        pass  # names stay unsafe


class Cut:
    """How much of what is not synced survives a power cut; equal arguments give equal folders.

    Args:
        survivors: which kind.
        seed: of the choices where there are any.
    """

    def __init__(self, survivors: Survivors, seed: str) -> None:
        self.survivors = survivors
        self.lost: list[str] = []
        self._chosen = random.Random(f"{survivors} {seed}")
        self._share = self._chosen.choice((0.1, 0.5, 0.9))
        self._prefix = self._chosen.random()
        self._last_moment = -1

    def begin(self, moments: list[int]) -> None:
        """Learn the moments of all that is not safe, ascending."""
        self._last_moment = moments[int(self._prefix * len(moments))] if moments else -1

    def keeps(self, moment: int, *, is_name: bool) -> bool:
        """Tell whether a whole change survives."""
        match self.survivors:
            case "nothing":
                return False
            case "everything":
                return True
            case "names":
                return is_name
            case "contents":
                return not is_name
            case "a prefix":
                return moment < self._last_moment
        return self._chosen.random() < self._share

    def pieces(self, change: _Change) -> list[_Change]:
        """Return what survives of a write that does not survive as a whole."""
        torn = self.survivors == "some" or (self.survivors == "a prefix" and change.moment == self._last_moment)
        if not torn or change.data is None or self._chosen.random() < 0.3:
            return []
        sector, found = self._chosen.choice(SECTORS), list[_Change]()
        n_first = self._chosen.randint(0, len(change.data)) if self._chosen.random() < 0.5 else None
        begin, end = change.at, change.at + len(change.data)
        while begin < end:
            until = min(end, (begin // sector + 1) * sector)
            kept = self._chosen.random() < self._share if n_first is None else until - change.at <= n_first
            if kept:
                found.append(_Change(change.moment, begin, change.data[begin - change.at : until - change.at]))
            begin = until
        return found

    def keeps_length(self) -> bool:
        """Tell whether a file has its new length where its new content is lost."""
        return self.survivors in ("names", "some") and self._chosen.random() < 0.3

    def noise(self) -> bytes | None:
        """Return what a -shm file holds, None for no file."""
        return self._chosen.randbytes(SHARED_MEMORY_BYTES) if self._chosen.random() < 0.2 else None


class TracedFolder:
    """A folder while a trace is played back: what it holds, and what of it is safe.

    Args:
        path: the folder that the trace is of.
        before: a folder with what it held when the trace began, all safe; None for nothing.
        forgets: syncs that have no effect: `all`, or those of folders with fdatasync, which is how SQLite makes them.
    """

    def __init__(self, path: Path, before: Path | None = None, *, forgets: Forgotten = "none") -> None:
        self._path = str(path)
        self._root = _Folder(self._path) if before is None else _loaded(before, self._path)
        self._open: dict[int, _File | _Folder] = {}
        self._forgets: Forgotten = forgets
        self._moment = 0

    def play(self, operation: Operation) -> None:
        """Take in one operation."""
        self._moment += 1
        kind = operation.kind
        if kind == "A":
            return
        if kind == "O":
            self._open[operation.fd] = self._opened(operation.path, operation.number)
        elif kind == "C":
            self._open.pop(operation.fd, None)  # it may have been opened before the trace began
        elif kind in "WT":
            file = self._open[operation.fd]
            assert isinstance(file, _File)
            file.changes.append(_Change(self._moment, operation.number, operation.data if kind == "W" else None))
        elif kind == "S":
            node = self._open[operation.fd]
            by_sqlite = operation.number == 1 and isinstance(node, _Folder)
            if self._forgets == "none" or (self._forgets == "folders by SQLite" and not by_sqlite):
                node.sync()
        elif kind == "F":
            self._open[operation.fd].refuse()
        else:
            self._rename(operation)

    def write_after(self, cut: Cut, target: Path) -> list[str]:
        """Write what is left after a cut into a new folder; return what was lost, as the calls that had no effect."""
        files, folders = list[_File](), [self._root]
        for folder in folders:  # grows meanwhile: what any name leads to, now or before
            reached = [*folder.safe.values(), *(each for _, names in folder.namings for each in names.values())]
            for each in reached:
                if isinstance(each, _Folder) and each not in folders:
                    folders.append(each)
                elif isinstance(each, _File) and each not in files:
                    files.append(each)
        moments = [change.moment for file in files for change in file.changes if not change.is_safe]
        cut.begin(sorted(moments + [moment for folder in folders for moment, _ in folder.namings]))
        self._write(self._root, cut, target)
        return cut.lost

    def _write(self, folder: _Folder, cut: Cut, target: Path) -> None:
        target.mkdir()
        names, unchanged = dict(folder.safe), set[str]()
        for moment, changed in folder.namings:
            # A name that did not take an earlier step cannot take a later one.
            if unchanged.isdisjoint(changed) and cut.keeps(moment, is_name=True):
                _name(names, changed)
            else:
                unchanged.update(changed)
                cut.lost.append(f"the names {', '.join(changed)} in {folder.path}")
        for name, node in sorted(names.items()):
            path = target / name
            if isinstance(node, _Folder):
                self._write(node, cut, path)
                continue
            path.write_bytes(_content(node, cut))
            noise = cut.noise() if name.endswith(DATABASE) else None
            if noise is not None:
                path.with_name(name + SHARED_MEMORY).write_bytes(noise)

    def _opened(self, path: str, flags: int) -> _File | _Folder:
        if path == self._path:
            return self._root
        if not path.startswith(f"{self._path}/"):
            return _Folder(path)  # a folder above, which is there for good
        folder, name = self._place(path)
        node = folder.now.get(name)
        if node is None:
            assert flags & os.O_CREAT, f"{path} was opened but nothing made it"
            node = _File(path)
            folder.name(self._moment, {name: node})
        elif flags & os.O_TRUNC:
            assert isinstance(node, _File)
            node.changes.append(_Change(self._moment, 0, None))
        return node

    def _rename(self, operation: Operation) -> None:
        if operation.kind == "M" and operation.path == self._path:
            return
        folder, name = self._place(operation.path)
        match operation.kind:
            case "M":
                folder.name(self._moment, {name: _Folder(operation.path)})
            case "U" | "X":
                folder.name(self._moment, {name: None})
            case "R" | "L":
                target, new_name = self._place(operation.target)
                if operation.kind == "L":
                    target.name(self._moment, {new_name: folder.now[name]})
                elif target is folder:
                    folder.name(self._moment, {name: None, new_name: folder.now[name]})
                else:  # each folder is synced alone: until then the file may be in both, or in neither
                    moved = folder.now[name]
                    target.name(self._moment, {new_name: moved})
                    folder.name(self._moment, {name: None})
            case kind:
                raise AssertionError(f"the trace holds an operation {kind!r} that the model does not know")

    def _place(self, path: str) -> tuple[_Folder, str]:
        """Return the folder of a path, and its name in there."""
        *above, name = os.path.relpath(path, self._path).split(os.sep)
        folder = self._root
        for each in above:
            below = folder.now[each]
            assert isinstance(below, _Folder)
            folder = below
        return folder, name


def _content(file: _File, cut: Cut) -> bytes:
    found, length = bytearray(file.content), len(file.content)
    for change in file.changes:
        length = change.at if change.data is None else max(length, change.at + len(change.data))
        if change.is_safe or cut.keeps(change.moment, is_name=False):
            _apply(found, change)
            continue
        what = f"truncation to {change.at}" if change.data is None else f"{len(change.data)} bytes at {change.at}"
        cut.lost.append(f"{what} of {file.path}")
        for piece in cut.pieces(change):
            _apply(found, piece)
    if len(found) < length and cut.keeps_length():
        found.extend(bytes(length - len(found)))
    return bytes(found)


def _apply(content: bytearray, change: _Change) -> None:
    if change.data is None:
        del content[change.at :]
        content.extend(bytes(change.at - len(content)))
        return
    content.extend(bytes(max(0, change.at - len(content))))
    content[change.at : change.at + len(change.data)] = change.data


def _name(names: dict[str, _File | _Folder], changed: dict[str, _File | _Folder | None]) -> None:
    for name, node in changed.items():
        if node is None:
            names.pop(name, None)
        else:
            names[name] = node


def _loaded(folder: Path, path: str) -> _Folder:
    found = _Folder(path)
    for each in folder.iterdir():
        if each.is_dir():
            found.safe[each.name] = _loaded(each, f"{path}/{each.name}")
        elif not each.name.endswith(SHARED_MEMORY):
            found.safe[each.name] = _File(f"{path}/{each.name}", bytearray(each.read_bytes()))
    found.now = dict(found.safe)
    return found
