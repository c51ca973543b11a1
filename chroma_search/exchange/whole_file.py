"""A file for the user that appears whole or not at all: written beside its place, synced, renamed.

Unlike storage's files (`storage/files.py`) it is written piece by piece by whoever holds it, may have any name the user
gave, and replaces what stands there only when told to. Two writers of one name do not disturb each other: the last one
to finish wins.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from chroma_search.errors import ConflictError, StorageError
from chroma_search.storage.files import DiskFiles


@contextmanager
def whole_file(path: str | os.PathLike[str], *, overwrite: bool = False) -> Generator[BinaryIO]:
    """Give an open file whose content stands at `path` when the block ends without an error; else nothing is left.

    Args:
        path: where; its folder exists.
        overwrite: replace a file that is there; of a link, the file that it leads to.

    Raises:
        ConflictError: there is something at `path` already, or what no file can replace: a folder, a device, a pipe.
        StorageError: the disk is full or fails, the folder is missing or cannot be written.
    """
    place = Path(path)
    _check_free(place, overwrite)
    target = Path(os.path.realpath(place))  # a link stays one: the file that it leads to is replaced
    temporary = target.with_name(f"{target.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _check_free(place, overwrite)
        os.replace(temporary, target)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError):
            raise StorageError(f"cannot write {place}: {error.strerror or error}{_advice(target)}") from error
        raise
    with suppress(OSError):  # the file is there and whole; a folder that cannot be synced is no reason to deny it
        DiskFiles().fsync_folder(target.parent)


def _check_free(target: Path, overwrite: bool) -> None:
    if target.is_dir():
        raise ConflictError(f"{target} is a folder: give the name of a file", kind="file", name=str(target))
    if target.exists() and not target.is_file():
        # Root could rename over it: then /dev/null is a file from now on.
        raise ConflictError(f"{target} is a device or a pipe: give the name of a file", kind="file", name=str(target))
    if not overwrite and os.path.lexists(target):
        raise ConflictError(
            f"{target} exists: give another name, or say that it may be overwritten", kind="file", name=str(target)
        )


def _advice(target: Path) -> str:
    return "" if target.parent.is_dir() else f"; make the folder {target.parent} first"
