"""What a server bounds: calls at work, their time, how often, how much; and that writers never keep readers waiting."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chroma_search.engine.collection_home as home_of_collections
from chroma_search.dsl import Eq, SearchClauses
from chroma_search.engine import searching
from chroma_search.engine.database import Database
from chroma_search.errors import StorageError
from chroma_search.model import cancellation
from chroma_search.model.cancellation import checkpoint
from chroma_search.requests import RunOptions, Selection, WriteBatch
from chroma_search.schema.configuration import CollectionConfig
from chroma_search.server.access.secrets import hashed_token
from chroma_search.server.call import Call
from chroma_search.server.routes import records as record_routes
from chroma_search.storage.log import SqliteLog
from tests.conformance.server.serving import DEFAULT, RawConnection, serving, wait_until
from tests.conformance.server.test_connections import posting

BODY = {"ids": ["x"], "embeddings": [[1, 2]]}


def made(client, name="docs"):
    answer = client.post(f"{DEFAULT}/collections", json={"name": name})
    assert answer.status_code == 200, answer.text
    return f"{DEFAULT}/collections/{answer.json()['id']}"


def message(answer):
    return answer.json()["message"]


@contextmanager
def held(path: Path):
    """Hold the writer's lock of an SQLite file, as another process would."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


class Gate:
    """Stands in an operator: a call that reaches it waits until it is opened, passing checkpoints as operators do."""

    def __init__(self, monkeypatch, *, checks=True):
        self._opened = threading.Event()
        self._checks = checks
        self.n_waiting = 0
        self.ends: list[type[BaseException] | None] = []
        real = Database.get_collection_by_id

        def get(database, *arguments):
            if threading.current_thread().name.startswith("reader"):
                self._wait()
            return real(database, *arguments)

        monkeypatch.setattr(Database, "get_collection_by_id", get)

    def _wait(self):
        self.n_waiting += 1
        try:
            while not self._opened.wait(0.005):
                if self._checks:
                    checkpoint()
        except BaseException as error:
            self.ends.append(type(error))
            raise
        self.ends.append(None)

    def open(self):
        self._opened.set()


def test_a_call_that_takes_too_long_is_504_and_its_thread_stops_at_a_checkpoint(monkeypatch):
    gate = Gate(monkeypatch)
    with serving(request_timeout_s=0.2, reader_threads=1) as server, server.client() as client:
        path = made(client)
        answer = client.get(f"{path}/count")
        assert (answer.status_code, message(answer)) == (504, "the call took longer than 0.2 s")
        assert answer.headers["retry-after"] == "5"
        wait_until(lambda: gate.ends)
        assert [each.__name__ for each in gate.ends if each] == ["DeadlineError"]
        gate.open()
        assert client.get(f"{path}/count").json() == 0  # its thread, the only one, is free again


def test_a_call_that_reaches_no_checkpoint_is_answered_all_the_same(monkeypatch):
    gate = Gate(monkeypatch, checks=False)
    with serving(request_timeout_s=0.1, reader_threads=1) as server, server.client() as client:
        path = made(client)
        for _ in range(2):  # the second never gets a thread
            answer = client.get(f"{path}/count")
            assert (answer.status_code, answer.headers["retry-after"]) == (504, "5")
        gate.open()
        wait_until(lambda: client.get(f"{path}/count").status_code == 200)


@pytest.mark.parametrize("route", ["query", "search", "get"])
def test_real_operators_stop_at_their_checkpoints(monkeypatch, route):
    with serving() as server, server.client() as client:
        path = made(client)
        rows = {"ids": [str(at) for at in range(100)], "embeddings": [[at, 1] for at in range(100)]}
        client.post(f"{path}/add", json=rows)
        bodies = {
            "query": {"query_embeddings": [[1, 0]], "where": {"n": 1}},
            "search": {"searches": [{"rank": {"$knn": {"query": [1, 0]}}}]},
            "get": {"where": {"n": 1}},
        }
        reached: list[str] = []
        real = Call.collection

        def late(call):
            found = real(call)
            check: Any = _current_check()
            reached.append(threading.current_thread().name)
            check.__self__._until = 0.0  # time is up when the operators begin
            return found

        monkeypatch.setattr(Call, "collection", late)
        answer = client.post(f"{path}/{route}", json=bodies[route])
        assert answer.status_code == 504
        assert reached[0].startswith("reader")


