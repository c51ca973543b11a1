"""verify() names every file that is not what was written, changes nothing, and calls a sound folder sound."""

import json
import shutil
import sqlite3
from contextlib import closing

import numpy as np
import pytest

import chroma_search
from chroma_search.engine.repairing import repair
from chroma_search.engine.verifying import verify
from chroma_search.errors import CorruptionError, NotFoundError
from chroma_search.storage import merge_policy
from chroma_search.storage.segment_folder import SegmentFolder
from tests.unit.engine.damaging import contents, flip


@pytest.fixture
def folder(tmp_path):
    """Two collections; the first has a segment with tombstones, and a log."""
    with chroma_search.PersistentClient(tmp_path / "data") as client:
        for name in ("first", "second"):
            collection = client.create_collection(name, embedding_function=None)
            ids = [f"{name}-{at}" for at in range(60)]
            collection.add(ids, np.random.default_rng(2).random((60, 8), np.float32), documents=ids)
        first = client.get_collection("first", embedding_function=None)
        first.flush()
        first.delete(["first-1", "first-2"])
    return tmp_path / "data"


def place_of(folder, name):
    with chroma_search.PersistentClient(folder) as client:
        return folder / "collections" / str(client.get_collection(name, embedding_function=None).id)


def the_finding(folder):
    report = verify(folder)
    assert not report.is_clean
    (finding,) = report.findings
    return finding


def test_a_sound_folder_is_clean_and_left_as_it_is(folder):
    before = contents(folder)
    report = verify(folder)
    assert report.is_clean
    assert (report.n_collections, report.n_segments, report.n_entries) == (2, 1, 2)
    assert report.n_bytes == sum(map(len, before.values()))
    assert contents(folder) == before
    assert str(report).endswith("clean")


def test_a_folder_in_use_is_clean(folder):
    with chroma_search.PersistentClient(folder) as client:
        collection = client.get_collection("second", embedding_function=None)
        collection.add("new", np.ones(8, np.float32))
        assert verify(folder).is_clean
        collection.flush()
        assert verify(folder).is_clean


def test_a_folder_while_files_are_made_is_clean(folder):
    with SegmentFolder(place_of(folder, "first") / "segments").making(0.0):
        assert verify(folder).is_clean


def test_no_data_are_no_sound_folder(tmp_path):
    with pytest.raises(NotFoundError):
        verify(tmp_path)


