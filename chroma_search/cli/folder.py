"""Opening what a command works on: never a folder that is not there, and with the nearest name when one is wrong."""

from __future__ import annotations

import os
from contextlib import suppress
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from chroma_search.config import DEFAULT_DATABASE, DEFAULT_TENANT
from chroma_search.errors import CorruptionError, InvalidInputError, NotFoundError, UnsupportedError

if TYPE_CHECKING:
    from chroma_search.client.embedded import EmbeddedClient
    from chroma_search.front.collection import Collection

CATALOG = "catalog.sqlite"
COLLECTIONS = "collections"
CARD = "collection.json"
CHROMA_FILE = "chroma.sqlite3"
SHOWN_NAMES = 20
MAX_LOOKED_AT = 1000
"""Entries of a folder among which a folder of ours is looked for."""


def opened_client(
    directory: Path, tenant: str = DEFAULT_TENANT, database: str = DEFAULT_DATABASE, *, writes: bool = False
) -> EmbeddedClient:
    """Open a folder that is there; nothing in it is changed unless `writes`.

    Raises:
        NotFoundError: there is no such folder, or it is none of ours; no such tenant or database.
        UnsupportedError: it is one of Chroma.
    """
    from chroma_search.client.persistent import PersistentClient  # 0.4 s, which --help need not wait for

    check_folder(directory)
    return PersistentClient(directory, tenant=tenant, database=database, mode="rw" if writes else "r")


def made_client(directory: Path, tenant: str = DEFAULT_TENANT, database: str = DEFAULT_DATABASE) -> EmbeddedClient:
    """Open a folder, or make it when there is none or an empty one.

    Raises:
        NotFoundError: a folder with other things in it; no such tenant or database.
        UnsupportedError: it is one of Chroma.
    """
    from chroma_search.client.persistent import PersistentClient  # as above

    if directory.exists() and not (directory.is_dir() and not any(directory.iterdir())):
        check_folder(directory)
    return PersistentClient(directory, tenant=tenant, database=database)


def check_folder(directory: Path) -> None:
    """Refuse what is no folder of ours.

    Raises:
        NotFoundError, UnsupportedError: as `opened_client`. CorruptionError: its catalog is missing.
    """
    if (directory / CATALOG).is_file():
        return
    if not directory.exists():
        raise NotFoundError(f"there is no folder {directory}{_near(directory)}", kind="folder", name=str(directory))
    if (directory / CHROMA_FILE).exists():
        instead = f"copy it with: chroma-search import-chroma {directory} NEW_FOLDER"
        raise UnsupportedError(
            f"{directory} is a folder of Chroma: {instead}",
            feature="opening a folder of Chroma",
            why="its files have another format",
            instead=instead,
        )
    if any(directory.glob(f"{COLLECTIONS}/*/{CARD}")):
        path = str(directory / CATALOG)
        raise CorruptionError(
            f"{path} is missing, but collections are there: restore it from a backup, or repair the folder", path=path
        )
    what = "has no catalog.sqlite" if directory.is_dir() else "is a file"
    raise NotFoundError(
        f"{directory} is no folder of chroma_search, it {what}{_near(directory)}", kind="folder", name=str(directory)
    )


def check_mendable(directory: Path) -> None:
    """Refuse what is no folder of ours, but not one that has lost its catalog: that is for verify and repair.

    Raises:
        NotFoundError, UnsupportedError: as `opened_client`.
    """
    with suppress(CorruptionError):
        check_folder(directory)


def opened_collection(client: EmbeddedClient, name: str | None) -> Collection:
    """Open a collection; None is the only one that there is.

    Raises:
        NotFoundError: none of the name; the nearest name is told.
        InvalidInputError: no name, and several collections.
    """
    if name is not None:
        try:
            return client.get_collection(name)
        except NotFoundError as error:
            names = _names(client)
            from chroma_search.dsl.suggest import nearest  # loads the whole language

            near = nearest(name, names)
            meant = f"did you mean {near!r}?" if near else _listed(names)
            raise NotFoundError(f"there is no collection {name!r}: {meant}", kind="collection", name=name) from error
    names = _names(client)
    if not names:
        raise NotFoundError("there is no collection yet", kind="collection")
    if len(names) > 1:
        raise InvalidInputError(f"which collection? Say --collection NAME: {_listed(names)}")
    return client.get_collection(names[0])


def _names(client: EmbeddedClient) -> list[str]:
    from chroma_search.exchange.unfinished import is_unfinished  # imports the client, as above

    return [each.name for each in client.list_collections() if not is_unfinished(each.name)]


def _listed(names: list[str]) -> str:
    if not names:
        return "there are none"
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return f"there are {', '.join(names[:SHOWN_NAMES])}{more}"


def _near(directory: Path) -> str:
    """Return a hint at a folder of ours in, above or beside a place where there is none."""
    if directory.is_dir():
        inside = _ours_in(directory)
        found = inside[0] if len(inside) == 1 else None
    elif (directory.parent / CATALOG).is_file():
        found = directory.parent
    else:
        beside = {each.name: each for each in _ours_in(directory.parent)}
        near = get_close_matches(directory.name, beside, n=1)
        found = beside[near[0]] if near else None
    return f": did you mean {found}?" if found else ": give the folder that a PersistentClient was made with"


def _ours_in(directory: Path) -> list[Path]:
    try:
        return sorted(each for each in islice(directory.iterdir(), MAX_LOOKED_AT) if (each / CATALOG).is_file())
    except OSError:  # a hint is not worth an error
        return []


def bytes_below(folder: Path) -> int:
    """Return the size of all files below a folder, where other processes may be removing some."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(parent, name)).st_size
            except FileNotFoundError:  # another process has removed it since
                continue
    return total
