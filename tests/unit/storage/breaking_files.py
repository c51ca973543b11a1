"""A disk that breaks: it fails at the n-th call, or writes a few bytes at a time, and tells which calls were made."""

import errno
import os
from pathlib import Path

from chroma_search.storage.files import DiskFiles


class BreakingFiles(DiskFiles):
    """The real disk until call number `fails_at` (from 0), which raises `OSError(error)`, as do all after it."""

    def __init__(self, fails_at: int | None = None, error: int = errno.ENOSPC, most_bytes: int | None = None) -> None:
        self.calls: list[str] = []
        self._fails_at = fails_at
        self._error = error
        self._most_bytes = most_bytes

    def _count(self, name: str, *, may_fail: bool = True) -> None:
        self.calls.append(name)
        if may_fail and self._fails_at is not None and len(self.calls) > self._fails_at:
            raise OSError(self._error, os.strerror(self._error))

    def open_new(self, path: Path) -> int:
        self._count("open_new")
        return super().open_new(path)

    def write(self, descriptor: int, data: memoryview) -> int:
        self._count("write")
        return super().write(descriptor, data[: self._most_bytes])

    def fsync(self, descriptor: int) -> None:
        self._count("fsync")
        super().fsync(descriptor)

    def close(self, descriptor: int) -> None:
        super().close(descriptor)  # a close that fails has closed
        self._count("close")

    def replace(self, source: Path, target: Path) -> None:
        self._count("replace")
        super().replace(source, target)

    def remove(self, path: Path) -> None:
        self._count("remove", may_fail=self._error != errno.ENOSPC)  # a full disk lets files be removed
        super().remove(path)

    def make_one_folder(self, path: Path) -> None:
        self._count("make_one_folder")
        super().make_one_folder(path)

    def fsync_folder(self, folder: Path) -> None:
        self._count("fsync_folder")
        super().fsync_folder(folder)
