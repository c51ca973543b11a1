"""A file appears complete or not at all, and every failure of the disk is a StorageError that names the file."""

import errno
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from chroma_search.errors import StorageError
from chroma_search.storage.files import DiskFiles
from tests.unit.storage.breaking_files import BreakingFiles

PARTS = (b"abc", b"", memoryview(b"defgh"), b"i" * 5)
CONTENT = b"".join(PARTS)
WHOLE = ["open_new", "write", "write", "write", "fsync", "close", "replace", "fsync_folder"]


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def test_a_file_holds_its_parts_one_after_the_other(tmp_path):
    DiskFiles().write_file(tmp_path / "a", PARTS)
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert names(tmp_path) == ["a"]


def test_a_file_may_be_empty(tmp_path):
    DiskFiles().write_file(tmp_path / "a", [])
    assert (tmp_path / "a").read_bytes() == b""


def test_parts_may_be_views_of_arrays_of_any_shape(tmp_path):
    arrays = [np.arange(6, dtype=np.float32).reshape(2, 3), np.empty((0, 4), np.int64), np.array(7, np.int16)]
    DiskFiles().write_file(tmp_path / "a", [memoryview(each) for each in arrays])
    assert (tmp_path / "a").read_bytes() == b"".join(each.tobytes() for each in arrays)


def test_a_file_is_flushed_before_it_gets_its_name_and_the_folder_after(tmp_path):
    files = BreakingFiles()
    files.write_file(tmp_path / "a", PARTS)
    assert files.calls == WHOLE


def test_short_writes_are_continued(tmp_path):
    files = BreakingFiles(most_bytes=2)
    files.write_file(tmp_path / "a", PARTS)
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert files.calls.count("write") == 2 + 3 + 3


def test_a_disk_that_takes_no_byte_does_not_hang_the_writer(tmp_path):
    with pytest.raises(StorageError, match="took no byte"):
        BreakingFiles(most_bytes=0).write_file(tmp_path / "a", PARTS)
    assert names(tmp_path) == []


@pytest.mark.parametrize("fails_at", range(len(WHOLE)))
def test_a_full_disk_leaves_nothing_at_whatever_call_it_is_full(tmp_path, fails_at):
    with pytest.raises(StorageError, match="free some space") as caught:
        BreakingFiles(fails_at).write_file(tmp_path / "a", PARTS)
    assert str(tmp_path / "a") in str(caught.value)
    assert isinstance(caught.value.__cause__, OSError)
    assert names(tmp_path) == []


@pytest.mark.parametrize("fails_at", range(len(WHOLE)))
def test_a_file_that_was_there_stays_or_is_replaced_completely(tmp_path, fails_at):
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(StorageError):
        BreakingFiles(fails_at).write_file(tmp_path / "a", PARTS)
    is_replaced = WHOLE[fails_at] == "fsync_folder"
    assert (tmp_path / "a").read_bytes() == (CONTENT if is_replaced else b"old")
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("fails_at", range(len(WHOLE) - 1))
def test_a_broken_disk_that_cannot_even_clean_up_shows_no_half_file_under_the_name(tmp_path, fails_at):
    with pytest.raises(StorageError, match="may be failing"):
        BreakingFiles(fails_at, errno.EIO).write_file(tmp_path / "a", PARTS)
    assert not (tmp_path / "a").exists()
    DiskFiles().sweep(tmp_path)
    assert names(tmp_path) == []


def test_parts_that_raise_leave_nothing_and_keep_their_error(tmp_path):
    def parts() -> Iterator[bytes]:
        yield b"abc"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        DiskFiles().write_file(tmp_path / "a", parts())
    assert names(tmp_path) == []


def test_a_file_in_a_missing_folder_is_a_storage_error(tmp_path):
    with pytest.raises(StorageError, match="No such file"):
        DiskFiles().write_file(tmp_path / "missing" / "a", PARTS)


def test_a_refused_write_says_which_folder_to_make_writable(tmp_path):
    with pytest.raises(StorageError, match=f"make {tmp_path} writable"):
        BreakingFiles(0, errno.EACCES).write_file(tmp_path / "a", PARTS)


def test_what_a_dead_writer_left_is_written_over(tmp_path):
    (tmp_path / "a.tmp").write_bytes(b"x" * 1000)
    DiskFiles().write_file(tmp_path / "a", PARTS)
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert names(tmp_path) == ["a"]


def test_folders_are_made_with_those_above_them_and_each_parent_is_flushed(tmp_path):
    files = BreakingFiles()
    files.make_folder(tmp_path / "a" / "b")
    files.make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    # First the folder above them: whoever made that may have been killed before its name was on the disk.
    made = ["fsync_folder", *["make_one_folder", "fsync_folder"] * 2]
    assert files.calls == [*made, "fsync_folder"]


@pytest.mark.parametrize("fails_at", range(4))
def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path, fails_at):
    with pytest.raises(StorageError, match="Cannot make the folder"):
        BreakingFiles(fails_at).make_folder(tmp_path / "a" / "b")


def test_a_file_in_the_place_of_a_folder_is_a_storage_error(tmp_path):
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(StorageError, match="File exists"):
        DiskFiles().make_folder(tmp_path / "a")


def test_a_folder_that_another_process_made_meanwhile_is_fine(tmp_path):
    class Slow(DiskFiles):
        def make_one_folder(self, path: Path) -> None:
            path.mkdir()
            super().make_one_folder(path)

    Slow().make_folder(tmp_path / "a")
    assert (tmp_path / "a").is_dir()


def test_removing_is_flushed_and_a_missing_file_is_fine(tmp_path):
    files = BreakingFiles()
    (tmp_path / "a").write_bytes(b"")
    files.remove_file(tmp_path / "a")
    files.remove_file(tmp_path / "a")
    assert files.calls == ["remove", "fsync_folder", "remove"]
    assert names(tmp_path) == []


@pytest.mark.parametrize("fails_at", range(2))
def test_a_file_that_cannot_be_removed_is_a_storage_error(tmp_path, fails_at):
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(StorageError, match="Cannot remove"):
        BreakingFiles(fails_at, errno.EIO).remove_file(tmp_path / "a")


def test_files_are_listed_by_name_without_folders(tmp_path):
    for name in ("b", "a", "c.tmp"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder").mkdir()
    assert DiskFiles().list_files(tmp_path) == [tmp_path / "a", tmp_path / "b", tmp_path / "c.tmp"]
    assert DiskFiles().list_files(tmp_path / "missing") == []
    with pytest.raises(StorageError, match="Cannot list"):
        DiskFiles().list_files(tmp_path / "a")


def test_sweeping_removes_only_what_was_never_finished(tmp_path):
    for name in ("a", "b.tmp", "tmp"):
        (tmp_path / name).write_bytes(b"")
    DiskFiles().sweep(tmp_path)
    assert names(tmp_path) == ["a", "tmp"]
    DiskFiles().sweep(tmp_path / "missing")
