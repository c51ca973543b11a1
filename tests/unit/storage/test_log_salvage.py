"""Salvage of a log: what is sound is kept, what is not is named, what cannot be read is not taken for empty."""

import sqlite3
from contextlib import closing

import numpy as np
import pytest

from chroma_search.storage.log import SqliteLog
from chroma_search.storage.log_entry import LogEntry
from chroma_search.storage.log_salvage import salvage_log
from chroma_search.storage.manifest import Manifest, SegmentEntry

SEGMENTS = (SegmentEntry("a.segment", 10, b"\x80\x00"), SegmentEntry("b.segment", 5, None))


def entry(*ids):
    return LogEntry("add", list(ids), np.ones((len(ids), 3), np.float32))


@pytest.fixture
def path(tmp_path):
    """A log of seven entries: two are in segments, five are left."""
    path = tmp_path / "log.sqlite"
    with closing(SqliteLog(path)) as log:
        log.news()
        for at in range(7):
            if at == 2:
                chain = log.position[2]
                with log.writing():
                    log.put_manifest(Manifest(1, 2, chain, 11, 3, SEGMENTS))
                log.news()
            with log.writing():
                log.append(entry(f"id-{at + 1}"))
    return path


def change(path, statement, *values):
    with closing(sqlite3.connect(path)) as connection, connection:
        assert connection.execute(statement, values).rowcount == 1


def ids_of(found):
    return {seq: each.ids for seq, each in found.entries.items()}


def test_a_sound_log_is_salvaged_whole(path):
    found = salvage_log(path)
    assert found.losses == ()
    assert found.segments == SEGMENTS
    assert found.manifest is not None
    assert (found.manifest.base_seq, found.n_unnamed, found.last_seq, found.is_dropped) == (2, 0, 7, False)
    assert ids_of(found) == {at: [f"id-{at}"] for at in range(3, 8)}


def test_a_new_log_has_lost_nothing(tmp_path):
    SqliteLog(tmp_path / "log.sqlite").close()
    found = salvage_log(tmp_path / "log.sqlite")
    assert (found.manifest, found.n_unnamed, found.entries, found.losses) == (Manifest(), 0, {}, ())


@pytest.mark.parametrize("content", [None, b"", bytes(8192), b"SQLite format 3\0" + bytes(4080)])
def test_a_log_that_cannot_be_read_is_not_an_empty_one(path, content):
    path.unlink() if content is None else path.write_bytes(content)
    found = salvage_log(path)
    assert (found.manifest, found.n_unnamed, found.entries) == (None, None, {})
    assert any("manifest is damaged" in each for each in found.losses)
    assert any("cannot be told" in each for each in found.losses)


@pytest.mark.parametrize("at", [0, 3, 16, 18, 21, 29, 47, 59, 100, 104, 3700, 3950, 4050])
def test_damage_in_the_first_page_costs_nothing(path, at):
    """It holds the header and the definitions of the tables, which each log has."""
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(bytes(content))
    found = salvage_log(path)
    assert (found.losses, found.segments, sorted(found.entries)) == ((), SEGMENTS, [3, 4, 5, 6, 7])


def test_a_first_page_of_zeros_costs_nothing(path):
    path.write_bytes(bytes(4096) + path.read_bytes()[4096:])
    found = salvage_log(path)
    assert (found.losses, found.segments, sorted(found.entries)) == ((), SEGMENTS, [3, 4, 5, 6, 7])


def test_a_damaged_entry_is_left_out_and_named_and_those_behind_it_are_kept(path):
    body = bytearray(entry("id-4").to_bytes())
    body[-1] ^= 1
    change(path, "UPDATE entries SET body = ? WHERE seq = 4", bytes(body))
    found = salvage_log(path)
    assert sorted(found.entries) == [3, 5, 6, 7]
    assert found.losses == ("log.sqlite: 1 writes (numbers 4)",)


