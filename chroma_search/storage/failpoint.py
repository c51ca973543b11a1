"""Failpoints: named places in which a test kills the process, to see what a crash there leaves behind.

`CHROMA_SEARCH_FAILPOINT=name` or `name:n` sends SIGKILL to the own process when the place is reached (the n-th time).
Without the variable a failpoint costs one comparison. The names are listed here, so that a test can walk over them all.
"""

from __future__ import annotations

import os

NAMES = (
    "log.before_append",
    "log.after_append",
    "append.after_write",
    "append.after_fsync",
    "log.before_commit",
    "log.after_commit",
    "store.after_apply",
    "catalog.before_commit",
    "catalog.after_commit",
    "flush.before_build",
    "flush.before_write",
    "file.after_open",
    "file.after_write",
    "file.after_fsync",
    "file.after_replace",
    "flush.after_write",
    "flush.before_manifest",
    "flush.before_commit",
    "flush.after_commit",
    "flush.before_reclaim",
    "file.before_remove",
    "flush.after_reclaim",
    "index.before_build",
    "index.before_move",
    "index.after_move",
    "index.before_commit",
    "index.after_commit",
    "collection.after_card",
    "collection.after_log",
    "repair.before_swap",
    "repair.between",
    "repair.after_swap",
    "backup.after_catalog",
    "copy.after_log",
    "copy.after_segment",
    "backup.before_rename",
    "backup.after_rename",
    "fork.after_announcement",
    "fork.after_copy",
    "purge.before_truncate",
    "import.before_collection",
    "import.after_batch",
    "import.before_finish",
    "import.after_finish",
)


def _armed() -> tuple[str, int]:
    name, _, count = os.environ.get("CHROMA_SEARCH_FAILPOINT", "").partition(":")
    return name, int(count or 1)


_name, _left = _armed()


def reach(name: str) -> None:
    """Die here if this failpoint is armed."""
    global _left
    if name == _name:
        _left -= 1
        if _left <= 0:
            import signal  # for tests alone

            os.kill(os.getpid(), signal.SIGKILL)
