"""repair() makes a folder sound, keeps all that can be kept, says what is lost, and leaves sound files alone."""

import json
import os
import shutil
import sqlite3
from contextlib import closing

import numpy as np
import pytest

import chroma_search
from chroma_search.errors import LockedError, NotFoundError
from chroma_search.storage import merge_policy
from chroma_search.storage.array_file import ArrayFile
from tests.unit.engine.damaging import contents, flip

N = 60


@pytest.fixture
def folder(tmp_path):
    """`first` has a segment with tombstones and a log of two writes, `second` only a log; there is another database."""
    path = tmp_path / "data"
    admin = chroma_search.AdminClient(chroma_search.Settings(is_persistent=True, persist_directory=str(path)))
    admin.create_database("other")
    admin.close()
    with chroma_search.PersistentClient(path) as client:
        for name in ("first", "second"):
            client.create_collection(name, embedding_function=None, metadata={"called": name})
        first, second = (client.get_collection(each, embedding_function=None) for each in ("first", "second"))
        ids = [f"first-{at}" for at in range(N)]
        first.add(ids, vectors(N), documents=ids, metadatas=[{"at": at} for at in range(N)])
        first.flush()
        first.delete(["first-0"])
        first.add(["first-0", "late"], vectors(2), documents=["again", "late"])
        second.add(["a", "b"], np.ones((2, 3), np.float32))
    return path


def vectors(n):
    return np.random.default_rng(n).random((n, 32)).astype(np.float32)


def place_of(folder, name):
    with chroma_search.PersistentClient(folder) as client:
        return folder / "collections" / str(client.get_collection(name, embedding_function=None).id)


def records(folder, name="first"):
    with chroma_search.PersistentClient(folder) as client:
        found = client.get_collection(name, embedding_function=None).get(
            include=["documents", "metadatas", "embeddings", "uris"]
        )
    rows = zip(
        found["ids"], found["documents"], found["metadatas"], np.asarray(found["embeddings"]).tolist(), strict=True
    )
    return {id_: tuple(rest) for id_, *rest in rows}


def segment_of(folder):
    return next(place_of(folder, "first").glob("segments/*.segment"))


def repaired(folder):
    """Repair, and check what holds after every repair."""
    report = chroma_search.repair(folder)
    assert chroma_search.verify(folder).is_clean
    again = chroma_search.repair(folder)
    assert (again.collections, again.catalog, again.damaged) == ((), (), None)
    assert not (folder / "repairing").exists()
    json.dumps(report.to_dict())
    return report


def test_a_sound_folder_is_left_as_it_is(folder):
    before = contents(folder)
    report = chroma_search.repair(folder)
    assert report.is_lossless
    assert str(report).endswith("nothing to repair")
    assert contents(folder) == before


def test_no_data_cannot_be_repaired(tmp_path):
    with pytest.raises(NotFoundError):
        chroma_search.repair(tmp_path)


def test_a_folder_that_this_process_has_open_is_not_repaired(folder):
    with chroma_search.PersistentClient(folder), pytest.raises(LockedError):
        chroma_search.repair(folder)


def test_a_damaged_index_is_built_again_and_nothing_is_lost(folder):
    before = records(folder)
    path = segment_of(folder)
    file = ArrayFile.open(path)
    graph = [name for name in file.names if name.startswith("graph.") and file._entries[name].nbytes]
    flip(path, file._entries[graph[0]].start)
    report = repaired(folder)
    assert report.is_lossless
    assert [each.name for each in report.collections] == ["first"]
    assert report.collections[0].n_records == len(before)
    assert records(folder) == before
    assert list(records(folder)) == list(before)


def test_the_order_of_the_records_is_kept(folder):
    before = list(records(folder))
    path = segment_of(folder)
    flip(path, path.stat().st_size - 3)  # the header at the end
    assert repaired(folder).is_lossless
    assert list(records(folder)) == before


