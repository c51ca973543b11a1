"""The write-ahead file: damage before a later commit shows, a commit that was cut short does not; pages are kept."""

import shutil
import sqlite3
from contextlib import closing

import pytest

from chroma_search.errors import CorruptionError
from chroma_search.storage.sqlite_file import SqliteFile
from chroma_search.storage.write_ahead import copy_with_log, damage_at

HEADER, FRAME = 32, 24 + 4096
N = 20


@pytest.fixture
def path(tmp_path):
    """A database whose rows are all in its write-ahead file, as a killed process leaves it: a row per commit."""
    live = tmp_path / "live" / "a.sqlite"
    live.parent.mkdir()
    with closing(sqlite3.connect(live, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB)")
        for at in range(N):
            connection.execute("INSERT INTO t VALUES (?, ?)", (at, bytes([at]) * 3000))
        for name in ("a.sqlite", "a.sqlite-wal"):
            shutil.copyfile(live.parent / name, tmp_path / name)
    return tmp_path / "a.sqlite"


def wal_of(path):
    return path.with_name(path.name + "-wal")


def flip(path, at, bit=0):
    content = bytearray(path.read_bytes())
    content[at] ^= 1 << bit
    path.write_bytes(bytes(content))


def n_rows(path):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT count(*) FROM t").fetchone()[0]


def last_commit(path):
    """First byte of the last commit, which begins behind the last but one frame with a size in it."""
    content = wal_of(path).read_bytes()
    ends = [at for at in range(HEADER, len(content), FRAME) if int.from_bytes(content[at + 4 : at + 8], "big")]
    assert ends[-1] == len(content) - FRAME
    return ends[-2] + FRAME


def test_a_whole_file_is_sound_and_is_copied_as_sqlite_reads_it(path, tmp_path):
    assert damage_at(path) is None
    copy_with_log(path, tmp_path / "copy.sqlite")
    assert n_rows(tmp_path / "copy.sqlite") == n_rows(path) == N


def test_every_flip_before_the_last_commit_is_seen(path):
    content = wal_of(path).read_bytes()
    end = last_commit(path)
    for at in [*range(0, 4), *range(12, HEADER), *range(HEADER, HEADER + 24), *range(HEADER + 24, end, 1009), end - 1]:
        wal_of(path).write_bytes(content)
        flip(wal_of(path), at, bit=at % 8)
        found = damage_at(path)
        assert found is not None, at
        assert found == (0 if at < HEADER else HEADER + (at - HEADER) // FRAME * FRAME)


def test_a_last_commit_that_is_not_whole_is_one_that_was_never_acknowledged(path, tmp_path):
    flip(wal_of(path), last_commit(path) + 100)
    assert damage_at(path) is None
    copy_with_log(path, tmp_path / "copy.sqlite")
    assert n_rows(tmp_path / "copy.sqlite") == n_rows(path) == N - 1


@pytest.mark.parametrize("n_bytes", [0, 10, HEADER, HEADER + 100, HEADER + 3 * FRAME, HEADER + 5 * FRAME + 77])
def test_a_file_cut_at_any_place_looks_as_after_a_crash(path, n_bytes):
    wal_of(path).write_bytes(wal_of(path).read_bytes()[:n_bytes])
    assert damage_at(path) is None


def test_frames_of_an_earlier_use_of_the_file_are_no_damage(path):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_checkpoint(RESTART)")
        connection.execute("INSERT INTO t VALUES (100, x'00')")
        assert damage_at(path) is None
        assert wal_of(path).stat().st_size > 10 * FRAME


def test_what_stands_behind_a_damaged_frame_is_kept(path, tmp_path):
    """One page is lost at most; SQLite would drop all commits from there on."""
    flip(wal_of(path), HEADER + 10 * FRAME + 2000)
    copy_with_log(path, tmp_path / "copy.sqlite")
    assert n_rows(tmp_path / "copy.sqlite") >= N - 1
    assert n_rows(path) < N - 3


def test_it_is_told_when_the_last_commit_may_be_missing_from_the_copy(path, tmp_path):
    assert copy_with_log(path, tmp_path / "whole.sqlite")
    flip(wal_of(path), HEADER + 3 * FRAME + 2000)
    assert copy_with_log(path, tmp_path / "middle.sqlite")
    flip(wal_of(path), last_commit(path) + 2000)
    assert not copy_with_log(path, tmp_path / "both.sqlite")


def test_a_damaged_header_loses_no_page(path, tmp_path):
    flip(wal_of(path), 17)
    copy_with_log(path, tmp_path / "copy.sqlite")
    assert n_rows(tmp_path / "copy.sqlite") == N


def test_the_copy_leaves_the_files_as_they_are(path, tmp_path):
    flip(wal_of(path), HEADER + 5000)
    before = path.read_bytes(), wal_of(path).read_bytes()
    copy_with_log(path, tmp_path / "copy.sqlite")
    assert (path.read_bytes(), wal_of(path).read_bytes()) == before


@pytest.mark.parametrize("mode", ["open", "read"])
def test_no_database_is_opened_over_a_damaged_file(path, mode):
    flip(wal_of(path), HEADER + 4 * FRAME + 9)
    before = wal_of(path).read_bytes()
    with pytest.raises(CorruptionError) as caught:
        SqliteFile(path, (), mode=mode)
    assert (caught.value.path, caught.value.offset) == (str(wal_of(path)), HEADER + 4 * FRAME)
    assert wal_of(path).read_bytes() == before


def test_another_opener_at_work_is_no_damage(path):
    """It has the file open, within a transaction that has already written frames."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO t VALUES (?, ?)", [(at, bytes(3000)) for at in range(100, 160)])
        assert wal_of(path).stat().st_size > HEADER + (N + 40) * FRAME  # spilled before the commit
        assert damage_at(path) is None
        SqliteFile(path, (), mode="open").close()
        connection.execute("COMMIT")
