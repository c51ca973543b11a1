"""`PersistentClient(mode="r")`: it reads, follows other writers, and changes no byte, also where it could not."""

import os
import shutil
import stat
import subprocess
import sys

import pytest

import chroma_search
from chroma_search.errors import InvalidArgumentError, NotFoundError, UnsupportedError


def files_of(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def fill(folder, n=50):
    """Write in a process of its own that dies: so that the newest writes are in write-ahead files."""
    program = f"""
import os, chroma_search
client = chroma_search.PersistentClient({str(folder)!r})
collection = client.get_or_create_collection("docs", embedding_function=None)
rows = range({n})
texts = [f"text {{row}}" for row in rows]
collection.add([f"id{{row}}" for row in rows], [[row, 1.0] for row in rows], documents=texts)
collection.flush()
collection.delete(["id0"])
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def check(client, n=49):
    collection = client.get_collection("docs", embedding_function=None)
    assert collection.count() == n
    assert collection.query(query_embeddings=[[1.2, 1.0]], n_results=1)["ids"] == [["id1"]]
    assert collection.get(["id7"])["documents"] == ["text 7"]
    return collection


def test_every_change_is_refused_and_no_byte_changes(tmp_path):
    folder = tmp_path / "data"
    fill(folder)
    before = {path: content for path, content in files_of(folder).items() if not path.name.endswith("-shm")}
    with chroma_search.PersistentClient(folder, mode="r") as client:
        collection = check(client)
        changes = [
            lambda: collection.add(["x"], [[0.0, 0.0]]),
            lambda: collection.update(["id1"], metadatas=[{"a": 1}]),
            lambda: collection.upsert(["x"], [[0.0, 0.0]]),
            lambda: collection.delete(["id1"]),
            lambda: collection.modify(name="other"),
            collection.flush,
            collection.compact,
            lambda: client.create_collection("more"),
            lambda: client.delete_collection("docs"),
        ]
        for change in changes:
            with pytest.raises(UnsupportedError, match="mode='r'"):
                change()
        check(client)
    after = {path: content for path, content in files_of(folder).items() if not path.name.endswith("-shm")}
    assert after == before


def test_a_reader_sees_what_another_client_acknowledges(tmp_path):
    fill(tmp_path)
    with (
        chroma_search.PersistentClient(tmp_path, mode="r") as reader,
        chroma_search.PersistentClient(tmp_path) as writer,
    ):
        collection = check(reader)
        writer.get_collection("docs", embedding_function=None).add(["new"], [[9.0, 9.0]])
        assert collection.count() == 50
        writer.create_collection("second", embedding_function=None)
        assert {each.name for each in reader.list_collections()} == {"docs", "second"}


def test_nothing_is_made_where_there_is_nothing(tmp_path):
    with pytest.raises(NotFoundError, match="holds no data"):
        chroma_search.PersistentClient(tmp_path / "none", mode="r")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InvalidArgumentError, match="'rw' or 'r'"):
        chroma_search.PersistentClient(tmp_path, mode="x")  # type: ignore[reportArgumentType]  # on purpose


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of folders are not those of POSIX")
@pytest.mark.parametrize("is_clean", [True, False], ids=["closed", "killed"])
def test_a_folder_that_cannot_be_written_can_be_read(tmp_path, is_clean):
    folder = tmp_path / "data"
    fill(folder)
    if is_clean:
        chroma_search.PersistentClient(folder).close()
    for path in folder.rglob("*-shm"):
        path.unlink()
    assert any(path.stat().st_size for path in folder.rglob("*-wal")) or is_clean
    before = files_of(folder)
    read_only_run(folder)
    assert files_of(folder) == before


def read_only_run(folder):
    """Open the folder in a process that may not write it: as another user, when this one is root."""
    warm = folder.parent / "warm"  # what is imported late may lie where that user cannot read
    shutil.copytree(folder, warm)
    program = f"""
import os, shutil, sys, tempfile
sys.path.insert(0, {os.getcwd()!r})
import chroma_search
from tests.unit.client.test_reading_only import check
with chroma_search.PersistentClient({str(warm)!r}, mode="r") as client:
    check(client)
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    open(os.path.join({str(folder)!r}, "probe"), "w")
except OSError:
    pass
else:
    raise SystemExit("the folder can be written")
with chroma_search.PersistentClient({str(folder)!r}, mode="r") as client:
    check(client)
"""
    paths = [folder, *folder.rglob("*")]
    modes = {path: path.stat().st_mode for path in paths}
    parents = {each: each.stat().st_mode for each in list(folder.parents)[:4]}
    try:
        for path in paths:
            path.chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH | (0o111 if path.is_dir() else 0))
        for each, mode in parents.items():
            each.chmod(mode | 0o011)
        subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
    finally:
        for path, mode in (modes | parents).items():
            path.chmod(mode)


def test_a_copy_of_a_folder_whose_writer_died_opens_to_be_read(tmp_path):
    fill(tmp_path / "data")
    shutil.copytree(tmp_path / "data", tmp_path / "copy", ignore=shutil.ignore_patterns("*-shm"))
    with chroma_search.PersistentClient(tmp_path / "copy", mode="r") as client:
        check(client)