def test_a_missing_log_does_not_make_an_empty_collection(folder):
    """What was in segments is kept; that the rest is gone is said."""
    (place_of(folder, "first") / "log.sqlite").unlink()
    report = repaired(folder)
    assert not report.is_lossless
    assert {f"first-{at}" for at in range(1, N)} <= records(folder).keys()
    assert any("cannot be told" in each for each in report.collections[0].losses)


@pytest.mark.parametrize("table", ["manifest", "segments"])
def test_a_manifest_that_is_gone_does_not_make_an_empty_collection(folder, table):
    before = records(folder)
    with closing(sqlite3.connect(place_of(folder, "first") / "log.sqlite")) as connection, connection:
        connection.execute(f"DELETE FROM {table}")
    report = repaired(folder)
    assert "manifest is damaged" in report.collections[0].losses[0]
    found = records(folder)
    assert all(found[each] == before[each] for each in before if each != "first-0")
    assert set(found) == set(before)


def test_a_segment_file_that_the_manifest_does_not_name_is_older_than_those_it_names(folder):
    """It is left from before a flush: what it says of a record must not win."""
    place = place_of(folder, "first")
    old = segment_of(folder)
    shutil.copyfile(old, folder.parent / "old")
    with chroma_search.PersistentClient(folder) as client:
        first = client.get_collection("first", embedding_function=None)
        first.update(["first-7"], documents=["newer"], embeddings=np.zeros((1, 32), np.float32))
        first.compact()
    before = records(folder)
    shutil.copyfile(folder.parent / "old", old)
    os.utime(old, (2**31, 2**31))
    with closing(sqlite3.connect(place / "log.sqlite")) as connection, connection:
        connection.execute("UPDATE manifest SET next_offset = next_offset + 1")
    repaired(folder)
    assert records(folder)["first-7"] == before["first-7"]
    assert records(folder)["first-7"][0] == "newer"


def test_a_damaged_write_is_named_and_the_others_are_kept(folder):
    before = records(folder)
    with closing(sqlite3.connect(place_of(folder, "first") / "log.sqlite")) as connection, connection:
        connection.execute("UPDATE entries SET body = zeroblob(40) WHERE seq = 3")
    report = repaired(folder)
    assert report.collections[0].losses == ("log.sqlite: 1 writes (numbers 3)",)
    assert records(folder) == {each: before[each] for each in before if each not in ("first-0", "late")}


def test_a_deleted_record_does_not_come_back(folder):
    with chroma_search.PersistentClient(folder) as client:
        first = client.get_collection("first", embedding_function=None)
        first.delete(["first-5"])
        first.upsert(["first-6"], vectors(1), documents=["changed"])
        first.flush()
    before = records(folder)
    path = segment_of(folder)
    flip(path, path.stat().st_size - 3)
    repaired(folder)
    assert records(folder) == before


def test_a_damaged_card_is_written_again_and_nothing_is_built_anew(folder):
    place = place_of(folder, "first")
    segment, before = segment_of(folder), records(folder)
    kept = segment.read_bytes()
    flip(place / "collection.json", 50)
    report = repaired(folder)
    assert report.is_lossless
    assert (report.collections[0].name, report.collections[0].n_records) == ("first", len(before))
    assert segment.read_bytes() == kept
    assert records(folder) == before


def test_a_damaged_lock_of_flushes_is_put_aside(folder):
    (place_of(folder, "first") / "segments/making.sqlite").write_bytes(b"no database" * 400)
    report = repaired(folder)
    assert report.is_lossless
    with chroma_search.PersistentClient(folder) as client:
        client.get_collection("first", embedding_function=None).flush()


@pytest.mark.parametrize("content", [None, b"", b"x" * 5000])
def test_a_catalog_that_is_gone_is_made_from_the_cards(folder, content):
    before = records(folder), records(folder, "second")
    path = folder / "catalog.sqlite"
    path.unlink() if content is None else path.write_bytes(content)
    report = repaired(folder)
    assert "cannot be told" in report.catalog[0]
    assert (records(folder), records(folder, "second")) == before
    with chroma_search.PersistentClient(folder) as client:
        assert client.get_collection("second", embedding_function=None).metadata == {"called": "second"}


