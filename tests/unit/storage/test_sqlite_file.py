"""SqliteFile: the names of a file and of its write-ahead file last before anything in it does."""

import pytest

from chroma_search.errors import StorageError
from chroma_search.storage.files import DiskFiles
from chroma_search.storage.sqlite_file import SqliteFile

SCHEMA = ("CREATE TABLE words (word TEXT NOT NULL)",)
ADDITIONS = ("CREATE TABLE IF NOT EXISTS numbers (n INTEGER NOT NULL)",)


@pytest.fixture
def path(tmp_path):
    """A closed file with free pages, that lacks an addition."""
    file = SqliteFile(tmp_path / "file.sqlite", SCHEMA)
    with file.writing():
        file.execute_many("INSERT INTO words VALUES (?)", [("x" * 1000,)] * 100)
    with file.writing():
        file.execute("DELETE FROM words")
    file.close()
    return file.path


@pytest.fixture
def failing(monkeypatch):
    """The folders that somebody tried to sync, which fails while there is anything in the list of errors."""
    tried, errors = [], [OSError(5, "the disk is failing")]

    def fsync_folder(_, folder):
        tried.append(folder)
        if errors:
            raise errors[0]

    monkeypatch.setattr(DiskFiles, "fsync_folder", fsync_folder)
    return tried, errors


def test_opening_and_reading_syncs_nothing(path, failing):
    file = SqliteFile(path, SCHEMA, mode="open")
    assert file.execute("SELECT count(*) FROM words") == [(0,)]
    file.close()
    assert failing[0] == []


def test_nothing_is_committed_while_names_cannot_be_synced(path, failing):
    tried, errors = failing
    file = SqliteFile(path, SCHEMA, mode="open")
    with pytest.raises(StorageError, match="the disk is failing"), file.writing():
        file.execute("INSERT INTO words VALUES ('lost')")
    assert file.execute("SELECT count(*) FROM words") == [(0,)]
    errors.clear()
    for word in ("first", "second"):
        with file.writing():
            file.execute("INSERT INTO words VALUES (?)", (word,))
    assert tried == [path.parent] * 2  # one that failed, and one for both writes
    file.let_go()
    with file.writing():
        file.execute("INSERT INTO words VALUES ('third')")
    assert tried == [path.parent] * 3  # another process may have made the write-ahead file anew
    file.close()


def test_nothing_is_shrunk_while_names_cannot_be_synced(path, failing):
    """It goes through the write-ahead file: without its name, a file into which half of it was moved is damaged."""
    tried, errors = failing
    file = SqliteFile(path, SCHEMA, mode="open")
    with pytest.raises(StorageError, match="the disk is failing"):
        file.shrink()
    assert file.n_free_bytes() > 100_000
    errors.clear()
    assert file.shrink()
    assert file.n_free_bytes() == 0
    assert tried == [path.parent] * 2
    file.close()


def test_no_table_is_added_while_names_cannot_be_synced(path, failing):
    tried, errors = failing
    with pytest.raises(StorageError, match="the disk is failing"):
        SqliteFile(path, SCHEMA, additions=ADDITIONS, mode="open")
    errors.clear()
    for _ in range(2):
        file = SqliteFile(path, SCHEMA, additions=ADDITIONS, mode="open")
        assert file.has_table("numbers")
        file.close()
    assert tried == [path.parent] * 2  # the second opening finds the table
