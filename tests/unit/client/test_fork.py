"""`fork`: the same records under another name, then each for itself; in memory and in a folder."""

import errno
import os
import threading

import numpy as np
import pytest

import chroma_search
from chroma_search.errors import ConflictError, InvalidInputError, NotFoundError, StorageError, UnsupportedError
from chroma_search.storage.files import DiskFiles
from tests.functions import Letters

COLUMNS = ["documents", "metadatas", "embeddings", "uris"]


@pytest.fixture(params=["memory", "folder"])
def client(request, tmp_path):
    made = (
        chroma_search.EphemeralClient()
        if request.param == "memory"
        else chroma_search.PersistentClient(tmp_path / "data")
    )
    with made:
        yield made


def filled(client, name="source", n=40):
    """Return a collection with a segment that has tombstones, and a tail."""
    collection = client.create_collection(
        name, embedding_function=None, metadata={"owner": "us"}, configuration={"hnsw": {"space": "cosine"}}
    )
    vectors = np.random.default_rng(3).normal(size=(n, 4)).astype(np.float32)
    ids = [f"id{row}" for row in range(n)]
    collection.add(
        ids, vectors, documents=[f"text {row}" for row in range(n)], metadatas=[{"n": row} for row in range(n)]
    )
    collection.flush()
    collection.delete(["id0"])
    collection.update(["id1"], metadatas=[{"n": 1000}])
    collection.add(["tail"], [[1.0, 2.0, 3.0, 4.0]], documents=["in the tail"])
    return collection


def content(collection):
    found = collection.get(include=COLUMNS)
    return [found["ids"], found["documents"], found["metadatas"], found["uris"], found["embeddings"].tolist()]


def test_a_fork_holds_the_same_under_its_own_name_and_id(client):
    source = filled(client)
    fork = source.fork("other")
    assert (fork.name, fork.tenant, fork.database) == ("other", source.tenant, source.database)
    assert fork.id != source.id
    assert (fork.metadata, fork.configuration_json) == (source.metadata, source.configuration_json)
    assert content(fork) == content(source)
    assert [each.name for each in client.list_collections()] == ["source", "other"]
    assert content(client.get_collection("other", embedding_function=None)) == content(source)
    query = {"query_embeddings": [[1.0, 0.0, 0.0, 0.0]], "n_results": 5}
    assert fork.query(**query)["ids"] == source.query(**query)["ids"]


def test_each_changes_for_itself(client):
    source = filled(client)
    before = content(source)
    fork = source.fork("other")
    fork.delete(["id2"])
    fork.update(["id3"], metadatas=[{"n": -1}])
    fork.add(["new"], [[0.0, 0.0, 0.0, 1.0]])
    assert content(source) == before
    changed = content(fork)
    source.delete(where={"n": {"$lt": 20}})
    source.upsert(["new"], [[9.0, 9.0, 9.0, 9.0]])
    source.compact()
    assert content(fork) == changed
    fork.compact()
    assert content(fork) == changed
    fork.modify(name="renamed", metadata={"owner": "them"})
    assert (source.name, source.metadata) == ("source", {"owner": "us"})


def test_what_was_deleted_before_the_fork_comes_back_at_the_end_of_both(client):
    source = filled(client)
    fork = source.fork("other")
    for collection in (source, fork):
        collection.add(["id0"], [[0.0, 0.0, 0.0, 0.0]])
        assert collection.get()["ids"][-1] == "id0"


def test_an_empty_collection_can_be_forked(client):
    fork = client.create_collection("source", embedding_function=None).fork("other")
    assert fork.count() == 0
    fork.add("a", [1.0, 2.0])
    assert client.get_collection("source", embedding_function=None).count() == 0


def test_the_fork_count_is_of_the_lineage(client):
    source = client.create_collection("source", embedding_function=None)
    assert source.fork_count() == 0
    forks = [source.fork(f"fork-{at}") for at in range(3)]
    forks.append(forks[0].fork("fork-of-a-fork"))
    unrelated = client.create_collection("unrelated", embedding_function=None)
    assert [each.fork_count() for each in (source, *forks, unrelated)] == [4, 4, 4, 4, 4, 0]
    forks[1].modify(name="renamed", metadata={"a": 1})
    assert source.fork_count() == 4
    client.delete_collection("fork-2")
    assert source.fork_count() == 3
    client.delete_collection("source")
    assert forks[3].fork_count() == 3


def test_a_deleted_source_leaves_its_fork_whole(client):
    source = filled(client)
    before = content(source)
    fork = source.fork("other")
    client.delete_collection("source")
    assert content(fork) == before
    with pytest.raises(NotFoundError):
        source.fork("again")
    with pytest.raises(NotFoundError):
        source.fork_count()


def test_a_name_that_is_taken_or_not_allowed_is_refused(client):
    source = filled(client)
    with pytest.raises(ConflictError, match="already exists"):
        source.fork("source")
    with pytest.raises(InvalidInputError):
        source.fork("x")
    assert client.count_collections() == 1


def test_a_fork_embeds_with_the_function_of_its_source(client):
    source = client.create_collection("source", embedding_function=Letters())
    source.add(["a", "b"], documents=["aaa", "zzz"])
    fork = source.fork("other")
    assert fork.query(query_texts=["aa"], n_results=1)["ids"] == [["a"]]
    assert fork.configuration_json == source.configuration_json


