"""`backup`: a copy that opens as a folder, made beside writers, complete or not there at all."""

import shutil
import threading

import numpy as np
import pytest

import chroma_search
from chroma_search.errors import ConflictError, CorruptionError, NotFoundError, UnsupportedError


def filled(folder, n=400):
    client = chroma_search.PersistentClient(folder)
    collection = client.create_collection("docs", metadata={"owner": "us"}, embedding_function=None)
    vectors = np.random.default_rng(1).normal(size=(n, 8))
    ids = [f"id{row}" for row in range(n)]
    collection.add(
        ids, vectors, documents=[f"text {row}" for row in range(n)], metadatas=[{"n": row} for row in range(n)]
    )
    collection.flush()
    collection.delete(["id0"])
    collection.update(["id1"], metadatas=[{"n": 1000}])
    client.create_collection("empty", embedding_function=None)
    return client, collection


def content(client):
    found = {}
    for collection in client.list_collections():
        kept = client.get_collection(collection.name, embedding_function=None)
        rows = kept.get(include=["documents", "metadatas", "embeddings"])
        found[kept.name] = (
            kept.metadata,
            rows["ids"],
            rows["documents"],
            rows["metadatas"],
            rows["embeddings"].tolist(),
        )
    return found


def test_a_backup_opens_as_a_folder_and_holds_the_same(tmp_path):
    client, collection = filled(tmp_path / "data")
    report = client.backup(tmp_path / "copy")
    assert (report.n_collections, report.n_segments) == (2, 1)
    assert report.n_bytes == sum(each.stat().st_size for each in (tmp_path / "copy").rglob("*") if each.is_file())
    assert chroma_search.verify(tmp_path / "copy").is_clean
    before = content(client)
    collection.delete(["id2"])
    with chroma_search.PersistentClient(tmp_path / "copy") as copy:
        assert content(copy) == before
        copy.get_collection("docs", embedding_function=None).add(["new"], [[0.0] * 8])
    assert collection.count() == 398
    assert str(tmp_path / "copy") in str(report)
    assert not list(tmp_path.glob("*.making"))


def test_a_backup_beside_writers_holds_a_prefix_of_what_each_wrote(tmp_path):
    client, _ = filled(tmp_path / "data", 10)
    collection = client.create_collection("busy", embedding_function=None)
    stop = threading.Event()

    def write():
        at = 0
        while not stop.is_set():
            collection.add([f"{at}-{row}" for row in range(50)], np.full((50, 4), at, np.float32))
            at += 1
            if at % 5 == 0:
                collection.compact()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(4):
            client.backup(tmp_path / f"copy{number}")
    finally:
        stop.set()
        writer.join()
    counts = []
    for number in range(4):
        assert chroma_search.verify(tmp_path / f"copy{number}").is_clean
        with chroma_search.PersistentClient(tmp_path / f"copy{number}", mode="r") as copy:
            ids = copy.get_collection("busy", embedding_function=None).get(include=[])["ids"]
        assert ids == [f"{at}-{row}" for at in range(len(ids) // 50) for row in range(50)]
        counts.append(len(ids))
    assert counts == sorted(counts)


def test_where_something_is_already_nothing_is_written(tmp_path):
    client, _ = filled(tmp_path / "data", 10)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").write_text("mine")
    for place in (tmp_path / "taken", tmp_path / "taken" / "file", tmp_path / "data", tmp_path / "data" / "inside"):
        with pytest.raises(ConflictError):
            client.backup(place)
    assert (tmp_path / "taken" / "file").read_text() == "mine"
    (tmp_path / "free").mkdir()
    client.backup(tmp_path / "free")
    with pytest.raises(NotFoundError):
        chroma_search.back_up(tmp_path / "taken", tmp_path / "other")


def test_damage_is_not_copied(tmp_path):
    client, _ = filled(tmp_path / "data")
    (segment,) = (tmp_path / "data").rglob("*.segment")
    damaged = bytearray(segment.read_bytes())
    damaged[len(damaged) // 2] ^= 4
    segment.write_bytes(damaged)
    with pytest.raises(CorruptionError):
        client.backup(tmp_path / "copy")
    assert [each.name for each in tmp_path.iterdir()] == ["data"]


def test_memory_has_no_backup():
    with pytest.raises(UnsupportedError, match="PersistentClient"):
        chroma_search.EphemeralClient().backup("anywhere")


def test_a_collection_whose_folder_is_missing_is_damage_and_not_left_out(tmp_path):
    client, collection = filled(tmp_path / "data")
    client.close()
    shutil.rmtree(tmp_path / "data" / "collections" / str(collection.id))
    with pytest.raises(CorruptionError, match="is missing, the folder of collection 'docs'"):
        chroma_search.back_up(tmp_path / "data", tmp_path / "copy")
    assert [each.name for each in tmp_path.iterdir()] == ["data"]


def test_what_no_backup_has_left_is_not_removed(tmp_path):
    client, _ = filled(tmp_path / "data")
    (tmp_path / "copy.making").mkdir()
    (tmp_path / "copy.making" / "notes").write_text("mine")
    with pytest.raises(ConflictError, match=r"copy\.making exists, and is no unfinished backup"):
        client.backup(tmp_path / "copy")
    assert (tmp_path / "copy.making" / "notes").read_text() == "mine"
