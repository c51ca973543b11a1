"""Files: the one seam for writing files, so that tests can break it.

A file is written whole or not at all: under a temporary name in the same folder, flushed to the disk, renamed, and the
folder flushed. Whoever opens a name therefore finds a complete file or none, also after a power cut.
Not for: reading (`array_file.py` maps what it reads), SQLite's files (SQLite flushes its own).
Invariant: every `OSError` leaves here as a `StorageError` that names the path and what could not be done, but that of a
link, for which there is another way.
A name is written by one writer at a time; two that write the same name at once would share its temporary file.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Protocol

from chroma_search.errors import StorageError
from chroma_search.storage.failpoint import reach

TEMPORARY = ".tmp"
"""What the name of a file that is still being written ends in."""
COPY_BYTES = 1 << 22
"""Bytes copied at once."""
LARGEST_WRITE_BYTES = 1 << 30
"""Linux writes at most 2 GiB less a page in one call, macOS refuses more than 2 GiB."""


class Files(Protocol):
    """What storage asks of the disk. Each method but `link_file` raises `StorageError` when the disk fails."""

    def write_file(self, path: Path, parts: Iterable[bytes | memoryview]) -> None:
        """Write the parts one after the other as the file `path`, durably; it appears complete or not at all."""
        ...

    def append_file(self, path: Path, parts: Iterable[bytes | memoryview]) -> int:
        """Write the parts behind what a file holds, durably but for its name, and return where they begin."""
        ...

    def cut_file(self, path: Path, length: int) -> None:
        """Let a file end after some bytes, as far as the disk allows."""
        ...

    def link_file(self, source: Path, target: Path) -> None:
        """Give a file a second name, durable when its folder is synced; `OSError` where that is not possible."""
        ...

    def make_folder(self, path: Path) -> None:
        """Make a folder and those above it, durably; one that exists is fine."""
        ...

    def sync_folder(self, folder: Path) -> None:
        """Wait until the disk holds the names in a folder."""
        ...

    def remove_file(self, path: Path) -> None:
        """Remove a file, durably; one that is missing is fine."""
        ...

    def move_file(self, source: Path, target: Path) -> None:
        """Give a file another name, in another folder perhaps, durably; errors as `remove_file`."""
        ...

    def list_files(self, folder: Path) -> list[Path]:
        """Return the files directly in a folder, temporary ones included, by name; none if the folder is missing."""
        ...

    def sweep(self, folder: Path) -> None:
        """Remove what writers that died left in a folder. No writer may be at work there."""
        ...

    def left_over(self, folder: Path) -> list[Path]:
        """Return the files that `sweep` would remove."""
        ...


class DiskFiles:
    """The real disk.

    Every call of the operating system is a method of its own, from `open_new` down, so that tests can let it fail,
    fall short or be forgotten.
    """

    def write_file(self, path: Path, parts: Iterable[bytes | memoryview]) -> None:
        """Write the parts one after the other as the file `path`, durably; it appears complete or not at all.

        Args:
            path: name of the file; its folder exists. A file of that name is replaced.
            parts: the content; memoryviews are C-contiguous.

        Raises:
            StorageError: the disk is full or fails, or the folder cannot be written. No file `path` is left, or the
                one that was there before; if only the last step failed (flushing the folder), a file that was to be
                replaced is the new one, complete.
        """
        temporary = path.with_name(path.name + TEMPORARY)
        with _translated("write", path):
            was_there = path.exists()
            try:
                self._write_new(temporary, parts)
                self.replace(temporary, path)
                reach("file.after_replace")
            except BaseException:  # also of `parts` and of Ctrl-C: nothing may be left
                with suppress(OSError):
                    self.remove(temporary)
                raise
            try:
                self.fsync_folder(path.parent)
            except BaseException:
                if not was_there:  # a caller that was told of a failure must not find the file after all
                    with suppress(OSError):
                        self.remove(path)
                raise

    def append_file(self, path: Path, parts: Iterable[bytes | memoryview]) -> int:
        """Write the parts behind what a file holds, durably but for its name: `sync_folder` when it may be new.

        Args:
            path: the file, made when it is missing. Nobody else appends to it meanwhile.
            parts: what to write; memoryviews are C-contiguous.

        Returns:
            Where in the file they begin.

        Raises:
            StorageError: the disk is full or fails; the file is as long as it was, if that can still be done.
        """
        with _translated("write", path):
            descriptor = self.open_to_append(path)
            begin = self.length(descriptor)
            try:
                self._write_parts(descriptor, parts)
                reach("append.after_write")
                self.fsync(descriptor)
                reach("append.after_fsync")
            except BaseException:
                with suppress(OSError):  # the first failure is the one to tell
                    self.cut(descriptor, begin)
                with suppress(OSError):
                    self.close(descriptor)
                raise
            self.close(descriptor)
            return begin

    def cut_file(self, path: Path, length: int) -> None:
        """Let a file end after some bytes; where the disk does not allow it, it stays as it is."""
        with suppress(OSError):
            descriptor = self.open_to_append(path)
            try:
                self.cut(descriptor, length)
            finally:
                self.close(descriptor)

    def make_folder(self, path: Path) -> None:
        """Make a folder and those above it, durably; one that exists is fine.

        Raises:
            StorageError: a folder cannot be made, or a file has its name.
        """
        with _translated("make the folder", path):
            self._make_folder(path)

    def link_file(self, source: Path, target: Path) -> None:
        """Give a file a second name, durable when its folder is synced.

        Raises:
            FileNotFoundError: it is gone.
            OSError: the file system has no links, or no more for this file: copy it.
        """
        os.link(source, target)

    def sync_folder(self, folder: Path) -> None:
        """Wait until the disk holds the names in a folder.

        Raises:
            StorageError: the disk fails.
        """
        with _translated("sync", folder):
            self.fsync_folder(folder)

    def remove_file(self, path: Path) -> None:
        """Remove a file, durably; one that is missing is fine.

        Raises:
            StorageError: it cannot be removed.
        """
        with _translated("remove", path):
            reach("file.before_remove")
            try:
                self.remove(path)
            except FileNotFoundError:
                return
            self.fsync_folder(path.parent)

    def move_file(self, source: Path, target: Path) -> None:
        """Give a file another name, in another folder perhaps, durably.

        Raises:
            StorageError: it cannot be moved.
        """
        with _translated("write", target):
            self.replace(source, target)
            self.fsync_folder(target.parent)
            self.fsync_folder(source.parent)

    def list_files(self, folder: Path) -> list[Path]:
        """Return the files directly in a folder, temporary ones included, by name; none if the folder is missing.

        Raises:
            StorageError: the folder cannot be read.
        """
        with _translated("list", folder):
            try:
                return sorted(each for each in folder.iterdir() if each.is_file())
            except FileNotFoundError:
                return []

    def sweep(self, folder: Path) -> None:
        """Remove what writers that died left in a folder. No writer may be at work there.

        Raises:
            StorageError: a file cannot be removed.
        """
        for path in self.left_over(folder):
            self.remove_file(path)

    def left_over(self, folder: Path) -> list[Path]:
        """Return the files that `sweep` would remove: of writers at work, or of such that died.

        Raises:
            StorageError: the folder cannot be read.
        """
        return [path for path in self.list_files(folder) if path.name.endswith(TEMPORARY)]

    def open_new(self, path: Path) -> int:
        """Return a descriptor of a new, empty file; one that a dead writer left under the name is emptied."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o644)

    def open_to_append(self, path: Path) -> int:
        """Return a descriptor that writes at the end of a file, made when it is missing."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o644)

    def length(self, descriptor: int) -> int:
        """Return how many bytes a file has."""
        return os.fstat(descriptor).st_size

    def cut(self, descriptor: int, length: int) -> None:
        """Let a file end after some bytes."""
        os.ftruncate(descriptor, length)

    def write(self, descriptor: int, data: memoryview) -> int:
        """Write some of the data, which are not empty, and return how many bytes."""
        return os.write(descriptor, data)

    def fsync(self, descriptor: int) -> None:
        """Wait until the disk holds the content of a file."""
        os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        """Close a file; a disk behind a network may report here that it is full."""
        os.close(descriptor)

    def replace(self, source: Path, target: Path) -> None:
        """Rename a file over another, in one step."""
        os.replace(source, target)

    def remove(self, path: Path) -> None:
        """Remove the name of a file."""
        os.unlink(path)

    def make_one_folder(self, path: Path) -> None:
        """Make one folder, whose parent exists."""
        os.mkdir(path)

    def fsync_folder(self, folder: Path) -> None:
        """Wait until the disk holds the names in a folder."""
        if os.name == "nt":  # Windows opens no folders; NTFS logs changes of names itself
            return
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _write_new(self, path: Path, parts: Iterable[bytes | memoryview]) -> None:
        descriptor = self.open_new(path)
        reach("file.after_open")
        try:
            self._write_parts(descriptor, parts)
            reach("file.after_write")
            self.fsync(descriptor)
            reach("file.after_fsync")
        except BaseException:
            with suppress(OSError):  # the first failure is the one to tell
                self.close(descriptor)
            raise
        self.close(descriptor)

    def _write_parts(self, descriptor: int, parts: Iterable[bytes | memoryview]) -> None:
        for part in parts:
            view = memoryview(part)
            if view.nbytes:  # an empty one cannot be cast
                self._write_all(descriptor, view.cast("B"))

    def _write_all(self, descriptor: int, data: memoryview) -> None:
        at = 0
        while at < len(data):
            n_written = self.write(descriptor, data[at : at + LARGEST_WRITE_BYTES])
            if n_written <= 0:
                raise OSError(errno.EIO, "the disk took no byte")
            at += n_written

    def _make_folder(self, path: Path) -> None:
        if not path.is_dir():
            if path.parent != path:
                self._make_folder(path.parent)
            try:
                self.make_one_folder(path)
            except FileExistsError:
                if not path.is_dir():  # else another process was faster
                    raise
        # Also when it was there: whoever made it may have been killed before this.
        with suppress(PermissionError):  # who may not open the folder above has not made this one
            self.fsync_folder(path.parent)


def parts_of(file: IO[bytes]) -> Iterator[bytes]:
    """Give what is left of a file, in parts."""
    while part := file.read(COPY_BYTES):
        yield part


@contextmanager
def _translated(action: str, path: Path) -> Generator[None]:
    """Turn an `OSError` into a `StorageError`: what was tried, on what, and what to do about it."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"Cannot {action} {path}: {error.strerror or error}{_advice(error, path)}") from error


def _advice(error: OSError, path: Path) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"; {_free_space(path.parent)}, free some space and try again"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"; make {path.parent} writable"
    if error.errno == errno.EIO:
        return "; the disk may be failing, look at the system log"
    return ""


def _free_space(folder: Path) -> str:
    import shutil  # compression modules come with it; needed when a disk is full

    try:
        return f"{shutil.disk_usage(folder).free / 1e6:,.1f} MB are left on the disk of {folder}"
    except OSError:
        return f"no space is left on the disk of {folder}"
