"""The log: entries keep their types, errors leave nothing behind, damage shows, two openers see each other."""

import contextlib
import os
import shutil
import sqlite3
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroma_search.errors import CorruptionError, InvalidArgumentError, LockedError, NotFoundError, StorageError
from chroma_search.model.sparse_vector import SparseVector
from chroma_search.storage import log_entry
from chroma_search.storage.last_commit import CommitNote, LastCommit
from chroma_search.storage.log import SqliteLog
from chroma_search.storage.log_entry import LogEntry
from chroma_search.storage.sqlite_file import SqliteFile
from tests.property.record_strategies import metadatas


def entry(*ids, **columns):
    vectors = np.arange(3 * len(ids), dtype=np.float32).reshape(len(ids), 3)
    return LogEntry("add", list(ids), vectors, **columns)


def columns_of(one):
    vectors = None if one.vectors is None else one.vectors.tolist()
    return one.op, list(one.ids), vectors, one.documents, one.metadatas, one.uris


@given(st.lists(metadatas(), max_size=3))
def test_an_entry_reads_back_as_it_was_written(values):
    ids = [f"\N{SNOWMAN}\0{at}" for at in range(len(values))]
    written = LogEntry("upsert", ids, np.ones((len(ids), 2), np.float32), ["\0"] * len(ids), values)
    again = LogEntry.from_bytes(written.to_bytes())
    assert repr(columns_of(again)) == repr(columns_of(written))  # repr tells 1, 1.0 and True apart, and NaN equal


def test_a_delete_and_a_sparse_vector_read_back():
    vector = SparseVector([1, 5], [0.5, 2], ["a", "b"])
    again = LogEntry.from_bytes(LogEntry("update", ["a"], None, None, [{"s": vector, "gone": None}]).to_bytes())
    assert again.metadatas == [{"s": vector, "gone": None}]
    assert columns_of(LogEntry.from_bytes(LogEntry("delete", ["x"]).to_bytes())) == ("delete", ["x"], *[None] * 4)


def test_a_long_entry_is_cut_into_parts_that_do_the_same(monkeypatch):
    monkeypatch.setattr(log_entry, "PART_BYTES", 1_000)
    n = 40
    texts = [None if row % 7 == 0 else "x" * (row * 13 % 200) for row in range(n)]
    metadata = [{"long": "y" * row} if row % 3 else None for row in range(n)]
    whole = LogEntry(
        "upsert", [f"id{row}" for row in range(n)], np.arange(3 * n, dtype=np.float32).reshape(n, 3), texts, metadata
    )
    parts = whole.parts()
    assert len(parts) > 3
    assert all(len(part.to_bytes()) < 2_000 for part in parts)
    assert {part.op for part in parts} == {"upsert"}
    for name in ("ids", "documents", "metadatas"):
        assert [each for part in parts for each in getattr(part, name)] == getattr(whole, name)
    vectors = [row for part in parts if part.vectors is not None for row in part.vectors.tolist()]
    assert vectors == np.arange(3 * n, dtype=np.float32).reshape(n, 3).tolist()
    assert all(part.uris is None for part in parts)
    assert LogEntry("delete", ["a", "b"]).parts()[0].ids == ["a", "b"]


def test_a_record_that_no_log_can_hold_is_refused_by_its_size(monkeypatch):
    monkeypatch.setattr(log_entry, "LARGEST_BYTES", 1_000)
    with pytest.raises(InvalidArgumentError, match="longer than the 1,000 that one may have"):
        entry("a", documents=["x" * 2_000]).to_bytes()


def append(log, *entries):
    with log.writing():
        log.news()
        for each in entries:
            log.append(each)


def test_two_openers_read_each_others_entries_in_order(tmp_path):
    one, other = SqliteLog(tmp_path / "log.sqlite"), SqliteLog(tmp_path / "log.sqlite")
    append(one, entry("a"))
    assert other.has_changed()
    assert [each.ids for each in other.news().entries] == [["a"]]
    other.caught_up()
    assert not other.has_changed()
    append(other, entry("b"), entry("c"))
    assert one.has_changed()
    assert [each.ids for each in one.news().entries] == [["b"], ["c"]]
    assert not one.news()
    one.close()
    other.close()


def killed(tmp_path, keep):
    """Return a log whose writer was killed after `a`, `b` and `c`, of which the write-ahead file has lost the end."""
    (tmp_path / "live").mkdir()
    log = SqliteLog(tmp_path / "live/log.sqlite")
    for each in "abc":
        append(log, entry(each))
    shutil.copytree(tmp_path / "live", tmp_path / "killed")
    log.close()
    path = tmp_path / "killed/log.sqlite"
    wal = path.with_name("log.sqlite-wal")
    os.truncate(wal, int(wal.stat().st_size * keep))
    path.with_name("log.sqlite-shm").unlink()
    return path


def test_acknowledged_entries_that_are_gone_from_the_end_are_an_error_with_both_numbers(tmp_path):
    log = SqliteLog(killed(tmp_path, 0.9))
    for _ in range(2):  # it does not go away
        with pytest.raises(CorruptionError, match=r"log\.sqlite ends with write 2, but write 3 was acknowledged"):
            log.news()
    log.close()


