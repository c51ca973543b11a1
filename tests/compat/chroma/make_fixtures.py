"""Writes one fixture: a small Chroma directory made by the chromadb package of the running interpreter.

    python make_fixtures.py tests/compat/chroma      # makes tests/compat/chroma/<version of chromadb>/

Run it with an interpreter that has the release installed, see README.md. It imports nothing of chroma_search and uses
only what all releases from 0.3 on have, or what it can do without. Beside the directory (`folder.zip`) it keeps what
the release itself gives back for each collection (`expected.json`), so that the tests need no old package.

Each collection goes through more writes than its sync_threshold, so that a part of the vectors is in the files of the
vector index and a part only in the queue; `only-queue` never reaches the threshold. Rows of index files that are not in
use hold whatever was in the memory of the process; they are set to zero.
"""

import json
import shutil
import struct
import sys
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path

import chromadb
import numpy as np
from chromadb.config import Settings

N_ROWS, DIMENSION = 24, 4
SMALL = {"hnsw:batch_size": 5, "hnsw:sync_threshold": 10}
OTHER = ("second-tenant", "second-database")


def main(out: Path) -> None:
    target = out / chromadb.__version__
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "chroma"
        expected = write_folder(folder)
        shutil.rmtree(folder / "index", ignore_errors=True)  # of 0.3: not read, for the other files have everything
        for each in folder.iterdir():
            if each.is_dir():
                zero_unused_rows(each)
        (target / "expected.json").write_text(lines(expected), "utf-8")
        with zipfile.ZipFile(target / "folder.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for path in sorted(each for each in folder.rglob("*") if each.is_file()):
                entry = zipfile.ZipInfo(str(path.relative_to(folder)))
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, path.read_bytes())
    print(chromadb.__version__, [(each["name"], len(each["ids"])) for each in expected])


def lines(expected: list) -> str:
    """Return JSON with a line per collection."""
    return "[\n" + ",\n".join(json.dumps(each, ensure_ascii=False) for each in expected) + "\n]\n"


def write_folder(folder: Path) -> list:
    client = new_client(folder)
    found = []
    for name, space in (("plain-l2", "l2"), ("angles", "cosine"), ("products", "ip")):
        small = SMALL if hasattr(chromadb, "PersistentClient") else {}
        collection = client.create_collection(name, metadata={"hnsw:space": space, "note": "ü", "year": 2023, **small})
        write_history(collection, seed=len(name))
        found.append(state(collection, space))
    collection = client.create_collection("only-queue", metadata={"hnsw:space": "cosine"})
    collection.add(ids=["first", "second"], embeddings=[[3.0, 4.0, 0.5], [1.5, 2.5, -7.0]], documents=["one", "two"])
    collection.update(ids=["first"], embeddings=[[0.1, 0.2, 0.3]])
    found.append(state(collection, "cosine"))
    found.append(state(client.create_collection("empty"), "l2"))
    found += write_other_database(folder)
    getattr(client, "persist", lambda: None)()  # of 0.3
    return found


def new_client(folder: Path):
    if hasattr(chromadb, "PersistentClient"):
        return chromadb.PersistentClient(str(folder))
    return chromadb.Client(Settings(chroma_db_impl="duckdb+parquet", persist_directory=str(folder)))


