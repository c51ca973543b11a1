"""`purge`: no file of the folder holds what was deleted, replaced, renamed or repaired away."""

import numpy as np

import chroma_search
from chroma_search.engine.flushing import Flusher

SECRETS = {
    "document": b"a deleted document zq81",
    "id": b"deleted-id-zq82",
    "metadata": b"a deleted value zq83",
    "key": b"deleted_key_zq84",
    "replaced": b"a replaced document zq85",
    "collection": b"dropped-collection-zq86",
    "description": b"an old description zq87",
    "name": b"old-name-zq88",
}


def holders(folder, secret):
    return [str(path) for path in folder.rglob("*") if path.is_file() and secret in path.read_bytes()]


def filled(folder):
    client = chroma_search.PersistentClient(folder)
    words = {name: secret.decode() for name, secret in SECRETS.items()}
    collection = client.create_collection(words["name"], metadata={"is": words["description"]}, embedding_function=None)
    n = 300
    vectors = np.random.default_rng(0).normal(size=(n, 8))
    collection.add([f"id{row}" for row in range(n)], vectors, documents=[f"kept {row}" for row in range(n)])
    metadata = {words["key"]: words["metadata"]}
    collection.add([words["id"]], [[0.0] * 8], documents=[words["document"]], metadatas=[metadata])
    collection.add(["stays"], [[1.0] * 8], documents=[words["replaced"]])
    collection.flush()
    client.create_collection(words["collection"], embedding_function=None)
    return client, collection, words


def test_no_file_holds_what_was_deleted_after_a_purge(tmp_path):
    client, collection, words = filled(tmp_path)
    for secret in SECRETS.values():
        assert holders(tmp_path, secret), "the test would prove nothing"
    collection.delete([words["id"]])
    collection.upsert(["stays"], [[1.0] * 8], documents=["kept"])
    collection.modify(name="new-name", metadata={"is": "new"})
    client.delete_collection(words["collection"])
    client.purge()
    assert {name: holders(tmp_path, secret) for name, secret in SECRETS.items() if holders(tmp_path, secret)} == {}
    assert holders(tmp_path, b"kept 299")
    assert collection.count() == 301
    client.close()
    assert not any(holders(tmp_path, secret) for secret in SECRETS.values())
    assert chroma_search.verify(tmp_path).is_clean


def test_one_collection_can_be_purged_and_what_is_left_in_the_log_goes_too(tmp_path):
    client = chroma_search.PersistentClient(tmp_path)
    collection = client.create_collection("docs", embedding_function=None)
    collection.add(["a", "b"], [[0.0], [1.0]], documents=["stays", SECRETS["document"].decode()])
    collection.delete(["b"])
    assert holders(tmp_path, SECRETS["document"])
    collection.purge()
    assert not holders(tmp_path, SECRETS["document"])
    assert collection.get()["documents"] == ["stays"]
    client.close()


def test_what_was_deleted_before_any_flush_goes_too(tmp_path):
    with chroma_search.PersistentClient(tmp_path) as client:
        collection = client.create_collection("docs", embedding_function=None)
        collection.add(["a"], [[0.0]], documents=[SECRETS["document"].decode()])
        collection.delete(["a"])
        assert holders(tmp_path, SECRETS["document"])
        collection.purge()
        assert not holders(tmp_path, SECRETS["document"])


def test_a_purge_also_removes_what_a_repair_put_aside(tmp_path):
    client, collection, words = filled(tmp_path)
    collection.delete([words["id"]])
    client.close()
    (segment,) = tmp_path.rglob("*.segment")
    damaged = bytearray(segment.read_bytes())
    damaged[-1] ^= 1
    segment.write_bytes(damaged)
    assert chroma_search.repair(tmp_path).is_lossless
    assert holders(tmp_path, SECRETS["document"])
    with chroma_search.PersistentClient(tmp_path) as again:
        again.purge()
        assert not holders(tmp_path, SECRETS["document"])


def test_a_segment_whose_rows_are_all_dead_leaves_the_disk(tmp_path, monkeypatch):
    secret = SECRETS["document"]
    monkeypatch.setattr(Flusher, "flush_if_due", lambda self: None)  # or the file is gone before the folder is opened
    with chroma_search.PersistentClient(tmp_path) as client:
        collection = client.create_collection("docs", embedding_function=None)
        collection.add(["a", "b"], [[0.0], [1.0]], documents=[secret.decode()] * 2)
        collection.flush()
        collection.delete(["a", "b"])
    with chroma_search.PersistentClient(tmp_path) as client:
        collection = client.get_collection("docs", embedding_function=None)
        assert collection.count() == 0
        assert holders(tmp_path, secret)
        collection.compact()
        assert not holders(tmp_path, secret)
        assert not list(tmp_path.rglob("*.segment"))