def _current_check():
    found = cancellation._check.get()
    assert found is not None
    return found


def test_a_call_ends_when_its_client_goes_away(monkeypatch):
    gate = Gate(monkeypatch)
    with serving(reader_threads=1) as server, server.client() as client:
        path = made(client)
        with RawConnection(server.port) as raw:
            raw.send(posting(f"{path}/get", 2) + b"{}")
            wait_until(lambda: gate.n_waiting)
        wait_until(lambda: gate.ends)
        assert [each.__name__ for each in gate.ends if each] == ["ClientDisconnect"]


def test_a_server_that_stops_waits_for_calls_only_so_long(monkeypatch):
    gate = Gate(monkeypatch)
    with serving(shutdown_timeout_s=1, request_timeout_s=3600) as server, server.client() as client:
        path = made(client)
        with ThreadPoolExecutor(1) as threads:
            at_work = threads.submit(client.get, f"{path}/count")
            wait_until(lambda: gate.n_waiting)
            server.stop()  # asserts that it ends
            assert [each.__name__ for each in gate.ends if each] == ["ClientDisconnect"]
            assert at_work.exception() is not None or at_work.result().status_code == 500


def test_beyond_the_calls_at_work_the_next_is_503_at_once(monkeypatch):
    gate = Gate(monkeypatch)
    with serving(max_concurrent_requests=3, reader_threads=8) as server, server.client() as client:
        path = made(client)
        with ThreadPoolExecutor(3) as threads:
            at_work = [threads.submit(client.get, f"{path}/count") for _ in range(3)]
            wait_until(lambda: gate.n_waiting == 3)
            late = client.get(f"{path}/count")
            assert (late.status_code, late.headers["retry-after"]) == (503, "1")
            assert client.get("/metrics").status_code == 200  # one can still look
            gate.open()
            assert {each.result().status_code for each in at_work} == {200}
        assert client.get(f"{path}/count").status_code == 200


def test_the_bodies_at_work_are_bounded_together():
    with serving(max_bytes_at_work=1_000_000) as server, server.client() as client:
        path = made(client)
        part = b" " * 400_000
        with RawConnection(server.port) as first, RawConnection(server.port) as second:
            for raw in (first, second):
                raw.send(posting(f"{path}/get", 400_002) + part)
            gateway = server.application._gateway
            assert gateway is not None
            wait_until(lambda: gateway._bytes_at_work == 800_000)
            refused = client.post(f"{path}/get", content=part + b"{}")
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            first.send(b"{}")
            assert first.status() == 200
            assert client.post(f"{path}/get", content=part + b"{}").status_code == 200
            second.send(b"{}")
            assert second.status() == 200
        wait_until(lambda: gateway._bytes_at_work == 0)


def test_each_caller_has_a_rate_of_their_own(tmp_path):
    users = tmp_path / "users.yaml"
    entries = {name: {"tokens": [hashed_token(name)], "grants": [{"role": "reader"}]} for name in ("ana", "bob")}
    users.write_text(json.dumps({"users": entries}))
    with serving(users_file=users, requests_per_second=1.0, request_burst=3) as server, server.client() as client:
        gateway = server.application._gateway
        assert gateway is not None
        assert gateway._rates is not None
        gateway._rates._clock = lambda: 0.0  # time stands still

        def ask(name):
            return client.get("/api/v2/auth/identity", headers={"x-chroma-token": name})

        assert [ask("ana").status_code for _ in range(5)] == [200, 200, 200, 429, 429]
        assert [ask("bob").status_code for _ in range(3)] == [200] * 3
        assert ask("bob").headers["retry-after"] == "1"
        assert client.get("/api/v2/auth/identity").status_code == 401  # nobody takes from nobody's rate
        gateway._rates._clock = lambda: 1.0
        assert [ask("ana").status_code for _ in range(2)] == [200, 429]


