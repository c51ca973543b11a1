"""verify, repair and backup of a folder, without a client: also of one that does not open.

What they do is in `engine/verifying.py`, `engine/repairing.py` and `engine/backup.py`.
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from chroma_search.client.system import open_folders
from chroma_search.engine.backup import BackupReport, back_up
from chroma_search.engine.repairing import RepairedCollection, RepairReport
from chroma_search.engine.repairing import repair as _repair
from chroma_search.engine.verifying import Finding, Progress, VerifyReport, verify
from chroma_search.errors import LockedError

__all__ = [
    "BackupReport",
    "Finding",
    "Progress",
    "RepairReport",
    "RepairedCollection",
    "VerifyReport",
    "back_up",
    "repair",
    "verify",
]


def repair(path: str | PathLike[str], *, progress: Progress | None = None) -> RepairReport:
    """Make a damaged folder whole again, and say what was lost; no process may have it open.

    Args:
        path: the folder of a `PersistentClient`.
        progress: called after each collection with the number done and the number there are.

    Returns:
        what was built anew, and what was lost. The damaged files are kept in the folder, under `damaged/`.

    Raises:
        LockedError: a client of this process has the folder open.
        NotFoundError: there are no data in it.
        StorageError: it cannot be read or written, or the disk is full; nothing is lost then.
    """
    if Path(path).expanduser().resolve() in open_folders():
        raise LockedError(f"a client of this program has {path} open: close it first", path=str(path))
    return _repair(path, progress=progress)
