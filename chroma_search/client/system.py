"""The databases that clients of one process share.

As upstream, all in-memory clients of a process see the same data, if their settings are equal; other settings are
refused; the same holds for all clients of one folder. A system counts its clients: when the last one is closed, its
files are closed too, and what was in memory is forgotten. A client that is garbage-collected without `close()` counts
on; that loses nothing, for every write is on the disk when its call returns.

Not for: what is in a database (`engine/database.py`).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import UUID

from chroma_search.config import EMBEDDED_IMPLS, Settings
from chroma_search.engine.database import Database
from chroma_search.engine.database_folder import CATALOG
from chroma_search.errors import InvalidConfigError, UnsupportedError
from chroma_search.front.function_cache import RememberedFunction
from chroma_search.kernels import IS_COMPILED

IN_MEMORY = "ephemeral"
ENGINE_LIBRARIES = ("pyarrow", "sklearn")
"""What the distribution `chroma-search-client` does not bring."""
CHROMA_FILE = "chroma.sqlite3"


@dataclass(eq=False)
class System:
    """One database and what its clients share.

    Attributes:
        identifier: where it lives; `ephemeral` is memory, anything else names a folder.
        settings: those of the first client.
        database: the data.
        functions: embedding functions as objects, by the id of their collection.
        key_functions: those of single keys, as the schema named them at creation, by collection and key.
        n_clients: clients that are open.
    """

    identifier: str
    settings: Settings
    database: Database
    functions: dict[UUID, RememberedFunction] = field(default_factory=dict[UUID, RememberedFunction])
    key_functions: dict[UUID, dict[str, Any]] = field(default_factory=dict[UUID, dict[str, Any]])
    n_clients: int = 0


_lock = threading.Lock()
_systems: dict[str, System] = {}


def open_system(settings: Settings) -> System:
    """Return the system that the settings name, a new one if there is none, and count one client more.

    Raises:
        UnsupportedError: only the client is installed, or the folder is one of Chroma.
        InvalidConfigError: it exists with other settings, a setting is one of Chroma before 0.4, or they name a server.
    """
    identifier = _identifier(settings)
    with _lock:
        _check_installation()
        system = _systems.get(identifier)
        if system is None:
            folder = None if identifier == IN_MEMORY else _folder(settings.persist_directory)
            database = Database(
                folder,
                reads_only=folder is not None and settings.is_read_only,
                memory_limit=settings.chroma_memory_limit_bytes or None,
            )
            system = _systems[identifier] = System(identifier, settings, database)
        elif system.settings != settings:
            raise InvalidConfigError(
                f"An instance of Chroma already exists for {identifier} with different settings: pass the same "
                f"settings, or close the clients of the other one first (it has {system.settings!r})"
            )
        system.n_clients += 1
        return system


def release_system(system: System) -> None:
    """Count one client less; forget the system after the last one."""
    with _lock:
        system.n_clients -= 1
        if system.n_clients <= 0 and _systems.get(system.identifier) is system:
            del _systems[system.identifier]
            if system.identifier != IN_MEMORY:
                system.database.close()


def open_folders() -> frozenset[Path]:
    """Return the folders that clients of this process have open."""
    with _lock:
        kept = [system.settings for system in _systems.values() if system.identifier != IN_MEMORY]
        return frozenset(_folder(settings.persist_directory) for settings in kept)


def clear_systems() -> None:
    """Forget all systems: the next client starts empty, open clients keep what they have."""
    with _lock:
        _systems.clear()


def _identifier(settings: Settings) -> str:
    if settings.chroma_db_impl is not None:
        raise InvalidConfigError(
            f"chroma_db_impl={settings.chroma_db_impl!r} is a setting of Chroma before 0.4: leave it out",
            path="chroma_db_impl",
        )
    if settings.chroma_api_impl not in EMBEDDED_IMPLS:
        raise InvalidConfigError(
            f"chroma_api_impl={settings.chroma_api_impl!r} names no client in this process: leave it out, or make the "
            "client of a server with HttpClient() or AsyncHttpClient()",
            path="chroma_api_impl",
        )
    if not settings.is_persistent:
        return IN_MEMORY
    return f"{_folder(settings.persist_directory)}{' to be read' if settings.is_read_only else ''}"


@cache
def _check_installation() -> None:
    """Refuse, once, to be an engine where only the client is installed: an index would miss its library much later.

    Raises:
        UnsupportedError: a library of the engine is missing.
    """
    missing = [name for name in ENGINE_LIBRARIES if find_spec(name) is None]
    if not IS_COMPILED:
        missing.append("its compiled kernels")
    if missing:
        instead = "pip install chroma-search in place of chroma-search-client, or use HttpClient()"
        raise UnsupportedError(
            f"a database in this process needs {' and '.join(missing)}, not installed here: {instead}",
            feature="a database in this process",
            why="only the client is installed",
            instead=instead,
        )


def _folder(directory: str) -> Path:
    folder = Path(directory).expanduser().resolve()
    if (folder / CHROMA_FILE).exists() and not (folder / CATALOG).exists():
        instead = f"copy it with: chroma-search import-chroma {folder} NEW_FOLDER"
        raise UnsupportedError(
            f"{folder} is a folder of Chroma ({CHROMA_FILE}): {instead}",
            feature="opening a folder of Chroma",
            why="its files have another format",
            instead=instead,
        )
    return folder
