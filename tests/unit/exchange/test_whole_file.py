"""A file for the user appears whole or not at all, and replaces nothing unasked."""

import os

import pytest

from chroma_search.errors import ConflictError, StorageError
from chroma_search.exchange.whole_file import whole_file


def write(path, content, error, *, overwrite=False):
    """Begin to write a file, then raise."""
    with whole_file(path, overwrite=overwrite) as file:
        file.write(content)
        raise error


def test_the_file_appears_at_the_end_and_alone(tmp_path):
    with whole_file(tmp_path / "x") as file:
        file.write(b"content")
        assert not (tmp_path / "x").exists()
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("x", b"content")]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_inside_leaves_the_old_file_and_nothing_else(tmp_path, error):
    (tmp_path / "x").write_bytes(b"old")
    with pytest.raises(error):
        write(tmp_path / "x", b"half", error, overwrite=True)
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("x", b"old")]


def test_a_file_that_is_there_is_replaced_only_when_told_to(tmp_path):
    (tmp_path / "x").write_bytes(b"old")
    with pytest.raises(ConflictError, match="x exists"), whole_file(tmp_path / "x"):
        pass
    with whole_file(tmp_path / "x", overwrite=True) as file:
        file.write(b"new")
    assert (tmp_path / "x").read_bytes() == b"new"


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path):
    file = whole_file(tmp_path / "x")
    file.__enter__().write(b"mine")
    (tmp_path / "x").write_bytes(b"theirs")
    with pytest.raises(ConflictError):
        file.__exit__(None, None, None)
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("x", b"theirs")]


def test_a_dangling_link_counts_as_something(tmp_path):
    (tmp_path / "x").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConflictError), whole_file(tmp_path / "x"):
        pass


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_or_device_stays_what_it_is_also_when_a_link_leads_to_it(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for name in ("pipe", "link"):
        with pytest.raises(ConflictError, match=f"{name} is a device or a pipe"):
            write(tmp_path / name, b"x", ValueError(), overwrite=True)
    assert (tmp_path / "pipe").is_fifo()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["link", "pipe"]


def test_a_link_stays_one_and_its_file_is_replaced(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "x").write_bytes(b"old")
    (tmp_path / "link").symlink_to("folder/x")
    with whole_file(tmp_path / "link", overwrite=True) as file:
        file.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "folder" / "x").read_bytes() == b"new"
    assert [each.name for each in (tmp_path / "folder").iterdir()] == ["x"]


def test_a_folder_is_no_place_for_a_file_and_a_missing_folder_is_told(tmp_path):
    with pytest.raises(ConflictError, match="is a folder"), whole_file(tmp_path, overwrite=True):
        pass
    with pytest.raises(StorageError, match="make the folder"), whole_file(tmp_path / "gone" / "x"):
        pass


def test_a_full_disk_is_a_storage_error_and_leaves_nothing(tmp_path, monkeypatch):
    def fail(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageError, match=r"cannot write .*x: No space left"), whole_file(tmp_path / "x") as file:
        file.write(b"content")
    assert list(tmp_path.iterdir()) == []