def write_history(collection, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ids = [f"id-{at}" for at in range(N_ROWS)]
    vectors = (rng.normal(size=(N_ROWS, DIMENSION)) * 3).astype(np.float32).tolist()
    documents = [None if at % 4 == 3 else f"document {at} \u4f60\u597d \U0001d11e" for at in range(N_ROWS)]
    metadatas = [
        {
            "i": at - 3,
            "big": 2**53 + at,
            "f": at / 8,
            "whole": float(at),
            "s": f"caf\u00e9 {at}",
            "b": at % 2 == 0,
        }
        for at in range(N_ROWS)
    ]
    for first in range(0, N_ROWS, 4):
        some = slice(first, first + 4)
        with_documents = [at for at in range(N_ROWS)[some] if documents[at] is not None]
        without = [at for at in range(N_ROWS)[some] if documents[at] is None]
        for rows, texts in ((with_documents, True), (without, False)):
            add(
                collection,
                ids=[ids[at] for at in rows],
                embeddings=[vectors[at] for at in rows],
                metadatas=[metadatas[at] for at in rows],
                **({"documents": [documents[at] for at in rows]} if texts else {}),
            )
    collection.update(ids=["id-3"], embeddings=[[9.0, -9.0, 9.0, 0.25]])
    collection.delete(ids=["id-4", "id-21"])
    collection.upsert(
        ids=["id-5", "new-1"],
        embeddings=[[1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 0.0, 2.0]],
        metadatas=[{"i": 1000}, {"s": "new"}],
        documents=["replaced", ""],
    )
    collection.update(ids=["id-6"], metadatas=[{"extra": "later", "i": -1}])
    collection.add(ids=["id-7"], embeddings=[[5.0, 5.0, 5.0, 5.0]])  # exists: does nothing
    for at in range(8, 12):
        collection.update(ids=[f"id-{at}"], embeddings=[[float(at), 1.0, -1.0, 0.125]])
    # Late, because 0.4 loses the vector of an id that comes again before its deletion has reached the index.
    add(collection, ids=["id-4"], embeddings=[[0.5, 0.25, 4.0, 8.0]], metadatas=[{"again": 1}])
    collection.delete(ids=["id-12"])
    collection.upsert(ids=["id-1", "id-2"], embeddings=[[0.0, 0.0, 0.0, 0.0], [-1.0, -2.0, -3.0, -4.0]])
    collection.upsert(ids=["id-15"], embeddings=[[15.0, 15.5, 0.0, -15.0]])
    collection.delete(ids=["id-16"])
    collection.add(ids=["tail-1"], embeddings=[[0.125, 0.0, 0.0, -1.0]], documents=["the tail"])
    with suppress(ValueError, TypeError):  # since 0.5, None deletes a key
        collection.update(ids=["id-9"], metadatas=[{"s": None, "f": 2.5}])
    with suppress(TypeError):  # since 0.4.16 or so
        collection.add(ids=["linked"], embeddings=[[1.0, 1.0, 2.0, 2.0]], uris=["https://example.org/a"])
    with suppress(ValueError, TypeError):  # since 1.5
        collection.add(
            ids=["lists"],
            embeddings=[[1.0, -1.0, 2.0, -2.0]],
            metadatas=[{"words": ["b", "a", "b"], "numbers": [3, 1], "reals": [0.5], "truths": [True, False]}],
        )


def add(collection, metadatas, **others) -> None:
    try:
        collection.add(metadatas=metadatas, **others)
    except ValueError:  # before 0.4.15 or so: no bool
        plain = [
            {key: int(value) if isinstance(value, bool) else value for key, value in each.items()} for each in metadatas
        ]
        collection.add(metadatas=plain, **others)


def write_other_database(folder: Path) -> list:
    """Since 0.4.15 there are tenants and databases."""
    if not hasattr(chromadb, "AdminClient"):
        return []
    settings = Settings(is_persistent=True, persist_directory=str(folder))
    try:
        admin = chromadb.AdminClient(settings)
        admin.create_tenant(OTHER[0])
        admin.create_database(OTHER[1], OTHER[0])
        client = chromadb.PersistentClient(str(folder), tenant=OTHER[0], database=OTHER[1])
    except ValueError as error:  # 0.4.15 to 0.4.20 or so: the settings must be those of the first client
        print("no second database:", error)
        return []
    collection = client.create_collection("plain-l2")
    collection.add(ids=["elsewhere"], embeddings=[[1.0, 2.0]], documents=["in another database"])
    return [{**state(collection, "l2"), "tenant": OTHER[0], "database": OTHER[1]}]


def state(collection, space: str) -> dict:
    columns = ["documents", "metadatas", "embeddings"]
    try:
        got = collection.get(include=[*columns, "uris"])
    except ValueError:
        got = collection.get(include=columns)
    # One by one: 0.4.0 gives vectors in another order than ids, and later ones not in the order of insertion.
    embeddings = [collection.get(ids=[each], include=["embeddings"])["embeddings"][0] for each in got["ids"]]
    return {
        "name": collection.name,
        "tenant": "default_tenant",
        "database": "default_database",
        "space": space,
        "metadata": collection.metadata,
        "ids": got["ids"],
        "documents": got["documents"],
        "metadatas": got["metadatas"],
        "uris": got.get("uris"),
        "embeddings": [[float(x) for x in vector] for vector in embeddings],
    }


def zero_unused_rows(folder: Path) -> None:
    try:
        header = (folder / "header.bin").read_bytes()
    except FileNotFoundError:
        return
    _, _, _, n_rows, row_bytes = struct.unpack_from("<i4Q", header)
    for name, size in (("data_level0.bin", row_bytes), ("length.bin", 4)):
        path = folder / name
        data = bytearray(path.read_bytes())
        used = n_rows * size
        data[used:] = bytes(len(data) - used)
        path.write_bytes(data)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
