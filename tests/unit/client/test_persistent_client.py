"""PersistentClient: what is written is there for the next process, and for those that are open already."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import chroma_search
from chroma_search import EphemeralClient, K, Knn, PersistentClient, Search, SparseVector
from chroma_search.errors import ConflictError, CorruptionError, NotFoundError, StorageError, UnsupportedError
from chroma_search.storage.files import TEMPORARY

ROOT = Path(__file__).parents[3]


def in_another_process(folder, program):
    """Run lines with `client` on the folder; return what they print."""
    source = f"import chroma_search\nwith chroma_search.PersistentClient({str(folder)!r}) as client:\n"
    source += textwrap.indent(textwrap.dedent(program), "    ")
    ran = subprocess.run([sys.executable, "-c", source], cwd=ROOT, check=True, capture_output=True, text=True)
    return ran.stdout.strip()


def test_everything_is_there_again(tmp_path):
    vector = SparseVector([1, 2], [0.5, 1.5])
    metadata = {"int": 1, "float": 1.0, "bool": True, "text": "\N{SNOWMAN}\0", "list": [1, 2], "sparse": vector}
    with PersistentClient(tmp_path) as client:
        collection = client.create_collection(
            "docs", metadata={"owner": "me"}, configuration={"hnsw": {"space": "cosine"}}, embedding_function=None
        )
        collection.add(
            ids=["a", "b"], embeddings=[[1, 0], [0, 1]], documents=["x", None], metadatas=[metadata, None],
            uris=["file:a", "file:b"],
        )  # fmt: skip
        collection.update(ids="b", embeddings=[[0, 2]], documents="y")
        before = collection.get(include=["embeddings", "documents", "metadatas", "uris"])
        search = Search(where=K("int") == 1, rank=Knn([1, 0.5])).select_all()
        answer = collection.search(search)
    with PersistentClient(tmp_path) as client:
        collection = client.get_collection("docs", embedding_function=None)
        assert collection.metadata == {"owner": "me"}
        assert collection.configuration_json["hnsw"]["space"] == "cosine"
        after = collection.get(include=["embeddings", "documents", "metadatas", "uris"])
        assert repr(after["metadatas"]) == repr(before["metadatas"])
        assert {**after, "embeddings": 0} == {**before, "embeddings": 0}
        assert (after["embeddings"] == before["embeddings"]).all()
        assert collection.search(search) == answer


def test_another_process_sees_a_write_in_its_next_call_and_writes_too(tmp_path):
    with PersistentClient(tmp_path) as client:
        collection = client.create_collection("docs", embedding_function=None)
        collection.add(ids="a", embeddings=[1.0, 0.0])
        assert in_another_process(tmp_path, "print(client.get_collection('docs').get()['ids'])") == "['a']"
        in_another_process(tmp_path, "client.get_collection('docs').add(ids='b', embeddings=[0.0, 1.0])")
        assert collection.get()["ids"] == ["a", "b"]
        assert collection.query([0.0, 1.0], n_results=1)["ids"] == [["b"]]
        in_another_process(tmp_path, "client.get_collection('docs').modify(name='texts', metadata={'x': 1})")
        assert collection.name == "docs"  # what a handle remembers ...
        assert collection.count() == 2  # ... is brought up to date by its next call
        assert (collection.name, collection.metadata) == ("texts", {"x": 1})
        in_another_process(tmp_path, "client.create_collection('more')")
        assert [each.name for each in client.list_collections()] == ["texts", "more"]
        with pytest.raises(ConflictError):
            client.create_collection("more")


def test_a_collection_that_another_process_deleted_is_gone(tmp_path):
    with PersistentClient(tmp_path) as client:
        collection = client.create_collection("docs", embedding_function=None)
        collection.add(ids="a", embeddings=[1.0])
        in_another_process(tmp_path, "client.delete_collection('docs')")
        with pytest.raises(NotFoundError):
            collection.add(ids="b", embeddings=[2.0])
        assert client.list_collections() == []
        assert list((tmp_path / "collections").iterdir()) == []
        again = client.create_collection("docs", embedding_function=None)
        assert again.count() == 0


def test_a_child_of_fork_may_go_on(tmp_path):
    with PersistentClient(tmp_path) as client:
        collection = client.create_collection("docs", embedding_function=None)
        collection.add(ids="a", embeddings=[1.0])
        pid = os.fork()
        if pid == 0:  # the child: no assertion may escape from here
            try:
                collection.add(ids="child", embeddings=[2.0])
                os._exit(0 if collection.get()["ids"] == ["a", "child"] else 1)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert collection.get()["ids"] == ["a", "child"]
        collection.add(ids="b", embeddings=[3.0])
        assert collection.count() == 3


def test_tenants_and_databases_last(tmp_path):
    with chroma_search.PersistentClient(tmp_path):
        admin = chroma_search.AdminClient(chroma_search.Settings(is_persistent=True, persist_directory=str(tmp_path)))
        admin.create_tenant("acme")
        admin.create_database("sales", "acme")
        admin.close()
    with PersistentClient(tmp_path, tenant="acme", database="sales") as client:
        client.create_collection("docs")
    with PersistentClient(tmp_path) as client:
        assert client.list_collections() == []


def test_two_folders_and_memory_are_apart(tmp_path):
    one, two, memory = PersistentClient(tmp_path / "one"), PersistentClient(tmp_path / "two"), EphemeralClient()
    with one, two, memory:
        one.create_collection("docs")
        assert two.list_collections() == memory.list_collections() == []


def test_a_folder_that_cannot_be_made_is_a_typed_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="Cannot make the folder"):
        PersistentClient(tmp_path / "file" / "db")


def test_a_folder_of_chroma_is_refused_before_anything_is_written(tmp_path):
    (tmp_path / "chroma.sqlite3").write_bytes(b"")
    with pytest.raises(UnsupportedError, match="folder of Chroma"):
        PersistentClient(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["chroma.sqlite3"]


def test_leftovers_of_a_kill_are_swept_when_the_folder_is_opened(tmp_path):
    with PersistentClient(tmp_path) as client:
        client.create_collection("docs")
    leftover = tmp_path / "collections" / "00000000-0000-0000-0000-00000000abcd"
    leftover.mkdir()
    (leftover / "log.sqlite").write_bytes(b"half")
    with PersistentClient(tmp_path) as client:
        assert not leftover.exists()
        assert client.count_collections() == 1


def test_a_folder_of_segments_without_any_is_swept(tmp_path):
    """A flush that began when its collection was just deleted leaves one, with the lock of the flushes in it."""
    PersistentClient(tmp_path).close()
    leftover = tmp_path / "collections" / "00000000-0000-0000-0000-00000000abcd"
    (leftover / "segments" / "unnamed").mkdir(parents=True)
    (leftover / "segments" / "making.sqlite").write_bytes(b"a lock")
    with PersistentClient(tmp_path):
        assert not leftover.exists()


@pytest.mark.parametrize("name", ["segments/a.segment", "segments/unnamed/a.segment", "log.1.entries"])
def test_a_folder_without_a_log_that_may_hold_records_is_not_swept(tmp_path, name):
    PersistentClient(tmp_path).close()
    left = tmp_path / "collections" / "00000000-0000-0000-0000-00000000abcd" / name
    left.parent.mkdir(parents=True)
    left.write_bytes(b"records")
    with PersistentClient(tmp_path):
        assert left.exists()


def test_a_temporary_file_of_a_kill_is_swept_too(tmp_path):
    with PersistentClient(tmp_path) as client:
        collection = client.create_collection("docs")
    leftover = tmp_path / "collections" / str(collection.id) / f"half{TEMPORARY}"
    leftover.write_bytes(b"half")
    with PersistentClient(tmp_path):
        assert not leftover.exists()


def test_opening_a_folder_and_reading_writes_nothing(tmp_path):
    """A program that only asks costs no sync, and no other process has to read the catalog again."""
    with PersistentClient(tmp_path) as client:
        collection = client.create_collection("docs", embedding_function=None)
        collection.add(ids="a", embeddings=[1.0, 2.0])
        collection.flush()
        client.delete_collection(client.create_collection("gone").name)
    with PersistentClient(tmp_path):
        pass  # sweeps
    before = {each: (each.stat().st_mtime_ns, each.read_bytes()) for each in tmp_path.rglob("*") if each.is_file()}
    with PersistentClient(tmp_path) as client:
        assert client.get_collection("docs", embedding_function=None).query([1.0, 2.0])["ids"] == [["a"]]
        logs = list(tmp_path.rglob("*-wal"))
        assert len(logs) == 2
        assert [each.stat().st_size for each in logs] == [0, 0]
    after = {each: (each.stat().st_mtime_ns, each.read_bytes()) for each in tmp_path.rglob("*") if each.is_file()}
    assert after == before


def test_a_wrong_write_leaves_nothing_behind(tmp_path):
    with PersistentClient(tmp_path) as client:
        collection = client.create_collection("docs", embedding_function=None)
        collection.add(ids="a", embeddings=[1.0, 2.0])
        with pytest.raises(ValueError, match="dimension"):
            collection.add(ids=["b", "c"], embeddings=np.ones((2, 3), np.float32))
        collection.add(ids="d", embeddings=[1.0, 2.0])
    with PersistentClient(tmp_path) as client:
        assert client.get_collection("docs", embedding_function=None).get()["ids"] == ["a", "d"]


def test_a_collection_with_records_that_the_catalog_does_not_know_is_not_swept(tmp_path):
    """An older catalog, such as one whose write-ahead file was lost, must not cost the collections made since.

    The note of the last change tells that it is older; without the note it looks complete.
    """
    with PersistentClient(tmp_path) as client:
        client.create_collection("first", embedding_function=None)
    older = (tmp_path / "catalog.sqlite").read_bytes()
    with PersistentClient(tmp_path) as client:
        client.create_collection("second", embedding_function=None).add(["a"], [[1.0]])
        client.create_collection("gone", embedding_function=None).add(["b"], [[1.0]])
        client.delete_collection("gone")
    (tmp_path / "catalog.sqlite").write_bytes(older)
    with pytest.raises(CorruptionError, match="was acknowledged"):
        PersistentClient(tmp_path)
    (tmp_path / "catalog.head").unlink()
    with PersistentClient(tmp_path) as client:
        assert [each.name for each in client.list_collections()] == ["first"]
    assert not chroma_search.verify(tmp_path).is_clean
    chroma_search.repair(tmp_path)
    assert chroma_search.verify(tmp_path).is_clean
    with PersistentClient(tmp_path) as client:
        assert [each.name for each in client.list_collections()] == ["first", "second"]
        assert client.get_collection("second", embedding_function=None).get()["ids"] == ["a"]