def test_readers_are_answered_while_every_writer_waits_for_a_lock(tmp_path):
    """Another process has written, and holds the locks: readers see what it wrote, and never wait for our writers."""
    folder = tmp_path / "data"
    with serving(persist_path=folder, writer_threads=2) as server, server.client() as client:
        path = made(client)
        assert client.post(f"{path}/add", json=BODY).status_code == 201
        other = Database(folder)
        engine = other.get_collection("docs", "default_tenant", "default_database")
        engine.delete(Selection(ids=["x"]))
        other.create_tenant("from-elsewhere")
        log = folder / "collections" / path.rpartition("/")[2] / "log.sqlite"
        with ThreadPoolExecutor(8) as threads, held(log), held(folder / "catalog.sqlite"):
            gateway = server.application._gateway
            assert gateway is not None
            writers = [threads.submit(client.post, f"{path}/upsert", json=BODY) for _ in range(3)]
            writers += [threads.submit(client.post, f"{path}/delete", json={"ids": ["y"]})]
            bodies = [{"name": f"new-{at}"} for at in range(3)]
            writers += [threads.submit(client.post, f"{DEFAULT}/collections", json=body) for body in bodies]
            wait_until(lambda: gateway._n_at_work == len(writers))
            for _ in range(5):
                assert client.get(f"{path}/count").json() == 0
                assert client.post(f"{path}/get", json={}).json()["ids"] == []
                assert client.get("/api/v2/tenants/from-elsewhere").status_code == 200
                assert len(client.get(f"{DEFAULT}/collections").json()) == 1
            assert not any(each.done() for each in writers)
        assert [each.result().status_code for each in writers] == [200] * len(writers)
        assert client.get(f"{path}/count").json() == 1
        assert client.get(f"{DEFAULT}/collections_count").json() == 4
        other.close()


def test_a_writer_that_waited_too_long_is_503(tmp_path, monkeypatch):
    monkeypatch.setattr("chroma_search.engine.taking_turns.BUSY_S", 0.1)
    with serving(persist_path=tmp_path / "data") as server, server.client() as client:
        path = made(client)
        with held(tmp_path / "data" / "collections" / path.rpartition("/")[2] / "log.sqlite"):
            answer = client.post(f"{path}/add", json=BODY)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert str(tmp_path) not in answer.text  # names of files are for the log
        assert client.get(f"{path}/count").json() == 0
        assert client.post(f"{path}/add", json=BODY).status_code == 201


def test_a_collection_whose_files_are_going_when_it_is_opened_is_404(tmp_path, monkeypatch):
    folder = tmp_path / "data"
    with serving(persist_path=folder) as server, server.client() as client:
        path = made(client)
    files = folder / "collections" / path.rpartition("/")[2]
    real = home_of_collections.SqliteLog

    def late(log_path, mode):
        (files / "log.sqlite").unlink()
        threading.Timer(0.05, shutil.rmtree, (files,)).start()  # another process is at it
        return real(log_path, mode)

    with serving(persist_path=folder) as server, server.client() as client:
        monkeypatch.setattr(home_of_collections, "SqliteLog", late)
        answer = client.get(f"{path}/count")
        assert (answer.status_code, answer.json()["error"]) == (404, "NotFoundError")
        wait_until(lambda: not files.exists())


def test_a_log_that_is_missing_for_good_is_damage(tmp_path, monkeypatch):
    monkeypatch.setattr(home_of_collections, "REMOVAL_S", 0.02)
    folder = tmp_path / "data"
    with serving(persist_path=folder) as server, server.client() as client:
        path = made(client)
    (folder / "collections" / path.rpartition("/")[2] / "log.sqlite").unlink()
    with serving(persist_path=folder) as server, server.client() as client:
        answer = client.get(f"{path}/count")
        assert (answer.status_code, message(answer)) == (
            500,
            "a file of the collection is damaged: see the log of the server",
        )


def test_a_collection_that_is_deleted_under_a_writer_is_404(tmp_path, monkeypatch):
    """Ten writers and a hand that deletes: each write is acknowledged, or the collection is gone."""
    with serving(persist_path=tmp_path / "data", writer_threads=8) as server, server.client() as client:
        for round_ in range(5):
            path = made(client, f"docs-{round_}")
            with ThreadPoolExecutor(8) as threads:
                writers = [
                    threads.submit(client.post, f"{path}/add", json={"ids": [str(at)], "embeddings": [[1, 2]]})
                    for at in range(20)
                ]
                readers = [threads.submit(client.post, f"{path}/get", json={}) for _ in range(10)]
                deleted = client.delete(f"{DEFAULT}/collections/docs-{round_}")
            assert deleted.status_code == 200
            assert {each.result().status_code for each in writers} <= {201, 404}
            assert {each.result().status_code for each in readers} <= {200, 404}


