"""PersistentClient: a client whose data are in a folder, safe against a crash, shared by any number of processes."""

from __future__ import annotations

from os import PathLike, fspath
from typing import Literal

from chroma_search.client.embedded import EmbeddedClient
from chroma_search.config import DEFAULT_DATABASE, DEFAULT_TENANT, Settings
from chroma_search.errors import InvalidArgumentError


def PersistentClient(  # noqa: N802 - upstream's name
    path: str | PathLike[str] = "./chroma",
    settings: Settings | None = None,
    tenant: str = DEFAULT_TENANT,
    database: str = DEFAULT_DATABASE,
    *,
    mode: Literal["rw", "r"] = "rw",
    memory_limit: int | None = None,
) -> EmbeddedClient:
    """Return a client whose data are in the folder `path`, made when it is missing.

    A write that has returned is on the disk: it survives the end of the process, a kill, and a loss of power. Other
    processes may read and write the same folder at the same time; each sees an acknowledged write in its next call.

    Args:
        path: the folder. Not one of Chroma itself, whose files have another format.
        settings: must equal those of the other clients of this process on the same folder.
        tenant, database: where its collections are; both must exist.
        mode: `r` opens a folder that exists, changes nothing in it, and refuses whatever would: for folders on a file
            system that cannot be written, and for programs that only search. It still sees what others write. Where
            the folder can be written, SQLite leaves empty files of its own beside the log.
        memory_limit: bytes that collections may hold in memory together, counted as their open files and three times
            what waits in their logs. Those not used for the longest time are let go of. Files are mapped, so a limit is
            needed only where many collections are used in turn. As `Settings.chroma_memory_limit_bytes`.

    Raises:
        StorageError: the folder cannot be made, read or written.
        CorruptionError: what is in it is damaged.
        UnsupportedError: it is a folder of Chroma.
        NotFoundError: mode `r`, and there are no data.
    """
    return EmbeddedClient(str(tenant), str(database), in_folder(path, settings, mode, memory_limit))


def in_folder(
    path: str | PathLike[str], settings: Settings | None, mode: Literal["rw", "r"], memory_limit: int | None
) -> Settings:
    """Return the settings, or the default ones, changed so that they name a folder; arguments as `PersistentClient`.

    Raises:
        InvalidArgumentError: an unknown mode, a limit below 1.
    """
    chosen = settings if settings is not None else Settings()
    if mode not in ("rw", "r"):
        raise InvalidArgumentError(f"mode is 'rw' or 'r', got {mode!r}")
    if memory_limit is not None:
        if memory_limit < 1:
            raise InvalidArgumentError(f"memory_limit is a number of bytes from 1, got {memory_limit!r}")
        chosen.chroma_memory_limit_bytes = memory_limit
    chosen.is_persistent = True
    chosen.is_read_only = mode == "r"
    chosen.persist_directory = fspath(path)
    return chosen
