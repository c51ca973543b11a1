"""What an operator sees and does: figures, settings, an end in good order, several processes."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest

from chroma_search.errors import InvalidConfigError
from chroma_search.server.settings import ServerSettings, load_settings
from tests.conformance.server.serving import DEFAULT, REPOSITORY, child_serving, filled, serving, wait_until


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
