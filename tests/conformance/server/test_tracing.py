"""Spans at an OpenTelemetry collector, and none to wait for where it is gone."""

from __future__ import annotations

import json
import socket
import time
from concurrent import futures
from contextlib import contextmanager

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from tests.conformance.server.serving import KNN, filled, serving


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


def test_the_span_of_a_call_that_fails_says_so_by_the_kind_of_error_alone():
    with (
        collecting() as (collector, endpoint),
        serving(open_telemetry={"endpoint": endpoint}) as server,
        server.client() as client,
    ):
        answer = client.post(f"{filled(client)}/get", json={"where": {"a secret": {"$nope": "a secret"}}})
        assert (answer.status_code, "secret" in answer.text) == (400, True)
        server.stop()  # which sends them
    call = next(span for span in collector.spans if span.name == "get")
    assert (call.status.code, call.status.message) == (2, "InvalidFilterError")
    assert "secret" not in str(collector.spans)