def test_rows_of_the_catalog_that_are_lost_are_counted(folder):
    with closing(sqlite3.connect(folder / "catalog.sqlite")) as connection, connection:
        connection.execute("UPDATE databases SET name = 'othes' WHERE name = 'other'")
    report = repaired(folder)
    assert report.catalog == ("it was damaged, and was made again; 1 of its rows are lost",)


def test_columns_of_another_type_in_the_catalog_are_damage(folder):
    for statement in (
        "UPDATE tenants SET checksum = 'x'",
        "UPDATE collections SET facts = x'ff' WHERE name = 'first'",
        "UPDATE collections SET name = CAST(x'ff' AS TEXT) WHERE name = 'second'",
    ):
        with closing(sqlite3.connect(folder / "catalog.sqlite")) as connection, connection:
            connection.execute(statement)
        with pytest.raises(chroma_search.errors.CorruptionError):
            chroma_search.PersistentClient(folder)
        before = len(repaired(folder).catalog)
        assert before
    with chroma_search.PersistentClient(folder) as client:
        assert {each.name for each in client.list_collections()} == {"first", "second"}


@pytest.mark.parametrize("has_note", [True, False])
def test_a_collection_that_an_older_catalog_does_not_know_is_added_to_it(folder, has_note):
    shutil.copyfile(folder / "catalog.sqlite", folder.parent / "older")
    with chroma_search.PersistentClient(folder) as client:
        client.create_collection("late", embedding_function=None).add("a", np.ones(2, np.float32))
        client.delete_collection("second")
        client.create_collection("second", embedding_function=None).add("new", np.ones(3, np.float32))
    shutil.copyfile(folder.parent / "older", folder / "catalog.sqlite")
    if not has_note:
        (folder / "catalog.head").unlink()
    notes = repaired(folder).catalog
    assert any("changes are lost" in each for each in notes) == has_note
    assert list(records(folder, "late")) == ["a"]
    with chroma_search.PersistentClient(folder) as client:  # of the older one the folder was gone
        names = {each.name: each.count() for each in client.list_collections()}
    assert names == {"first": N + 1, "second": 0, "second-2": 1, "late": 1}


def test_a_missing_folder_is_everything_lost(folder):
    shutil.rmtree(place_of(folder, "second"))
    report = repaired(folder)
    (only,) = report.collections
    assert (only.name, only.n_records, only.losses[0]) == ("second", 0, "everything: its folder was missing")


