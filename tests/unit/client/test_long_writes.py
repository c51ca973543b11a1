"""A batch that is long enough to lie beside the log, at the true limit: copied, forked, purged, damaged, mended."""

import pytest

import chroma_search
from chroma_search.storage.long_entries import LONG_BYTES

N = 200
TEXT = "needle " * (LONG_BYTES // N // 6)


@pytest.fixture
def folder(tmp_path):
    """A folder of one collection: a short write, a long one, a short one; nothing is flushed."""
    with chroma_search.PersistentClient(tmp_path / "data") as client:
        collection = client.create_collection("docs", embedding_function=None)
        collection.add(["first"], [[0.0, 0.0]], documents=["short"])
        collection.add([f"id{row}" for row in range(N)], [[float(row), 1.0] for row in range(N)], documents=[TEXT] * N)
        collection.add(["last"], [[9.0, 9.0]])
    assert len(files(tmp_path / "data")) == 1
    return tmp_path / "data"


def files(folder):
    return list(folder.glob("collections/*/log.*.entries"))


def records(folder, name="docs"):
    with chroma_search.PersistentClient(folder) as client:
        found = client.get_collection(name, embedding_function=None).get(include=["documents"])
    return found["ids"], found["documents"]


def test_it_is_there_after_reopening_in_a_backup_and_in_a_fork(folder, tmp_path):
    ids, documents = records(folder)
    assert (ids[0], len(ids), ids[-1], documents[1]) == ("first", N + 2, "last", TEXT)
    chroma_search.back_up(folder, tmp_path / "backup")
    assert records(tmp_path / "backup") == (ids, documents)
    assert chroma_search.verify(tmp_path / "backup").is_clean
    with chroma_search.PersistentClient(folder) as client:
        client.get_collection("docs", embedding_function=None).fork("forked")
        client.delete_collection("docs")
    assert records(folder, "forked") == (ids, documents)


def test_purge_leaves_nothing_of_it_in_any_file(folder):
    with chroma_search.PersistentClient(folder) as client:
        collection = client.get_collection("docs", embedding_function=None)
        collection.delete([f"id{row}" for row in range(N)])
        collection.purge()
        assert collection.count() == 2
        assert not files(folder)
        assert not [each for each in folder.rglob("*") if each.is_file() and b"needle" in each.read_bytes()]


@pytest.mark.parametrize("how", ["flip", "remove"])
def test_its_damage_is_found_and_costs_that_write_alone(folder, how):
    (path,) = files(folder)
    if how == "flip":
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 8
        path.write_bytes(content)
    else:
        path.unlink()
    (finding,) = chroma_search.verify(folder).findings
    assert finding.path == str(path.relative_to(folder))
    assert (finding.offset or 0) == 0
    with pytest.raises(chroma_search.errors.CorruptionError, match="entries"):
        records(folder)
    (repaired,) = chroma_search.repair(folder).collections
    assert repaired.losses == ("log.sqlite: 1 writes (numbers 2)",)
    assert records(folder) == (["first", "last"], ["short", None])
    assert chroma_search.verify(folder).is_clean
