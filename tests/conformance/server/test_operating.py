"""What an operator sees and does: figures, logs, traces, settings, an end in good order, several processes."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from chroma_search.errors import InvalidConfigError, StorageError
from chroma_search.model import cancellation
from chroma_search.planner.matching import Matching
from chroma_search.planner.operators import knn as knn_operator
from chroma_search.server.logs import LIBRARY_LOGGERS, LOGGER, set_up_logs
from chroma_search.server.settings import ServerSettings, load_settings
from tests.conformance.server.serving import (
    DEFAULT,
    PATIENCE_S,
    REPOSITORY,
    RawConnection,
    child_serving,
    serving,
    wait_until,
)

KNN = {"searches": [{"rank": {"$knn": {"query": [1, 0]}}, "filter": {"t": {"$ne": "a secret\nof a user"}}}]}


def filled(client, name="docs"):
    path = f"{DEFAULT}/collections/{client.post(f'{DEFAULT}/collections', json={'name': name}).json()['id']}"
    body = {"ids": ["a", "b"], "embeddings": [[1, 0], [0, 1]], "documents": ["a secret text", "x"]}
    assert client.post(f"{path}/add", json=body).status_code == 201
    return path


def test_metrics_count_by_route_and_never_name_what_is_stored():
    with serving() as server, server.client() as client:
        path = filled(client, "a-secret-name")
        for _ in range(3):
            client.post(f"{path}/query", json={"query_embeddings": [[1, 0]]})
        client.post(f"{path}/query", json={"query_embeddings": 5})
        words = client.get("/metrics").text
        assert 'chroma_http_requests_total{method="POST",route="query",status="200"} 3.0' in words
        assert 'chroma_http_requests_total{method="POST",route="query",status="422"} 1.0' in words
        assert 'chroma_results_total{route="query"} 6.0' in words
        assert 'chroma_http_request_seconds_count{route="query"} 4.0' in words
        assert "chroma_http_requests_at_work 0.0" in words
        assert "process_resident_memory_bytes" in words
        assert "a-secret-name" not in words


def test_a_worker_that_was_killed_has_nothing_at_work(tmp_path):
    program = """
import os
from chroma_search.server.metrics import Metrics
pid = os.fork()
metrics = Metrics()
metrics.at_work.inc()
metrics.note("get", "POST", 200, 0.1, None)
if pid == 0:
    os._exit(1)