def test_an_update_of_rows_with_and_without_vectors_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    with serving(persist_path=tmp_path / "data") as server, server.client() as client:
        path = made(client)
        client.post(f"{path}/add", json={"ids": ["a", "b"], "embeddings": [[1, 0], [0, 1]]})
        body = {"ids": ["a", "b"], "embeddings": [[5, 5], None], "documents": ["new", "new"]}
        real, appended = SqliteLog.append, []

        def full(log, entry):
            appended.append(entry)
            if len(appended) == 2:
                raise StorageError("the disk is full")
            real(log, entry)

        monkeypatch.setattr(SqliteLog, "append", full)
        answer = client.post(f"{path}/update", json=body)
        assert (answer.status_code, message(answer)) == (500, "the disk failed: see the log of the server")
        assert client.post(f"{path}/get", json={}).json()["documents"] == [None, None]
        assert client.post(f"{path}/update", json=body).status_code == 200
    with serving(persist_path=tmp_path / "data") as server, server.client() as client:
        got = client.post(f"{path}/get", json={"include": ["embeddings", "documents"]}).json()
        assert (got["documents"], got["embeddings"]) == (["new", "new"], [[5.0, 5.0], [0.0, 1.0]])


def test_a_query_of_many_vectors_is_bounded_before_it_runs_and_ends_between_parts_of_them():
    with serving(max_search_cost=1000) as server, server.client() as client:
        path = made(client)
        client.post(f"{path}/add", json={"ids": ["a", "b"], "embeddings": [[1, 0], [0, 1]]})
        many = {"query_embeddings": [[1, 0]] * 501, "n_results": 2**32 - 1}
        answer = client.post(f"{path}/query", json=many)
        assert (answer.status_code, answer.json()["error"]) == (400, "InvalidArgumentError")
        assert "1,002 records" in message(answer)
        many["query_embeddings"].pop()
        assert len(client.post(f"{path}/query", json=many).json()["ids"]) == 500
    engine = Database().create_collection("docs", "default_tenant", "default_database", config=CollectionConfig())
    engine.add(WriteBatch(["a"], np.ones((1, 2), np.float32)))
    checks: list[int] = []
    with cancellation.cancellable(lambda: checks.append(1)):
        engine.query(np.ones((2560, 2), np.float32), 1, None, None, frozenset(), RunOptions())
    assert len(checks) >= 10


def test_reading_and_planning_many_wide_searches_passes_checkpoints(monkeypatch):
    searches = [SearchClauses(where=Eq("n", at)) for at in range(50)]
    engine = Database().create_collection("docs", "default_tenant", "default_database", config=CollectionConfig())
    engine.add(WriteBatch(["a"], np.ones((1, 2), np.float32)))
    monkeypatch.setattr(searching, "run_settings", lambda *_: pytest.fail("it went on to run"))
    checks: list[int] = []

    def check():
        checks.append(1)
        if len(checks) > 90:  # 50 are checked, then planned
            raise TimeoutError

    with cancellation.cancellable(check), pytest.raises(TimeoutError):
        engine.search(searches, RunOptions())


def test_more_records_than_advised_are_written_whole_as_by_upstream(tmp_path):
    with serving(persist_path=tmp_path / "data", max_batch_size=10) as server, server.client() as client:
        path = made(client)
        assert client.get("/api/v2/pre-flight-checks").json()["max_batch_size"] == 10
        ids = [str(at) for at in range(6000)]
        rows = {"ids": ids, "embeddings": [[at, 1] for at in range(6000)]}
        assert client.post(f"{path}/add", json=rows).status_code == 201
        assert client.post(f"{path}/upsert", json=rows).status_code == 200
        assert client.post(f"{path}/update", json=rows).status_code == 200
        assert client.post(f"{path}/get", json={"include": []}).json()["ids"] == ids
        assert client.post(f"{path}/delete", json={"ids": ids}).json() == {"deleted": 6000}


def test_routes_that_may_wait_say_so():
    for route in record_routes.RECORD_ROUTES:
        assert route.writes == (route.handler.__name__ in ("add", "upsert", "update", "delete"))