def test_the_damaged_files_are_kept_as_they_were(folder):
    place, path = place_of(folder, "first"), segment_of(folder)
    flip(path, path.stat().st_size // 2)
    damaged = path.read_bytes()
    report = chroma_search.repair(folder)
    assert report.damaged == str(folder / "damaged")
    assert (folder / "damaged" / place.name / "segments" / path.name).read_bytes() == damaged


def test_a_second_damage_is_put_beside_the_first(folder):
    for _ in range(2):
        path = segment_of(folder)
        flip(path, path.stat().st_size // 2)
        repaired(folder)
    assert len(list((folder / "damaged").iterdir())) == 2


def test_the_dimension_of_an_emptied_collection_is_kept(folder):
    with chroma_search.PersistentClient(folder) as client:
        first = client.get_collection("first", embedding_function=None)
        first.delete(list(first.get()["ids"]))
        first.flush()
        first.compact()
    flip(place_of(folder, "first") / "collection.json", 50)
    with closing(sqlite3.connect(place_of(folder, "first") / "log.sqlite")) as connection, connection:
        connection.execute("DELETE FROM head")
    repaired(folder)
    with chroma_search.PersistentClient(folder) as client, pytest.raises(chroma_search.errors.DimensionMismatchError):
        client.get_collection("first", embedding_function=None).add("x", np.ones(5, np.float32))


def test_damage_in_the_write_ahead_file_loses_no_acknowledged_write(folder, tmp_path):
    """A killed writer left it: SQLite would drop all writes from the damaged page on."""
    place = place_of(folder, "first")
    with chroma_search.PersistentClient(folder) as client:
        first = client.get_collection("first", embedding_function=None)
        for at in range(8):
            first.add(f"new-{at}", vectors(1), documents=f"new {at}")
        before = records(folder)
        shutil.copytree(folder, tmp_path / "killed")
    killed = tmp_path / "killed" / place.relative_to(folder)
    wal = killed / "log.sqlite-wal"
    flip(wal, 32 + 24 + 500)  # of an older version of a page that came again later
    assert not chroma_search.verify(tmp_path / "killed").is_clean
    with chroma_search.PersistentClient(tmp_path / "killed") as client:
        damaged = client.get_collection("first", embedding_function=None)
        with pytest.raises(chroma_search.errors.CorruptionError, match=r"log\.sqlite-wal is damaged at byte 32"):
            damaged.get()
    report = repaired(tmp_path / "killed")
    assert report.is_lossless
    assert records(tmp_path / "killed") == before


def test_last_writes_that_are_gone_are_named_and_the_others_are_kept(folder, tmp_path):
    place = place_of(folder, "second").relative_to(folder)
    with chroma_search.PersistentClient(folder) as client:
        second = client.get_collection("second", embedding_function=None)
        for at in range(3):
            second.add(f"new-{at}", np.ones(3, np.float32))
        shutil.copytree(folder, tmp_path / "killed")
    wal = tmp_path / "killed" / place / "log.sqlite-wal"
    os.truncate(wal, wal.stat().st_size - 5000)  # the last two pages
    report = repaired(tmp_path / "killed")
    (only,) = report.collections
    assert (only.name, only.losses) == ("second", ("log.sqlite: 1 writes (numbers 4)",))
    assert set(records(tmp_path / "killed", "second")) == {"a", "b", "new-0", "new-1"}
    with chroma_search.PersistentClient(tmp_path / "killed") as client:
        client.get_collection("second", embedding_function=None).add("later", np.ones(3, np.float32))
    assert len(records(tmp_path / "killed", "second")) == 5


@pytest.fixture
def two_segments(folder, monkeypatch):
    """Let `first` have two segments of as many rows, the first with tombstones; return their files."""
    monkeypatch.setattr(merge_policy, "LARGEST_SEGMENT_ROWS", N + 1)  # or the two would become one
    with chroma_search.PersistentClient(folder) as client:
        first = client.get_collection("first", embedding_function=None)
        first.compact()
        first.add(
            [f"more-{at}" for at in range(N + 1)], vectors(N + 1), documents=[f"more {at}" for at in range(N + 1)]
        )
        first.delete(["first-5", "first-6"])
        first.flush()
    return sorted(place_of(folder, "first").glob("segments/*.segment"))


def test_segment_files_that_changed_places_cost_nothing(folder, two_segments, tmp_path):
    one, other = two_segments
    before = records(folder)
    one.rename(tmp_path / "aside")
    other.rename(one)
    (tmp_path / "aside").rename(other)
    assert repaired(folder).is_lossless
    assert records(folder) == before


def test_a_segment_file_over_which_another_was_copied_costs_its_own_records(folder, two_segments):
    one, other = two_segments
    before = records(folder)
    shutil.copyfile(other, one)
    report = repaired(folder)
    (loss,) = report.collections[0].losses
    assert "for it holds another segment" in loss
    left = records(folder)
    assert left == {id_: before[id_] for id_ in left}
    prefixes = {each.split("-")[0] for each in left}
    assert prefixes == {"more"} or "more" not in prefixes
    assert f"({len(before) - len(left)})" in loss