def test_a_schema_is_that_of_the_source(client):
    schema = chroma_search.Schema().delete_index(chroma_search.IntInvertedIndexConfig(), key="n")
    source = client.create_collection("source", schema=schema, embedding_function=None)
    fork = source.fork("other")
    for collection in (source, fork):
        with pytest.raises(InvalidInputError, match="indexing is disabled"):
            collection.get(where={"n": 1})


# --- in a folder ------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data"


def segments_of(folder, collection):
    return sorted((folder / "collections" / str(collection.id) / "segments").glob("*.segment"))


def test_segment_files_are_shared_until_one_side_writes_its_own(folder):
    with chroma_search.PersistentClient(folder) as client:
        source = filled(client)
        fork = source.fork("other")
        (path,) = segments_of(folder, source)
        assert os.path.samefile(path, *segments_of(folder, fork))
        before = content(fork)
        source.compact()
        assert not path.exists()
        assert content(fork) == before
    with chroma_search.PersistentClient(folder) as client:
        assert content(client.get_collection("other", embedding_function=None)) == before
        assert client.get_collection("source", embedding_function=None).fork_count() == 1
    assert chroma_search.verify(folder).is_clean


def test_where_no_links_are_possible_the_files_are_copied(folder, monkeypatch):
    def refused(*_):
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(DiskFiles, "link_file", refused)
    with chroma_search.PersistentClient(folder) as client:
        source = filled(client)
        fork = source.fork("other")
        (path,), (copy,) = segments_of(folder, source), segments_of(folder, fork)
        assert path.read_bytes() == copy.read_bytes()
        assert not os.path.samefile(path, copy)
        assert content(fork) == content(source)


def test_a_fork_that_fails_leaves_nothing(folder, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with chroma_search.PersistentClient(folder) as client:
        source = filled(client)
        monkeypatch.setattr(DiskFiles, "link_file", full)
        monkeypatch.setattr(DiskFiles, "write", full)
        with pytest.raises(StorageError, match="No space left"):
            source.fork("other")
        monkeypatch.undo()
        assert [each.name for each in client.list_collections()] == ["source"]
        assert len(list((folder / "collections").iterdir())) == 1
        assert content(source.fork("other")) == content(source)


def test_purging_one_leaves_nothing_of_it_under_its_name_and_the_other_whole(folder):
    secret = "attack at dawn"
    with chroma_search.PersistentClient(folder) as client:
        source = client.create_collection("source", embedding_function=None)
        source.add(["a", "b"], [[1.0, 2.0], [3.0, 4.0]], documents=[secret, "harmless"])
        source.flush()
        source.update(["b"], metadatas=[{"is": "harmless"}])
        fork = source.fork("other")
        fork.delete(["a"])
        fork.purge()
        assert secret.encode() not in held_in(folder, fork)
        assert source.get(ids=["a"])["documents"] == [secret]
        source.delete(["a"])
        source.purge()
        assert secret.encode() not in held_in(folder, source)


def held_in(folder, collection):
    files = (folder / "collections" / str(collection.id)).rglob("*")
    return b"".join(path.read_bytes() for path in files if path.is_file())


def test_a_fork_beside_writers_holds_a_prefix_of_what_each_wrote(folder):
    with chroma_search.PersistentClient(folder) as client:
        source = client.create_collection("source", embedding_function=None)
        stop = threading.Event()

        def write(name):
            with chroma_search.PersistentClient(folder) as own:
                collection = own.get_collection("source", embedding_function=None)
                at = 0
                while not stop.is_set():
                    collection.add([f"{name}{at}"], [[float(at), 1.0]])
                    at += 1
                    if at % 7 == 0:
                        collection.flush()

        threads = [threading.Thread(target=write, args=(name,)) for name in "ab"]
        for each in threads:
            each.start()
        try:
            for at in range(6):
                least = source.count()
                fork = source.fork(f"fork-{at}")
                ids = fork.get()["ids"]
                assert least <= len(ids) <= source.count()
                for name in "ab":
                    own = [each for each in ids if each.startswith(name)]
                    assert own == [f"{name}{number}" for number in range(len(own))]
        finally:
            stop.set()
            for each in threads:
                each.join()
    assert chroma_search.verify(folder).is_clean


def test_a_folder_that_is_only_read_is_not_forked(folder):
    with chroma_search.PersistentClient(folder) as client:
        filled(client)
    with chroma_search.PersistentClient(folder, mode="r") as client:
        source = client.get_collection("source", embedding_function=None)
        assert source.fork_count() == 0
        with pytest.raises(UnsupportedError, match="mode='r'"):
            source.fork("other")


def test_a_backup_and_a_repaired_catalog_keep_the_lineage(folder, tmp_path):
    with chroma_search.PersistentClient(folder) as client:
        before = content(filled(client).fork("other"))
        client.backup(tmp_path / "backup")
    (folder / "catalog.sqlite").write_bytes(b"damaged")
    chroma_search.repair(folder)
    for path in (folder, tmp_path / "backup"):
        with chroma_search.PersistentClient(path) as client:
            fork = client.get_collection("other", embedding_function=None)
            assert fork.fork_count() == 1
            assert content(fork) == before