@pytest.mark.parametrize("seq", [3, 5, 7])
def test_a_damaged_checksum_costs_nothing_for_the_next_entry_or_the_head_proves_the_body(path, seq):
    change(path, "UPDATE entries SET chain = chain + 1 WHERE seq = ?", seq)
    found = salvage_log(path)
    assert sorted(found.entries) == [3, 4, 5, 6, 7]
    assert found.losses == ()


def test_an_entry_that_nothing_proves_is_left_out(path):
    """Without the checksum of the one before, a body could hold anything."""
    change(path, "DELETE FROM entries WHERE seq = 4")
    body = bytearray(entry("id-5").to_bytes())
    body[60] ^= 1
    change(path, "UPDATE entries SET body = ? WHERE seq = 5", bytes(body))
    found = salvage_log(path)
    assert sorted(found.entries) == [3, 6, 7]
    assert found.losses == ("log.sqlite: 2 writes (numbers 4-5)",)


def test_lost_entries_at_the_end_are_told_by_the_head(path):
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM entries WHERE seq > 5")
    assert salvage_log(path).losses == ("log.sqlite: 2 writes (numbers 6-7)",)


@pytest.mark.parametrize("statement", ["UPDATE head SET seq = 1 << 40", "UPDATE head SET seq = 3", "DELETE FROM head"])
def test_without_a_head_to_believe_it_is_said_that_nothing_is_certain(path, statement):
    change(path, statement)
    found = salvage_log(path)
    assert found.last_seq == 7
    assert found.losses == ("log.sqlite: it cannot be told whether the last writes are missing",)


@pytest.mark.parametrize("column", ["version", "base_seq", "next_offset", "checksum"])
def test_a_damaged_manifest_costs_no_entry(path, column):
    change(path, f"UPDATE manifest SET {column} = {column} + 1")
    found = salvage_log(path)
    assert (found.manifest, found.n_unnamed, found.segments) == (None, None, SEGMENTS)
    assert sorted(found.entries) == [3, 4, 5, 6, 7]
    assert "manifest is damaged" in found.losses[0]


def test_a_manifest_that_is_gone_is_not_one_of_no_segments(path):
    change(path, "DELETE FROM manifest")
    found = salvage_log(path)
    assert (found.manifest, found.n_unnamed, found.segments) == (None, None, SEGMENTS)
    assert sorted(found.entries) == [4, 5, 6, 7]  # nothing proves the first


def test_a_segment_whose_row_is_damaged_is_counted(path):
    change(path, "UPDATE segments SET dead = zeroblob(2) WHERE position = 0")
    found = salvage_log(path)
    assert (found.n_unnamed, found.segments) == (1, SEGMENTS[1:])
    assert found.manifest is not None
    assert found.manifest.next_offset == 11
    assert found.losses == ("log.sqlite: which rows of 1 of its segments were deleted, for its manifest is damaged",)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE segments SET dead = 'text', n_rows = 'x' WHERE position = 0",
        "UPDATE segments SET name = CAST(x'ff41' AS TEXT) WHERE position = 0",
        "UPDATE manifest SET base_chain = 'x', version = x'00'",
        "UPDATE entries SET chain = 'x' WHERE seq = 4",
        "UPDATE entries SET body = 'x' WHERE seq = 4",
        "UPDATE head SET seq = 'x'",
    ],
)
def test_columns_of_another_type_are_damage_and_no_error(path, statement):
    change(path, statement)
    found = salvage_log(path)
    assert found.losses
    assert 7 in found.entries


def test_a_deleted_collection_is_known_as_such(path):
    with closing(SqliteLog(path)) as log:
        log.drop()
    assert salvage_log(path).is_dropped


def test_the_file_is_not_changed(path):
    before = path.read_bytes()
    salvage_log(path)
    assert path.read_bytes() == before
    assert sorted(each.name for each in path.parent.iterdir()) == ["log.head", "log.sqlite"]
