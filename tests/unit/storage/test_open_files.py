"""SQLite's locks are the process's: neither a look at a file nor a fork may take them away."""

import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import chroma_search
from chroma_search.errors import NotFoundError, StorageError
from chroma_search.storage import open_files
from chroma_search.storage.sqlite_file import SqliteFile
from tests.forked import forked, needs_fork, status

SCHEMA = ("CREATE TABLE numbers (number INTEGER)",)
OPEN_AND_CLOSE = """
import sys
from pathlib import Path
from chroma_search.storage.sqlite_file import SqliteFile
file = SqliteFile(Path(sys.argv[1]), ("CREATE TABLE numbers (number INTEGER)",))
print(len(file.execute("SELECT * FROM numbers")))
file.close()
"""
FORK_AND_EXIT = """
import os, sys
from pathlib import Path
from chroma_search.storage.sqlite_file import SqliteFile
file = SqliteFile(Path(sys.argv[1]), ("CREATE TABLE numbers (number INTEGER)",))
with file.writing():
    file.execute_many("INSERT INTO numbers VALUES (?)", [(bytes(3000),)] * 3000)  # more than SQLite keeps in memory
    pid = os.fork()
    if pid == 0:
        sys.exit()  # inside the transaction, and with all that the end of an interpreter does
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    file.execute("INSERT INTO numbers VALUES (2)")
file.execute("INSERT INTO numbers VALUES (3)")
print(len(file.execute("SELECT * FROM numbers")))
"""
COUNT = """
import sys
import chroma_search
with chroma_search.PersistentClient(sys.argv[1]) as client:
    print(client.get_collection("docs", embedding_function=None).count())
"""
OPEN_OFTEN = """
import sys, time
from pathlib import Path
from chroma_search.errors import LockedError
from chroma_search.storage.sqlite_file import SqliteFile
until = time.monotonic() + 1.5
n_opened = 0
while time.monotonic() < until:
    try:
        file = SqliteFile(Path(sys.argv[1]), (), busy_s=0.05)
    except LockedError:
        continue
    try:
        with file.writing():
            n_opened += 1
    except LockedError:
        pass
    finally:
        file.close()
print(n_opened)
"""


