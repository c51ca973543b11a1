"""The stored Chroma directories: unpacked for a test, and what the release that wrote them gave back."""

import hashlib
import json
import sqlite3
import zipfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RELEASES = ("0.3.29", "0.4.0", "0.4.24", "0.5.23", "0.6.3", "1.0.20", "1.5.9")
HISTORIES = ("plain-l2", "angles", "products")
"""The collections that went through more writes than their sync_threshold."""


def unpacked(release: str, into: Path) -> Path:
    """Unpack the directory that a release wrote into a new folder and return that."""
    folder = into / f"chroma-{release}"
    with zipfile.ZipFile(HERE / release / "folder.zip") as archive:
        archive.extractall(folder)
    return folder


def expected(release: str) -> list[dict[str, Any]]:
    """Return what the release's own `get()` gave for each collection."""
    return json.loads((HERE / release / "expected.json").read_text("utf-8"))


def index_folders(folder: Path) -> list[Path]:
    """Return the folders of vector indexes that have been saved."""
    return sorted(each.parent for each in folder.glob("*/index_metadata.pickle"))


def index_folder(folder: Path, collection: str) -> Path:
    """Return the folder of the vector index of a collection in the default database."""
    with sqlite3.connect(folder / "chroma.sqlite3") as database:
        found = database.execute(
            "SELECT s.id FROM segments s JOIN collections c ON s.collection = c.id "
            "WHERE s.scope = 'VECTOR' AND c.name = ? ORDER BY c.rowid",
            (collection,),
        ).fetchone()
    database.close()
    return folder / found[0]


def changed(folder: Path, *statements: str) -> None:
    """Run SQL on the database of an unpacked directory."""
    with sqlite3.connect(folder / "chroma.sqlite3") as database:
        for statement in statements:
            database.execute(statement)
    database.close()


def fingerprint(folder: Path) -> dict[str, str]:
    """Return the checksum of every file below a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
