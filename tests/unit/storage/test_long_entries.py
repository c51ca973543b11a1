"""Long entries lie beside the log: read as any other, let go by flushes, found when they are damaged."""

from contextlib import closing

import numpy as np
import pytest

from chroma_search.errors import CorruptionError, FormatVersionError
from chroma_search.storage import log as log_module
from chroma_search.storage.files import DiskFiles
from chroma_search.storage.log import SCHEMA, SqliteLog
from chroma_search.storage.log_entry import LogEntry
from chroma_search.storage.log_salvage import salvage_log
from chroma_search.storage.long_entries import PLACE_BYTES, LongEntries, Place
from chroma_search.storage.manifest import Manifest
from chroma_search.storage.sqlite_file import SqliteFile

LONG = 1_000


@pytest.fixture(autouse=True)
def _low_limit(monkeypatch):
    monkeypatch.setattr(log_module, "LONG_BYTES", LONG)


def entry(number, n_rows=40):
    """An entry of about 24 bytes per row: long from 40 rows on."""
    vectors = np.full((n_rows, 4), number, np.float32)
    return LogEntry("add", [f"{number}-{row}" for row in range(n_rows)], vectors)


def write(log, *entries):
    with log.writing():
        log.news()
        log.caught_up()
        for each in entries:
            log.append(each)


def ids_in(path):
    with closing(SqliteLog(path, "open")) as log:
        return [each.ids[0] for each in log.news().entries]


def flush(log):
    """Let all entries go, as a flush does that has put them into a segment."""
    version, seq, chain = log.position
    with log.writing():
        log.put_manifest(Manifest(version + 1, seq, chain, 1, 4))
    log.adopt(Manifest(version + 1, seq, chain, 1, 4), n_flushed_bytes=log.n_bytes)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "log.sqlite"


@pytest.fixture
def filled(path):
    """A log of a short, a long, a short and two long entries."""
    with closing(SqliteLog(path)) as log:
        write(log, entry(1, 2), entry(2))
        write(log, entry(3, 2))
        write(log, entry(4), entry(5))
    return path


def test_long_and_short_entries_come_back_in_order(filled, tmp_path):
    assert [each.name for each in sorted(tmp_path.glob("*.entries"))] == ["log.0.entries"]
    with closing(SqliteLog(filled, "read")) as log:
        found = log.news().entries
        assert [each.ids[0] for each in found] == ["1-0", "2-0", "3-0", "4-0", "5-0"]
        for number, each in enumerate(found, 1):
            assert each.vectors is not None
            assert each.vectors.tolist() == entry(number, len(each.ids)).vectors.tolist()  # type: ignore[union-attr]
        assert log.n_bytes == sum(len(each.to_bytes()) for each in found)


def test_a_log_without_long_entries_can_be_read_by_programs_that_know_none(path, filled, tmp_path):
    with pytest.raises(FormatVersionError) as caught:
        SqliteFile(filled, SCHEMA, mode="open")
    assert (caught.value.found, caught.value.supported) == (2, (1, 1))
    (tmp_path / "other").mkdir()
    with closing(SqliteLog(tmp_path / "other" / "log.sqlite")) as log:
        write(log, entry(1, 2))
    SqliteFile(tmp_path / "other" / "log.sqlite", SCHEMA, mode="open").close()


def write_and_fail(log, file, length):
    with log.writing():
        log.news()
        log.append(entry(6))
        log.append(entry(7))
        assert file.stat().st_size > length
        raise KeyError


def test_a_write_that_was_taken_back_leaves_no_bytes(filled, tmp_path):
    file = tmp_path / "log.0.entries"
    before = file.read_bytes()
    with closing(SqliteLog(filled, "open")) as log:
        with pytest.raises(KeyError):
            write_and_fail(log, file, len(before))
        assert file.read_bytes() == before
        write(log, entry(8))
    assert ids_in(filled)[-2:] == ["5-0", "8-0"]


def test_what_a_killed_writer_left_between_entries_is_never_read(filled, tmp_path):
    with (tmp_path / "log.0.entries").open("ab") as file:
        file.write(b"half of an entry")
    with closing(SqliteLog(filled, "open")) as log:
        write(log, entry(6))
    assert ids_in(filled)[-2:] == ["5-0", "6-0"]


