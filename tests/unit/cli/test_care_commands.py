"""verify, repair, backup and purge as a person runs them: as processes, with exit codes and reports."""

import pytest

from chroma_search import PersistentClient
from tests.unit.cli.conftest import make_folder


@pytest.fixture
def folder(tmp_path):
    """A folder of its own."""
    return make_folder(tmp_path / "data")


def flip_a_byte(folder, pattern, at=-1):
    (path,) = folder.rglob(pattern)
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def flushed(folder):
    with PersistentClient(folder) as client:
        client.get_collection("docs").flush()
    return folder


@pytest.mark.slow
def test_damage_is_found_repaired_and_gone(run, call, folder):
    flushed(folder)
    clean = run("verify", folder)
    assert (clean.code, clean.out.splitlines()[-1]) == (0, "clean")
    flip_a_byte(folder, "*.segment")
    found = run("verify", folder)
    assert found.code == 5
    assert ".segment at byte" in found.out
    assert call("verify", folder, "--json").json["findings"][0]["path"].endswith(".segment")
    mended = run("repair", folder, "--json")
    assert mended.code == 0
    assert mended.json["lossless"] is True
    assert run("verify", folder).code == 0
    again = call("repair", folder)
    assert (again.code, "nothing to repair" in again.out) == (0, True)
    with PersistentClient(folder) as client:
        assert client.get_collection("docs").get()["ids"] == list("abcd")


def test_what_a_repair_lost_is_said_and_is_exit_code_1(call, folder):
    flushed(folder)
    (segment,) = folder.rglob("*.segment")
    content = bytearray(segment.read_bytes())
    at = content.index(b"a fox in the wood")
    content[at] = ord("A")
    segment.write_bytes(content)
    mended = call("repair", folder)
    assert mended.code == 1
    assert "the documents of" in mended.out
    assert "damaged" in mended.out


@pytest.mark.slow
def test_a_backup_can_be_queried_and_replaces_nothing(run, call, folder, tmp_path):
    made = run("backup", folder, tmp_path / "copy")
    assert (made.code, made.err) == (0, "")
    assert "1 collections" in made.out
    assert call("query", tmp_path / "copy", "WHERE year >= 2022", "--format", "jsonl").out.count("\n") == 2
    again = call("backup", folder, tmp_path / "copy", "--json")
    assert again.code == 6
    assert call("backup", tmp_path / "none", tmp_path / "other").code == 3


def test_a_purge_leaves_nothing_of_what_was_deleted(call, folder):
    with PersistentClient(folder) as client:
        client.get_collection("docs").delete(["b"])
    assert any(b"a fox in the wood" in each.read_bytes() for each in folder.rglob("*") if each.is_file())
    purged = call("purge", folder, "--json")
    assert purged.code == 0
    assert set(purged.json) == {"folder", "bytes_before", "bytes_after"}
    assert not any(b"a fox in the wood" in each.read_bytes() for each in folder.rglob("*") if each.is_file())


def test_repair_refuses_a_folder_that_this_program_has_open(call, folder):
    with PersistentClient(folder):
        assert call("repair", folder).code == 4