def started(program: str, path: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", program, str(path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def number_printed(process: "subprocess.Popen[str]") -> int:
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return int(output)


def numbers_seen_by_another_process(path: Path) -> int:
    """That process closes the file as well, and would clear up if it took itself for the last one."""
    return number_printed(started(OPEN_AND_CLOSE, path))


def count_of_another_process(folder: Path) -> int:
    return number_printed(started(COUNT, folder))


@pytest.mark.parametrize("mode", ["open", "read", "create"])
def test_a_second_opening_in_a_process_leaves_the_locks_of_the_first(tmp_path, mode):
    path = tmp_path / "numbers.sqlite"
    with closing(SqliteFile(path, SCHEMA)) as file:
        file.execute("INSERT INTO numbers VALUES (1)")
        SqliteFile(path, SCHEMA, mode=mode).close()
        assert numbers_seen_by_another_process(path) == 1
        file.execute("INSERT INTO numbers VALUES (2)")
        assert numbers_seen_by_another_process(path) == 2
    assert numbers_seen_by_another_process(path) == 2


def test_verify_leaves_the_locks_of_an_open_client(tmp_path):
    with chroma_search.PersistentClient(tmp_path) as client:
        collection = client.create_collection("docs", embedding_function=None)
        collection.add(ids="a", embeddings=[1.0])
        assert chroma_search.verify(tmp_path).is_clean
        assert count_of_another_process(tmp_path) == 1
        collection.add(ids="b", embeddings=[2.0])
        assert count_of_another_process(tmp_path) == 2
    assert count_of_another_process(tmp_path) == 2


def test_processes_that_open_and_close_one_file_all_the_time_see_no_error(tmp_path):
    processes = [started(OPEN_OFTEN, tmp_path / "lock.sqlite") for _ in range(4)]
    assert all(number_printed(each) > 0 for each in processes)


def test_a_file_that_could_not_be_opened_is_looked_at_again(tmp_path):
    path = tmp_path / "numbers.sqlite"
    SqliteFile(path, SCHEMA).close()
    content = bytearray(path.read_bytes())
    content[18] ^= 4
    path.write_bytes(content)
    for _ in range(2):
        with pytest.raises(StorageError, match="damaged at byte 18"):
            SqliteFile(path, SCHEMA)


def test_a_file_that_was_let_go_of_without_being_closed_is_looked_at_again(tmp_path):
    path = tmp_path / "numbers.sqlite"
    file = SqliteFile(path, SCHEMA)
    assert file._connection is not None
    file._connection.close()
    del file
    content = bytearray(path.read_bytes())
    content[18] ^= 4
    path.write_bytes(content)
    with pytest.raises(StorageError, match="damaged at byte 18"):
        SqliteFile(path, SCHEMA)


@needs_fork
def test_what_a_child_was_told_is_saved_is_there_after_its_parent_has_closed(tmp_path):
    path = tmp_path / "numbers.sqlite"
    file = SqliteFile(path, SCHEMA)
    file.execute("INSERT INTO numbers VALUES (1)")
    go = tmp_path / "go"

    def write_when_asked():
        file.execute("INSERT INTO numbers VALUES (2)")
        while not go.exists():
            time.sleep(0.01)
        file.execute("INSERT INTO numbers VALUES (3)")

    pid = forked(write_when_asked)
    while file.execute("SELECT count(*) FROM numbers") != [(2,)]:
        time.sleep(0.01)
    file.close()
    assert numbers_seen_by_another_process(path) == 2  # and closes: the child's lock must hold it off clearing up
    go.touch()
    assert status(pid) == 0
    assert numbers_seen_by_another_process(path) == 3


@needs_fork
def test_both_sides_of_a_fork_see_what_others_write(tmp_path):
    with closing(SqliteFile(tmp_path / "numbers.sqlite", SCHEMA)) as file:
        before = file.data_version()
        assert status(forked(lambda: file.execute("INSERT INTO numbers VALUES (1)"))) == 0
        assert file.data_version() != before
        assert file.execute("SELECT count(*) FROM numbers") == [(1,)]


@contextmanager
def repeated_by_a_thread(work):
    """Let a thread do some work again and again meanwhile."""
    is_over = threading.Event()

    def repeat():
        while not is_over.is_set():
            work()

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


@needs_fork
def test_a_fork_waits_for_writers_of_other_threads(tmp_path):
    with closing(SqliteFile(tmp_path / "numbers.sqlite", SCHEMA)) as file:

        def write():
            with file.writing():
                file.execute("INSERT INTO numbers VALUES (1)")
                time.sleep(0.005)

        with repeated_by_a_thread(write):
            for _ in range(5):
                assert status(forked(lambda: file.execute("SELECT count(*) FROM numbers"))) == 0


@needs_fork
def test_a_fork_waits_for_a_thread_that_is_about_to_open_a_file(tmp_path):
    with closing(SqliteFile(tmp_path / "numbers.sqlite", SCHEMA)) as file:

        def open_again():
            with file.lock:
                time.sleep(0.005)
                file.execute("SELECT count(*) FROM numbers")  # opens it: every fork closes it

        with repeated_by_a_thread(open_again):
            pids = [forked(lambda: file.execute("SELECT count(*) FROM numbers")) for _ in range(5)]  # quickly
            assert [status(pid) for pid in pids] == [0] * 5


@needs_fork
def test_a_fork_waits_for_threads_that_use_what_is_in_memory():
    with closing(SqliteFile(None, SCHEMA)) as file:

        def write():
            with file.writing():
                file.execute("INSERT INTO numbers VALUES (1)")
                time.sleep(0.005)
                file.execute("INSERT INTO numbers VALUES (1)")

        def check():
            assert file.execute("SELECT count(*) FROM numbers")[0][0] % 2 == 0

        with repeated_by_a_thread(write):
            for _ in range(5):
                assert status(forked(check)) == 0


@needs_fork
def test_a_child_does_not_touch_a_file_that_its_parent_was_using_at_the_fork(tmp_path, monkeypatch):
    monkeypatch.setattr(open_files, "FORK_S", 0.05)
    path = tmp_path / "numbers.sqlite"
    with closing(SqliteFile(path, SCHEMA)) as file:
        may_end, is_writing = threading.Event(), threading.Event()

        def write():
            with file.writing():
                file.execute("INSERT INTO numbers VALUES (1)")
                is_writing.set()
                may_end.wait()

        def check():
            for use in (lambda: file.execute("SELECT 1"), lambda: SqliteFile(path, SCHEMA)):
                with pytest.raises(StorageError, match="when this process was forked"):
                    use()
            file.close()

        thread = threading.Thread(target=write)
        thread.start()
        is_writing.wait()
        pid = forked(check)
        may_end.set()
        thread.join()
        assert status(pid) == 0
        assert file.execute("SELECT count(*) FROM numbers") == [(1,)]


@needs_fork
def test_a_fork_inside_a_transaction_leaves_it_to_the_parent(tmp_path):
    with closing(SqliteFile(tmp_path / "numbers.sqlite", SCHEMA)) as file:
        with file.writing():
            file.execute("INSERT INTO numbers VALUES (1)")

            def check():
                with pytest.raises(StorageError, match="when this process was forked"):
                    file.execute("INSERT INTO numbers VALUES (2)")

            assert status(forked(check)) == 0
        assert file.execute("SELECT number FROM numbers") == [(1,)]


@needs_fork
def test_a_child_that_ends_inside_a_transaction_does_not_undo_it(tmp_path):
    path = tmp_path / "numbers.sqlite"
    process = started(FORK_AND_EXIT, path)
    assert number_printed(process) == 3002
    assert numbers_seen_by_another_process(path) == 3002


@needs_fork
def test_a_closed_file_stays_closed_in_a_child(tmp_path):
    file = SqliteFile(tmp_path / "numbers.sqlite", SCHEMA)
    file.close()

    def check():
        with pytest.raises(StorageError, match="is closed"):
            file.execute("SELECT 1")

    assert status(forked(check)) == 0


@needs_fork
def test_a_child_learns_that_a_collection_was_deleted_by_its_parent(tmp_path):
    with chroma_search.PersistentClient(tmp_path) as client:
        collection = client.create_collection("docs", embedding_function=None)
        collection.add(ids="a", embeddings=[1.0])
        go = tmp_path / "go"

        def check():
            while not go.exists():
                time.sleep(0.01)
            with pytest.raises(NotFoundError):
                collection.get()
            with pytest.raises(NotFoundError):
                collection.add(ids="b", embeddings=[1.0])

        pid = forked(check)
        client.delete_collection("docs")
        go.touch()
        assert status(pid) == 0


@needs_fork
def test_a_child_has_a_copy_of_what_is_in_memory():
    with chroma_search.EphemeralClient() as client:
        collection = client.create_collection("docs", embedding_function=None)
        collection.add(ids="a", embeddings=[1.0])

        def check():
            collection.add(ids="b", embeddings=[2.0])
            assert client.get_collection("docs", embedding_function=None).count() == 2

        assert status(forked(check)) == 0
        assert collection.count() == 1
