"""What the log says of requests, how slow ones ran, and what it never says."""

from __future__ import annotations

import json
import re
import threading
from typing import Any

import pytest

from chroma_search.errors import StorageError
from chroma_search.model import cancellation
from chroma_search.planner.matching import Matching
from chroma_search.planner.operators import knn as knn_operator
from tests.conformance.server.serving import KNN, PATIENCE_S, RawConnection, filled, serving, wait_until


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