def test_a_file_goes_when_no_entry_lies_in_it_and_nobody_appends_to_it(filled, tmp_path):
    with closing(SqliteLog(filled, "open")) as log, closing(SqliteLog(filled, "open")) as other:
        log.news()
        log.reclaim()
        assert (tmp_path / "log.0.entries").exists()
        version, seq, chain = log.position
        write(other, entry(6))  # while the flush runs: it stays in the log
        manifest = Manifest(version + 1, seq, chain, 1, 4)
        with log.writing():
            log.news()
            log.put_manifest(manifest)
        log.adopt(manifest, n_flushed_bytes=0)
        log.reclaim()
        write(other, entry(7))
        names = {each.name for each in tmp_path.glob("*.entries")}
        assert names == {"log.0.entries", "log.1.entries"}
        log.news()
        log.caught_up()
        flush(log)
        log.reclaim()
        assert not list(tmp_path.glob("*.entries"))
        write(other, entry(8))
        assert {each.name for each in tmp_path.glob("*.entries")} == {"log.2.entries"}
        log.reclaim()  # a late one, of a process that has seen nothing of that
    assert ids_in(filled) == ["8-0"]


def test_a_reader_whose_entry_was_flushed_while_it_read_reads_again(filled, monkeypatch):
    body = LongEntries.body
    with closing(SqliteLog(filled, "open")) as flushing, closing(SqliteLog(filled, "open")) as reading:
        flushing.news()

        def late(self, place):
            monkeypatch.setattr(LongEntries, "body", body)
            flush(flushing)
            flushing.reclaim()
            return body(self, place)

        monkeypatch.setattr(LongEntries, "body", late)
        news = reading.news()
        assert news.manifest is not None
        assert (news.manifest.version, list(news.entries)) == (1, [])


@pytest.mark.parametrize("how", ["flip", "cut", "missing", "row", "chain"])
def test_damage_names_the_file_it_is_in_and_salvage_keeps_the_rest(filled, tmp_path, how):
    file = tmp_path / "log.0.entries"
    content = bytearray(file.read_bytes())
    size = len(content) // 3
    content[size + 50] ^= 4
    if how == "missing":
        file.unlink()
    elif how in ("flip", "cut"):
        file.write_bytes(content if how == "flip" else content[: size + 50])
    else:
        with closing(SqliteFile(filled, SCHEMA, mode="open", newest=2)) as rows, rows.writing():
            ((stored,),) = rows.execute("SELECT body FROM entries WHERE seq = 4")
            change = bytes([*stored[:20], stored[20] ^ 1, *stored[21:]])
            statement = "SET body = ?" if how == "row" else "SET chain = chain + 1, body = ?"
            rows.execute(f"UPDATE entries {statement} WHERE seq = 4", (change if how == "row" else stored,))
    with closing(SqliteLog(filled, "read")) as log, pytest.raises(CorruptionError) as caught:
        log.news()
    assert caught.value.path == str(filled if how in ("row", "chain") else file)
    expected = {"flip": size, "cut": size, "missing": 0, "row": 4, "chain": 4}
    assert caught.value.offset == expected[how]
    found = salvage_log(filled)
    kept = {"flip": [1, 2, 3, 5], "cut": [1, 2, 3], "missing": [1, 3], "row": [1, 2, 3, 5], "chain": [1, 2, 3, 4, 5]}
    assert sorted(found.entries) == kept[how]


def test_a_copy_takes_its_long_entries_along(filled, tmp_path):
    target = tmp_path / "copy" / "log.sqlite"
    target.parent.mkdir()
    with closing(SqliteLog(filled, "read")) as log:
        log.copy_to(target)
    with closing(SqliteLog(target, "open")) as copy:
        copy.copy_long_entries(filled.parent, DiskFiles())
    (tmp_path / "log.0.entries").unlink()
    assert ids_in(target) == ["1-0", "2-0", "3-0", "4-0", "5-0"]


@pytest.mark.parametrize("place", [Place(0, 0, 0, 0), Place(3, 2**40, 700_000, 2**32 - 1)])
def test_a_place_is_read_as_it_was_written_and_not_when_it_is_damaged(place):
    stored = place.to_bytes()
    assert len(stored) == PLACE_BYTES
    assert Place.of(stored) == place
    for at in range(len(stored)):
        assert Place.of(bytes([*stored[:at], stored[at] ^ 1, *stored[at + 1 :]])) is None
    assert Place.of(stored[:-1]) is None
    assert Place.of(entry(1, 2).to_bytes()) is None