def test_a_copy_of_a_log_that_lost_its_end_is_not_taken_for_sound(tmp_path):
    log = SqliteLog(killed(tmp_path, 0.9), "read")
    log.copy_to(tmp_path / "copy.sqlite")
    log.close()
    copy = SqliteLog(tmp_path / "copy.sqlite")
    with pytest.raises(CorruptionError, match="ends with write 2"):
        copy.news()
    copy.close()


@pytest.mark.parametrize("note", [None, LastCommit(1, 77), LastCommit(2, 0)])
def test_a_note_that_is_missing_or_behind_says_nothing(tmp_path, note):
    path = killed(tmp_path, 1)
    CommitNote(path).path.unlink()
    if note is not None:
        CommitNote(path).write(note)
    log = SqliteLog(path)
    assert [each.ids for each in log.news().entries] == [["a"], ["b"], ["c"]]
    append(log, entry("d"))
    noted = CommitNote(path).read()
    assert noted is not None
    assert noted.number == 4
    log.close()


def test_what_others_append_after_an_opening_is_not_missing(tmp_path):
    path = killed(tmp_path, 1)
    log = SqliteLog(path)
    other = SqliteLog(path)
    append(other, entry("d"))
    assert [each.ids for each in log.news().entries] == [["a"], ["b"], ["c"], ["d"]]
    log.close()
    other.close()


def test_what_was_not_committed_is_not_noted(tmp_path):
    path = killed(tmp_path, 1)
    log = SqliteLog(path)
    before = CommitNote(path).read()
    with contextlib.suppress(ZeroDivisionError), log.writing():
        log.news()
        log.append(entry("d"))
        raise ZeroDivisionError
    assert before is not None
    assert CommitNote(path).read() == before
    log.close()


def test_what_was_not_committed_is_not_there(tmp_path):
    log = SqliteLog(tmp_path / "log.sqlite")
    append(log, entry("a"))
    with contextlib.suppress(ZeroDivisionError), log.writing():
        log.append(entry("b"))
        raise ZeroDivisionError
    append(log, entry("c"))
    fresh = SqliteLog(tmp_path / "log.sqlite")
    assert [each.ids for each in fresh.news().entries] == [["a"], ["c"]]
    log.close()
    fresh.close()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE entries SET body = zeroblob(length(body)) WHERE seq = 2",
        "UPDATE entries SET chain = chain + 1 WHERE seq = 2",
        "DELETE FROM entries WHERE seq = 2",
        "DELETE FROM entries WHERE seq = 1",
        "DELETE FROM entries WHERE seq = 3",
        "DELETE FROM entries",
        "UPDATE head SET chain = chain + 1",
        "DELETE FROM head",
        "UPDATE entries SET body = (SELECT body FROM entries WHERE seq = 1) WHERE seq = 3",
    ],
)
def test_a_changed_or_lost_entry_is_an_error_that_names_it(tmp_path, damage):
    log = SqliteLog(tmp_path / "log.sqlite")
    append(log, entry("a"), entry("b"), entry("c"))
    log.close()
    raw = sqlite3.connect(tmp_path / "log.sqlite")
    raw.execute(damage)
    raw.commit()
    raw.close()
    log = SqliteLog(tmp_path / "log.sqlite")
    with pytest.raises(CorruptionError, match=r"does not follow|ends with entry") as caught:
        log.news()
    assert caught.value.path.endswith("log.sqlite")
    log.close()


def test_a_file_that_is_no_database_is_an_error(tmp_path):
    (tmp_path / "log.sqlite").write_bytes(b"no database at all, but long enough to look at " * 20)
    with pytest.raises(CorruptionError, match="no sound database"):
        SqliteLog(tmp_path / "log.sqlite")


def test_a_dropped_log_refuses_everybody(tmp_path):
    one, other = SqliteLog(tmp_path / "log.sqlite"), SqliteLog(tmp_path / "log.sqlite")
    append(one, entry("a"))
    one.drop()
    for log in (one, other, SqliteLog(tmp_path / "log.sqlite")):
        with pytest.raises(NotFoundError, match="deleted"):
            log.news()
        log.close()


def test_a_writer_waits_a_bounded_time_for_another(tmp_path):
    path = tmp_path / "file.sqlite"
    one, other = SqliteFile(path, ()), SqliteFile(path, (), busy_s=0.05)
    with one.writing(), pytest.raises(LockedError, match=r"has been writing .* for 0.05 s") as caught, other.writing():
        pass
    assert caught.value.status == 423
    with other.writing():
        pass  # free again
    one.close()
    other.close()


def test_a_closed_file_says_so(tmp_path):
    file = SqliteFile(tmp_path / "file.sqlite", ())
    file.close()
    with pytest.raises(StorageError, match="closed"):
        file.execute("SELECT 1")


def test_threads_share_one_connection(tmp_path):
    file = SqliteFile(tmp_path / "file.sqlite", ("CREATE TABLE IF NOT EXISTS n (x INTEGER)",))

    def write(first):
        for each in range(first, first + 50):
            with file.writing():
                file.execute("INSERT INTO n VALUES (?)", (each,))

    threads = [threading.Thread(target=write, args=(100 * at,)) for at in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert file.execute("SELECT count(*), count(DISTINCT x) FROM n") == [(200, 200)]
    file.close()
