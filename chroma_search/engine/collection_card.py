"""The card of a collection: what the catalog knows of it, kept in its own folder as well.

It is read only by `repair`, when the catalog is damaged; it may be behind the catalog by one change. It is a JSON text,
so that a person who looks into a folder sees which collection it is.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path

from chroma_search.engine.catalog import CollectionInfo
from chroma_search.errors import CorruptionError, StorageError
from chroma_search.storage.files import Files

CARD = "collection.json"


def write_card(files: Files, folder: Path, info: CollectionInfo) -> None:
    """Write the card of a collection into its folder, durably, in place of the old one.

    Raises:
        StorageError: the disk is full, or fails; the old card is there then.
    """
    known = {"id": str(info.id), "name": info.name, "tenant": info.tenant, "database": info.database}
    text = json.dumps({**known, **json.loads(info.facts())}, indent=1)
    files.write_file(folder / CARD, [json.dumps({"crc32": zlib.crc32(text.encode())}).encode(), b"\n", text.encode()])


def read_card(folder: Path) -> CollectionInfo:
    """Return what a card says.

    Raises:
        CorruptionError: it is damaged. StorageError: it cannot be read, or is missing.
    """
    path = folder / CARD
    try:
        first, _, text = path.read_bytes().partition(b"\n")
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from error
    try:
        if json.loads(first) != {"crc32": zlib.crc32(text)}:
            raise ValueError("another checksum")
        known = json.loads(text)
        return CollectionInfo.of(known["id"], known["name"], known["tenant"], known["database"], known)
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptionError(
            f"{path} is damaged: repair() the folder", path=str(path), expected="JSON as its checksum says"
        ) from error