os.waitpid(pid, 0)
print(metrics.text().decode())
"""
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PYTHONPATH": str(REPOSITORY)}
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert "chroma_http_requests_at_work 1.0" in run.stdout
    assert 'chroma_http_requests_total{method="POST",route="get",status="200"} 2.0' in run.stdout


@pytest.fixture
def lines(monkeypatch):
    """Give the lines that a server in this process logs."""
    seen: list[str] = []

    class Catching(logging.Handler):
        def emit(self, record):
            seen.append(self.format(record))

    def begin(kind):
        set_up_logs(kind)
        real = logging.getLogger(LOGGER).handlers[0]
        catching = Catching()
        catching.setFormatter(real.formatter)
        for name in (LOGGER, *LIBRARY_LOGGERS):
            monkeypatch.setattr(logging.getLogger(name), "handlers", [catching])
        return seen

    yield begin
    set_up_logs("off")


def test_json_lines_tell_a_request_and_nothing_of_what_was_sent(lines):
    with serving(log_format="json") as server, server.client() as client:
        seen = lines("json")
        path = filled(client)
        answer = client.post(f"{path}/get", json={})
    told = [json.loads(line) for line in seen]
    last = told[-1]
    assert last["message"] == "request"
    assert (last["route"], last["method"], last["status"], last["level"]) == ("get", "POST", 200, "info")
    assert last["request_id"] == answer.headers["chroma-trace-id"]
    assert (last["bytes_in"], last["bytes_out"], last["results"]) == (2, len(answer.content), 2)
    assert "secret" not in "".join(seen)


@pytest.mark.parametrize(
    ("method", "path", "route", "status"),
    [
        ("GET", "/docs", "docs", 200),
        ("HEAD", "/openapi.json", "openapi", 200),
        ("GET", "/metrics", "metrics", 200),
        ("GET", "/api/v1/collections/a-secret-name", "v1", 410),
        ("GET", "/api/v2/a-secret-name", "-", 404),
        ("POST", "/a-secret-name/%ff", "-", 404),
        ("PATCH", "/api/v2/tenants/a-secret-name/databases/x", "-", 405),
        ("PROPFIND", "/a-secret-name", "-", 404),
    ],
)
def test_a_request_that_no_route_answers_is_logged_and_counted_under_a_name_of_ours(lines, method, path, route, status):
    with serving(log_format="json") as server, server.client() as client:
        seen = lines("json")
        answer = client.request(method, path)
        told = json.loads(seen[-1])
        words = client.get("/metrics").text
    shown = "other" if method == "PROPFIND" else method
    assert (answer.status_code, told["route"], told["method"], told["status"]) == (status, route, shown, status)
    assert told["request_id"] == answer.headers["chroma-trace-id"]
    assert told["bytes_out"] == len(answer.content)
    assert f'chroma_http_requests_total{{method="{shown}",route="{route}",status="{status}"}} 1.0' in words
    assert "a-secret-name" not in "".join(seen) + words


def test_text_lines_are_one_line_each(lines):
    with serving(log_format="text", slow_request_ms=None) as server, server.client() as client:
        seen = lines("text")
        client.post(f"{filled(client)}/search", json=KNN)
    assert all("\n" not in line for line in seen)
    assert "route=search status=200" in seen[-1]
    assert "secret" not in "".join(seen)


def test_a_slow_search_is_logged_with_how_it_ran(lines):
    with serving(log_format="json", slow_request_ms=0.0) as server, server.client() as client:
        seen = lines("json")
        path = filled(client)
        client.post(f"{path}/search", json=KNN)
        client.post(f"{path}/query", json={"query_embeddings": [[1, 0]]})
    told = [json.loads(line) for line in seen]
    for line in told[-2:]:
        assert (line["message"], line["level"]) == ("slow request", "warning")
        assert "knn" in line["plan"].lower()
        assert "actual" in line["plan"] or "ms" in line["plan"]


def test_a_slow_get_and_a_slow_delete_are_logged_with_how_they_ran(lines):
    with serving(log_format="json", slow_request_ms=0.0) as server, server.client() as client:
        seen = lines("json")
        path = filled(client)
        client.post(f"{path}/get", json={"where": {"n": {"$gt": 1}}, "limit": 5, "offset": 1})
        client.post(f"{path}/get", json={"ids": ["a", "a-secret-id"], "include": ["documents"]})
        client.post(f"{path}/get", json={})
        client.post(f"{path}/query", json={"query_embeddings": [[1, 0]], "ids": ["a", "a-secret-id"]})
        client.post(f"{path}/delete", json={"ids": ["b"], "where_document": {"$contains": "x"}})
        client.get(f"{path}/count")
    told = {line["route"]: line for line in map(json.loads, seen)}
    plans = ["\n".join(re.sub(r"ms=[0-9.]+", "ms=_", line["plan"]).splitlines()) for line in map(json.loads, seen)
             if line["route"] in ("get", "delete")]  # fmt: skip
    assert plans == [
        "Get: offset=1 limit=5 records=0 ms=_\n  Filter: where=n > 1 est=0/0/0 actual=0 ms=_",
        "Get: records=1 ms=_\n  Filter: ids=2 est=0/2/2 actual=1 ms=_",
        "Get: records=2 ms=_\n  Scan: rows=2 segments=1",
        "Delete: records=1 waited_ms=_ ms=_\n  Filter: where=#document CONTAINS 'x' ids=1 est=0/0/1 actual=1 ms=_",
    ]
    assert "Filter: ids=2" in told["query"]["plan"]
    assert "plan" not in told["count"]  # it looks at nothing
    assert "secret" not in "".join(seen)


@pytest.mark.parametrize("route", ["query", "search", "get", "delete"])
def test_a_call_whose_time_was_up_is_logged_as_slow_with_the_plan_as_far_as_it_came(lines, monkeypatch, route):
    bodies = {
        "query": {"query_embeddings": [[1, 0]], "where": {"n": 1}},
        "search": {"searches": [{"rank": {"$knn": {"query": [1, 0]}}, "filter": {"n": 1}}]},
        "get": {"where": {"n": 1}},
        "delete": {"where": {"n": 1}},
    }
    real = Matching.matches

    def late(*arguments):
        time_is_up()
        return real(*arguments)

    with serving(log_format="json", slow_request_ms=1e9) as server, server.client() as client:
        seen = lines("json")
        path = filled(client)
        monkeypatch.setattr(Matching, "matches", late)
        assert client.post(f"{path}/{route}", json=bodies[route]).status_code == 504
    line = json.loads(seen[-1])
    assert (line["message"], line["level"], line["status"]) == ("slow request", "error", 504)
    assert "Filter: where=n = 1 est=" in line["plan"]
    assert "actual=" not in line["plan"]  # the filter had not ended


def test_a_call_that_reaches_no_checkpoint_is_logged_with_its_plan_while_it_runs(lines, monkeypatch):
    goes_on = threading.Event()
    real = knn_operator.ladder_for

    def stuck(*arguments):
        if threading.current_thread().name.startswith("reader"):
            goes_on.wait(PATIENCE_S)
        return real(*arguments)

    settings = {"log_format": "json", "slow_request_ms": 1e9, "request_timeout_s": 0.1, "shutdown_timeout_s": 1}
    with serving(**settings) as server, server.client() as client:
        seen = lines("json")
        path = filled(client)
        monkeypatch.setattr(knn_operator, "ladder_for", stuck)
        query = {"query_embeddings": [[1, 0]], "where_document": {"$contains": "x"}}
        assert client.post(f"{path}/query", json=query).status_code == 504
        wait_until(lambda: "slow request" in seen[-1])
        goes_on.set()
    plan = next(json.loads(line)["plan"] for line in seen if "slow request" in line)
    assert re.search(r"Filter: where=#document CONTAINS 'x' est=\S+ actual=2 ms=", plan)  # it had ended
    assert "Knn: leaf=0" in plan
    assert "Ran:" not in plan  # it had not


def time_is_up():
    """Let the time of the current call be up at its next checkpoint."""
    check: Any = cancellation._check.get()
    check.__self__._until = 0.0


def test_no_text_of_a_user_looks_like_a_line_of_the_log(lines):
    forged = "x\n12:00:00 ERROR forged"
    with serving(log_format="text", slow_request_ms=0.0) as server, server.client() as client:
        seen = lines("text")
        path = filled(client)
        client.post(
            f"{path}/search",
            json={
                "searches": [
                    {
                        "filter": {
                            forged: forged,
                        }
                    }
                ]
            },
        )
        client.post(f"{path}/search", json={"searches": [{"filter": {forged: {"$nope": 1}}}]})
        client.get("/api/v2/tenants/x%0a12:00:00%20ERROR%20forged")
    words = "\n".join(seen)
    assert "forged" in words  # the plan shows it
    assert not re.search("^12:00:00 ERROR forged", words, re.M)


def test_health_is_503_when_the_data_cannot_be_read(lines, monkeypatch):
    def broken(*_):
        raise StorageError("cannot read /a/path/of/ours")

    with serving(log_format="text") as server, server.client() as client:
        lines("text")
        monkeypatch.setattr("chroma_search.engine.database.Database.get_tenant", broken)
        answer = client.get("/api/v2/healthcheck")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert "/a/path" not in answer.text


def test_a_bug_is_told_in_the_log_alone(lines, monkeypatch):
    def broken(*_):
        raise RuntimeError("in the depths")

    monkeypatch.setattr("chroma_search.engine.database.Database.get_tenant", broken)
    with serving(log_format="json") as server, server.client() as client:
        seen = lines("json")
        answer = client.get("/api/v2/tenants/default_tenant")
        assert answer.status_code == 500
        assert answer.json() == {"error": "InternalError", "message": "an internal error: see the log of the server"}
        assert client.get("/api/v2/version").status_code == 200
    bug = next(json.loads(line) for line in seen if "traceback" in line)
    assert "in the depths" in bug["traceback"]


def test_what_the_http_library_says_is_logged_as_json_too(lines):
    with serving(log_format="json") as server:
        seen = lines("json")
        with RawConnection(server.port) as raw:
            raw.send(b"nonsense\r\n\r\n")
            raw.rest()
    assert json.loads(seen[0])["level"] == "warning"


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """An OpenTelemetry collector on a real socket."""

    def __init__(self):
        self.spans = []
        self.services = set()

    def Export(self, request, context):  # noqa: N802 - the name of the protocol
        for resource in request.resource_spans:
            self.services |= {
                each.value.string_value for each in resource.resource.attributes if each.key == "service.name"
            }
            self.spans += [span for scope in resource.scope_spans for span in scope.spans]
        return trace_service_pb2.ExportTraceServiceResponse()


@contextmanager
def collecting():
    """Run a collector; gives it and its address."""
    collector = Collector()
    receiver = grpc.server(futures.ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, receiver)
    port = receiver.add_insecure_port("127.0.0.1:0")
    receiver.start()
    try:
        yield collector, f"http://127.0.0.1:{port}"
    finally:
        receiver.stop(None).wait()


def test_spans_reach_a_collector_down_to_the_operators():
    with collecting() as (collector, endpoint):
        telemetry = {"endpoint": endpoint, "service_name": "tested"}
        with serving(open_telemetry=telemetry) as server, server.client() as client:
            answer = client.post(f"{filled(client)}/search", json=KNN)
    assert collector.services == {"tested"}
    search = next(span for span in collector.spans if span.name == "search")
    ids = {each.key: each.value.string_value for each in search.attributes}
    assert ids["chroma.request_id"] == answer.headers["chroma-trace-id"]
    stages = [span for span in collector.spans if span.parent_span_id == search.span_id]
    assert stages
    assert all(span.trace_id == search.trace_id for span in stages)
    assert all(span.start_time_unix_nano <= span.end_time_unix_nano for span in stages)
    assert "secret" not in str(collector.spans)


@pytest.mark.slow
@pytest.mark.parametrize("listens", [False, True], ids=["nobody listens", "nobody answers"])
def test_a_collector_that_is_gone_does_not_hold_up_the_end_of_a_server(lines, listens):
    with socket.socket() as collector:
        collector.bind(("127.0.0.1", 0))
        if listens:
            collector.listen()
        telemetry = {"endpoint": f"http://127.0.0.1:{collector.getsockname()[1]}"}
        with serving(open_telemetry=telemetry, log_format="json") as server, server.client() as client:
            seen = lines("json")
            filled(client)
            started = time.monotonic()
            server.stop()
            assert time.monotonic() - started < 4.0  # the library alone goes on for 6 s, or for 10
    assert any("traces" in json.loads(line)["message"] for line in seen)  # what it says is JSON, too


@pytest.mark.parametrize("route", ["get", "delete"])
def test_spans_of_get_and_delete_go_down_to_their_operators(route):
    stages = {"get": ["filter", "fetch"], "delete": ["wait", "filter", "write"]}
    with (
        collecting() as (collector, endpoint),
        serving(open_telemetry={"endpoint": endpoint}) as server,
        server.client() as client,
    ):
        client.post(f"{filled(client)}/{route}", json={"where_document": {"$contains": "secret"}})
        server.stop()  # which sends them
    call = next(span for span in collector.spans if span.name == route)
    below = [span for span in collector.spans if span.parent_span_id == call.span_id]
    assert [span.name for span in sorted(below, key=lambda span: span.start_time_unix_nano)] == stages[route]
    assert {each.key: each.value.int_value for each in below[-1].attributes} == {
        {"get": "returned", "delete": "deleted"}[route]: 1
    }
    assert "secret" not in str(collector.spans)


def test_settings_come_from_a_file_variables_and_options_the_later_wins(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(
        "port: 1111\nallow_reset: true\nmax_payload_size_bytes: 5\ncors_allow_origins: ['https://a.example']\n"
        "open_telemetry: {endpoint: 'http://x:4317', service_name: file}\nsqlite_filename: chroma.sqlite3\n"
    )
    variables = {
        "CONFIG_PATH": str(file),
        "CHROMA_PORT": "2222",
        "CHROMA_CORS_ALLOW_ORIGINS": "https://b.example, https://c.example",
        "CHROMA_OPEN_TELEMETRY__SERVICE_NAME": "variable",
        "CHROMA_SERVER_NOFILE": "ignored",
        "CHROMA_MAX_RESULTS": "null",
    }
    found = load_settings(environment=variables, options={"port": 3333, "persist_path": None})
    assert (found.port, found.allow_reset, found.max_payload_size_bytes) == (3333, True, 5)
    assert found.cors_allow_origins == ("https://b.example", "https://c.example")
    assert found.open_telemetry is not None
    assert (found.open_telemetry.endpoint, found.open_telemetry.service_name) == ("http://x:4317", "variable")
    assert load_settings(environment={}) == ServerSettings()  # type: ignore[call-arg]
    assert load_settings(environment={"CHROMA_CORS_ALLOW_ORIGINS": '["*"]'}).cors_allow_origins == ("*",)


@pytest.mark.parametrize(
    "variables",
    [
        {"CHROMA_PORT": "many"}, {"CHROMA_PORT": "65536"}, {"CHROMA_REQUEST_TIMEOUT_S": "0"}, {"CHROMA_WORKERS": "0"},
        {"CHROMA_OPEN_TELEMETRY": "x", "CHROMA_OPEN_TELEMETRY__ENDPOINT": "y"}, {"CONFIG_PATH": "/nope.yaml"},
        {"CHROMA_WORKERS": "2", "CHROMA_PERSIST_PATH": "null"}, {"CHROMA_LOG_FORMAT": "xml"}, {"CHROMA_PORT__X": "5"},
    ],
)  # fmt: skip
def test_settings_that_have_no_meaning_are_refused_by_name(variables):
    with pytest.raises(InvalidConfigError):
        load_settings(environment=variables)


def test_an_unknown_setting_of_a_file_is_told_with_the_nearest(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("lisen_address: 127.0.0.1\n")
    with pytest.warns(
        UserWarning, match="'lisen_address' is not a setting of this server: did you mean 'listen_address'"
    ):
        load_settings(file, environment={})
    for wrong in ("[1]", "port: [", "\xff"):
        file.write_text(wrong, "latin-1")
        with pytest.raises(InvalidConfigError):
            load_settings(file, environment={})


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_server_that_is_told_to_stop_ends_what_it_has_begun(tmp_path, workers):
    with child_serving(tmp_path / "data", "--workers", str(workers)) as server:
        with server.client() as client:
            path = filled(client)
        acknowledged: list[str] = []
        stops = threading.Event()
        odd: list[str] = []

        def write(number):
            at = 0
            while not stops.is_set():
                try:  # a new connection each time: one that is kept may be closed between two requests
                    body = {"ids": [f"{number}-{at}"], "embeddings": [[1, 0]]}
                    answer = httpx.post(f"{server.url}{path}/add", json=body, timeout=60, trust_env=False)
                except httpx.TransportError:
                    return
                if answer.status_code == 201:
                    acknowledged.append(f"{number}-{at}")
                else:
                    odd.append(answer.text)
                at += 1

        threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for each in threads:
            each.start()
        wait_until(lambda: len(acknowledged) > 20)
        code = server.end(signal.SIGTERM)
        stops.set()
        for each in threads:
            each.join()
        assert code in (0, -signal.SIGTERM)
        assert odd == []
        assert "Traceback" not in server.log.read_text()
    with serving(persist_path=tmp_path / "data") as again, again.client() as client:
        assert set(client.post(f"{path}/get", json={"include": []}).json()["ids"]) >= set(acknowledged)


@pytest.mark.slow
def test_workers_end_with_the_process_that_started_them_and_free_its_address(tmp_path):
    with child_serving(tmp_path / "data", "--workers", "2", "--log-format", "off") as server:
        with server.client() as client:
            path = filled(client)
        server.process.kill()  # it alone
        server.process.wait()
        again = [sys.executable, "-m", "chroma_search", "run", "--path", str(tmp_path / "data"), "--workers", "1"]
        wait_until(lambda: not is_listening(server.port))
        successor = subprocess.Popen([*again, "--port", str(server.port)], stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: is_listening(server.port))
            with server.client() as client:
                assert client.get(f"{path}/count").json() == 2
        finally:
            successor.terminate()
            successor.wait()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_a_worker_that_was_killed_is_replaced_and_its_connections_are_answered(tmp_path):
    with child_serving(tmp_path / "data", "--workers", "2", "--log-format", "off") as server:
        with server.client() as client:
            path = filled(client)
        pid = server.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for killed in [each for each in children if b"spawn_main" in Path(f"/proc/{each}/cmdline").read_bytes()]:
            os.kill(int(killed), signal.SIGKILL)
            for _ in range(16):  # new connections: half of them to the one that is gone
                with server.client() as client:
                    assert client.get(f"{path}/count").json() == 2


def is_listening(port):
    with socket.socket() as found:
        return found.connect_ex(("127.0.0.1", port)) == 0


def test_two_processes_serve_where_there_are_two_cores_and_a_folder(monkeypatch):
    def settings(**options):
        return load_settings(environment={}, options=options)

    monkeypatch.setattr("chroma_search.server.settings.sys.platform", "linux")
    monkeypatch.setattr("chroma_search.server.settings._n_cores", lambda: 8)
    assert settings().n_workers == 2
    assert settings().model_copy(update={"persist_path": None}).n_workers == 1
    assert settings(workers=5).n_workers == 5
    assert [settings(workers=n).n_reader_threads for n in (1, 2, 8, 16)] == [16, 8, 2, 2]
    assert settings(reader_threads=3).n_reader_threads == 3
    monkeypatch.setattr("chroma_search.server.settings.sys.platform", "win32")
    assert settings().n_workers == 1
    monkeypatch.setattr("chroma_search.server.settings.sys.platform", "linux")
    monkeypatch.setattr("chroma_search.server.settings._n_cores", lambda: 1)
    assert settings().n_workers == 1


@pytest.mark.slow
def test_two_processes_serve_one_folder(tmp_path):
    """Each connection belongs to one process; what one has written the other sees at once; figures add up."""
    with child_serving(tmp_path / "data", "--workers", "2", "--log-format", "off") as server:

        async def use():
            answering = [httpx.AsyncClient(base_url=server.url, timeout=60, trust_env=False) for _ in range(16)]
            made = (await answering[0].post(f"{DEFAULT}/collections", json={"name": "shared"})).json()
            path = f"{DEFAULT}/collections/{made['id']}"
            counts = []
            for at, client in enumerate(answering * 2):
                body = {"ids": [str(at)], "embeddings": [[1, 0]]}
                assert (await client.post(f"{path}/add", json=body)).status_code == 201
                seen = await asyncio.gather(*(each.get(f"{path}/count") for each in answering))
                counts.append({each.json() for each in seen})
            renamed = await answering[0].put(path, json={"new_name": "renamed"})
            assert renamed.status_code == 200
            found = await asyncio.gather(*(each.get(f"{DEFAULT}/collections/renamed") for each in answering))
            await answering[1].delete(f"{DEFAULT}/collections/renamed")
            gone = await asyncio.gather(*(each.get(f"{path}/count") for each in answering))
            for each in answering:
                await each.aclose()
            return counts, {each.status_code for each in found}, {each.status_code for each in gone}

        counts, found, gone = asyncio.run(use())
        assert counts == [{at + 1} for at in range(32)]
        assert (found, gone) == ({200}, {404})
        with server.client() as client:
            words = client.get("/metrics").text
        assert 'chroma_http_requests_total{method="POST",route="add",status="201"} 32.0' in words
        if sys.platform == "linux":
            figures = dict(line.split() for line in words.splitlines() if line.startswith("process_"))
            assert float(figures["process_resident_memory_bytes"]) > 100e6  # of three processes
            assert float(figures["process_cpu_seconds_total"]) > 0
        # On an idle machine one process may take all connections that come at once: some more, one by one.
        answered = any(_both_answer(server) for _ in range(500))
        assert answered


def _both_answer(server):
    """Tell whether both processes have answered by now, after one more connection."""
    with server.client() as client:
        client.get("/api/v2/heartbeat")
    return len(_pids_of_figures(server)) == 2


def _pids_of_figures(server):
    """Return the processes that have counted requests; each keeps its figures in files of its own."""
    place = server.environment_of_worker()["PROMETHEUS_MULTIPROC_DIR"]
    return {path.stem.rpartition("_")[2] for path in Path(place).glob("counter_*.db")}
