"""The note of the last commit: it is read as it was written, or not relied on."""

import pytest

from chroma_search.storage.last_commit import CommitNote, LastCommit


def test_a_note_reads_back(tmp_path):
    database = tmp_path / "log.sqlite"
    note = CommitNote(database)
    for commit in (LastCommit(0, 0), LastCommit(7, 2**32 - 1), LastCommit(2**64 - 1, 2**64 - 1), LastCommit(3, 1)):
        note.write(commit)
        assert CommitNote(database).read() == commit
    note.close()
    note.write(LastCommit(1, 1))
    assert note.read() == LastCommit(1, 1)
    assert [each.name for each in tmp_path.iterdir()] == ["log.head"]


@pytest.mark.parametrize("at", range(28))
def test_a_note_with_one_changed_byte_says_nothing(tmp_path, at):
    note = CommitNote(tmp_path / "log.sqlite")
    note.write(LastCommit(7, 8))
    path = note.path
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    assert CommitNote(tmp_path / "log.sqlite").read() is None


@pytest.mark.parametrize("content", [b"", b"CHROHEAD", bytes(28), bytes(29), None])
def test_a_note_that_is_torn_or_missing_says_nothing(tmp_path, content):
    if content is not None:
        (tmp_path / "log.head").write_bytes(content)
    assert CommitNote(tmp_path / "log.sqlite").read() is None


def test_a_disk_that_takes_no_note_is_no_error(tmp_path):
    note = CommitNote(tmp_path / "missing" / "log.sqlite")
    note.write(LastCommit(1, 1))
    assert note.read() is None


def test_a_commit_is_missing_where_an_earlier_or_another_one_is_the_last():
    noted = LastCommit(5, 50)
    assert noted.is_missing_from(LastCommit(4, 40))
    assert noted.is_missing_from(LastCommit(5, 51))
    assert not noted.is_missing_from(LastCommit(5, 50))
    assert not noted.is_missing_from(LastCommit(6, 60))