def test_a_flip_in_a_segment_is_named_with_its_block(folder):
    path = next(place_of(folder, "first").glob("segments/*.segment"))
    flip(path, path.stat().st_size // 2)
    finding = the_finding(folder)
    assert finding.path == str(path.relative_to(folder))
    assert finding.offset is not None
    assert 0 < finding.offset <= path.stat().st_size // 2


def test_each_damaged_file_is_a_finding(folder):
    segment = next(place_of(folder, "first").glob("segments/*.segment"))
    log = place_of(folder, "second") / "log.sqlite"
    card = place_of(folder, "second") / "collection.json"
    for path, at in ((segment, 9), (log, 2), (card, 40), (folder / "catalog.sqlite", 3)):
        flip(path, at)
    found = {each.path for each in verify(folder).findings}
    assert found == {str(path.relative_to(folder)) for path in (segment, log, card)} | {"catalog.sqlite"}


def test_segments_are_read_although_the_log_is_damaged(folder):
    place = place_of(folder, "first")
    segment = next(place.glob("segments/*.segment"))
    flip(segment, segment.stat().st_size // 2)
    (place / "log.sqlite").write_bytes(b"")
    assert {each.path for each in verify(folder).findings} == {
        str(path.relative_to(folder)) for path in (segment, place / "log.sqlite")
    }


def test_a_segment_of_a_newer_format_is_named(folder):
    path = next(place_of(folder, "first").glob("segments/*.segment"))
    flip(path, 8)
    assert the_finding(folder).path == str(path.relative_to(folder))


def test_a_missing_segment_is_named(folder):
    path = next(place_of(folder, "first").glob("segments/*.segment"))
    path.unlink()
    assert the_finding(folder).path == str(path.relative_to(folder))


def test_a_missing_folder_of_a_collection_is_named(folder):
    place = place_of(folder, "first")
    shutil.rmtree(place)
    assert the_finding(folder).path == str(place.relative_to(folder))


def test_a_row_of_another_type_in_the_log_is_no_other_error(folder):
    path = place_of(folder, "second") / "log.sqlite"
    for statement in ("UPDATE entries SET body = 'text'", "UPDATE head SET chain = 'x'"):
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(statement)
        assert the_finding(folder).path == str(path.relative_to(folder))


def test_a_changed_table_definition_is_seen(folder):
    """A reader does not notice it, but what is written next would be stored otherwise."""
    path = folder / "catalog.sqlite"
    content = path.read_bytes()
    at = content.index(b"name TEXT PRIMARY KEY") + len("name ")
    path.write_bytes(content[:at] + b"U" + content[at + 1 :])
    assert the_finding(folder).path == "catalog.sqlite"


@pytest.mark.parametrize("at", [18, 19])
@pytest.mark.parametrize("name", ["catalog.sqlite", "log.sqlite"])
def test_a_file_that_forbids_this_sqlite_to_write_it_is_damaged_and_can_be_repaired(folder, name, at):
    path = folder / name if name == "catalog.sqlite" else place_of(folder, "second") / name
    flip(path, at)
    assert the_finding(folder).path == str(path.relative_to(folder))
    with pytest.raises(CorruptionError) as raised, chroma_search.PersistentClient(folder) as client:
        client.get_collection("second", embedding_function=None).add("more", np.ones(8, np.float32))
    assert raised.value.offset == at
    repair(folder)
    with chroma_search.PersistentClient(folder) as client:
        collection = client.get_collection("second", embedding_function=None)
        collection.add("more", np.ones(8, np.float32))
        assert collection.count() == 61


@pytest.mark.parametrize("name", ["catalog.sqlite", "log.sqlite"])
def test_a_name_in_a_message_of_sqlite_that_is_no_text_is_no_other_error(folder, name):
    path = folder / name if name == "catalog.sqlite" else place_of(folder, "first") / name
    content = path.read_bytes()
    at = content.index(b"tablehead") + len("table")
    path.write_bytes(content[:at] + bytes([content[at] ^ 128]) + content[at + 1 :])
    assert the_finding(folder).path == str(path.relative_to(folder))
    chroma_search.repair(folder)
    assert verify(folder).is_clean


def test_a_card_of_another_collection_is_seen(folder):
    first, second = place_of(folder, "first"), place_of(folder, "second")
    shutil.copyfile(first / "collection.json", second / "collection.json")
    assert the_finding(folder).path == str((second / "collection.json").relative_to(folder))


def test_a_lock_file_that_would_stop_all_flushes_is_seen(folder):
    path = place_of(folder, "first") / "segments/making.sqlite"
    path.write_bytes(b"x" * 4096)
    assert the_finding(folder).path == str(path.relative_to(folder))


def test_segment_files_that_changed_places_are_seen(folder, monkeypatch):
    """They have the same number of rows and the same dimension; only their names are wrong."""
    monkeypatch.setattr(merge_policy, "LARGEST_SEGMENT_ROWS", 60)  # or the two would become one
    with chroma_search.PersistentClient(folder) as client:
        first = client.get_collection("first", embedding_function=None)
        first.compact()
        first.add([f"more-{at}" for at in range(first.count())], np.ones((first.count(), 8), np.float32))
        first.flush()
    one, other = sorted(place_of(folder, "first").glob("segments/*.segment"))
    one.rename(folder / "aside")
    other.rename(one)
    assert len(verify(folder).findings) == 2  # one is missing, one holds another
    (folder / "aside").rename(other)
    findings = {each.path: each.what for each in verify(folder).findings}
    assert findings == {
        str(path.relative_to(folder)): f"expected the segment {path.name}, not {written.name}"
        for path, written in ((one, other), (other, one))
    }
    with (
        chroma_search.PersistentClient(folder) as client,
        pytest.raises(CorruptionError, match="holds the segment"),
    ):
        client.get_collection("first", embedding_function=None).count()


@pytest.mark.parametrize("has_note", [True, False])
def test_a_catalog_that_is_older_than_it_should_be_is_seen(folder, has_note):
    """By the note of its last change; without that by the collection that it does not know."""
    shutil.copyfile(folder / "catalog.sqlite", folder.parent / "older")
    with chroma_search.PersistentClient(folder) as client:
        late = client.create_collection("late", embedding_function=None)
        client.create_collection("never-written-to", embedding_function=None)
        late.add("a", np.ones(2, np.float32))
    shutil.copyfile(folder.parent / "older", folder / "catalog.sqlite")
    if has_note:
        assert the_finding(folder).path == "catalog.sqlite"
        with pytest.raises(CorruptionError, match=r"ends with change \d+, but change \d+ was acknowledged"):
            chroma_search.PersistentClient(folder)
    else:
        (folder / "catalog.head").unlink()
        assert the_finding(folder).path == f"collections/{late.id}"


def test_what_a_process_left_that_was_killed_while_creating_is_clean(folder):
    place = place_of(folder, "first")
    left = folder / "collections" / "00000000-0000-0000-0000-000000000001"
    left.mkdir()
    shutil.copyfile(place / "collection.json", left / "collection.json")
    assert verify(folder).is_clean


def test_the_report_is_json(folder):
    flip(next(place_of(folder, "first").glob("segments/*.segment")), 9)
    report = verify(folder)
    facts = json.loads(json.dumps(report.to_dict()))
    assert facts["clean"] is False
    assert len(facts["findings"]) == 1
    assert "1 findings" in str(report)


def test_progress_is_told_per_collection(folder):
    seen = []
    verify(folder, progress=lambda done, all_: seen.append((done, all_)))
    assert seen == [(1, 2), (2, 2)]
