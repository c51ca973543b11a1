"""Clients that are slow, endless, half there or too many: each is answered or cut, and the others never notice."""

import json
import socket
from functools import partial

import pytest

from chroma_search.server import connection
from tests.conformance.server.serving import DEFAULT, RawConnection, child_serving, serving, wait_until

ALIVE = b"GET /api/v2/heartbeat HTTP/1.1\r\nhost: localhost\r\n\r\n"


def posting(path, n_bytes):
    return f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {n_bytes}\r\n\r\n".encode()


def ended(raw):
    """Return the status of an answer after which the connection is closed."""
    answer = raw.rest()
    assert answer.startswith(b"HTTP/1.1 "), answer[:100]
    return int(answer.split(b" ")[1])


@pytest.fixture(scope="module")
def hasty():
    """A server whose patience ends soon."""
    with serving(header_timeout_s=0.3, body_timeout_s=0.3, keep_alive_s=1) as server:
        yield server


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET /api/v2 HTTP/1.1\r\nhost: localhost\r\nx-slow: 1"])
def test_headers_that_do_not_come_are_408(hasty, sent):
    with RawConnection(hasty.port) as raw:
        raw.send(sent)
        assert ended(raw) == 408


def test_the_second_headers_of_a_connection_have_their_time_too(hasty):
    with RawConnection(hasty.port) as raw:
        raw.send(ALIVE + b"GET /api")
        answers = raw.rest()
        assert answers.startswith(b"HTTP/1.1 200 ")
        assert b"HTTP/1.1 408 " in answers


@pytest.mark.parametrize("framing", [b"content-length: 100", b"transfer-encoding: chunked"])
def test_a_body_that_does_not_come_is_408(hasty, framing):
    with RawConnection(hasty.port) as raw:
        raw.send(f"POST {DEFAULT}/collections HTTP/1.1\r\nhost: localhost\r\n".encode() + framing + b"\r\n\r\n5\r\n{")
        assert raw.status() == 408


def test_an_idle_connection_is_closed_without_a_word(hasty):
    with RawConnection(hasty.port) as raw:
        raw.send(ALIVE)
        assert raw.rest().count(b"HTTP/1.1") == 1


def test_the_rest_of_a_body_may_not_come_for_ever(monkeypatch):
    monkeypatch.setattr(connection, "LINGER_S", 0.2)
    with serving(keep_alive_s=3600) as server, RawConnection(server.port) as raw:
        raw.send(posting("/api/v2/nope", 10_000_000))  # answered before it is read
        assert raw.status() == 404
        raw.send(b"x")  # ends the time of an idle connection
        wait_until(lambda: not server._server.server_state.connections)


def test_a_refused_upload_gets_its_answer(monkeypatch):
    with serving(max_payload_size_bytes=1000) as server, RawConnection(server.port) as raw:
        raw.send(posting(f"{DEFAULT}/collections", 3_000_000) + b"x" * 3_000_000)
        raw.send(ALIVE.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
        answers = raw.rest()
        assert answers.startswith(b"HTTP/1.1 413 ")
        assert b"HTTP/1.1 200 " in answers  # the connection goes on behind it


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /api/v2 HTTP/1.1\r\nhost: localhost\r\nx: " + b"y" * 100_000 + b"\r\n\r\n",
        b"GET /api/v2 HTTP/1.1\r\nhost: localhost\r\n" + b"x: y\r\n" * 20_000 + b"\r\n",
        b"GET /" + b"y" * 100_000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET /" + b"y" * 100_000,
        b"x: y\r\n".join([b"GET / HTTP/1.1\r\n"] + [b""] * 50_000),
    ],
)
def test_headers_that_are_too_large_are_431(server, sent):
    with RawConnection(server.port) as raw:
        raw.send(sent)
        assert ended(raw) == 431


def test_headers_may_be_as_large_as_a_token_needs(server):
    with RawConnection(server.port) as raw:
        raw.send(b"GET /api/v2 HTTP/1.1\r\nhost: localhost\r\nx: " + b"y" * 60_000 + b"\r\n\r\n")
        assert raw.status() == 200


@pytest.mark.parametrize("endless", [b"x-trailer: y\r\n", b"z"])
def test_what_follows_the_last_part_of_a_body_is_bounded(server, endless):
    head = f"POST {DEFAULT}/collections HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
    with RawConnection(server.port) as raw:
        raw.send(head.encode() + b"1\r\n{\r\n0\r\n")
        raw.send(endless * (500_000 // len(endless)))
        assert ended(raw) in (400, 431)


def test_what_stands_around_the_parts_of_a_body_is_bounded(server):
    head = f"POST {DEFAULT}/collections HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
    with RawConnection(server.port) as raw:
        raw.send(head.encode())
        raw.send((b"1;" + b"e" * 1000 + b"\r\n \r\n") * 500)
        assert ended(raw) in (400, 431)


def test_a_body_in_parts_of_one_byte_is_read(server, name):
    body = json.dumps({"name": name}).encode()
    head = f"POST {DEFAULT}/collections HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
    with RawConnection(server.port) as raw:
        spaces = [b" "] * 50_000
        parts = b"".join(
            b"1\r\n" + part + b"\r\n" for part in [*spaces, *(body[at : at + 1] for at in range(len(body)))]
        )
        raw.send(head.encode() + parts + b"0\r\n\r\n")
        assert raw.status() == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\x01\x02\x03", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
        b"get / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nbad header\r\n\r\n", b"GET / HTTP/1.1\r\nx : y\r\n\r\n",
        b"GET / HTTP/1.1\nhost: x\n\n\x00", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 99999999999999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n",
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nhost: a\x00b\r\n\r\n", b"OPTIONS * HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"CONNECT localhost:80 HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET http://evil.example/../../etc/passwd HTTP/1.1\r\nhost: localhost\r\n\r\n",
    ],
)  # fmt: skip
def test_what_is_no_request_is_refused_and_the_server_goes_on(server, client, sent, caplog):
    with RawConnection(server.port) as raw:
        raw.send(sent)
        raw.socket.shutdown(socket.SHUT_WR)
        answer = raw.rest()
        assert not answer or answer.split(b" ")[1] in (b"400", b"404", b"405")
    assert client.get("/api/v2").status_code == 200
    assert not [record for record in caplog.records if record.exc_info]


def test_an_upgrade_is_not_taken(server):
    with RawConnection(server.port) as raw:
        raw.send(b"GET /api/v2 HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
        assert raw.status() == 200


def test_a_client_that_waits_for_leave_to_send_is_refused_before_it_does():
    with serving(max_payload_size_bytes=1000) as server, RawConnection(server.port) as raw:
        head = posting(f"{DEFAULT}/collections", 5000).replace(b"\r\n\r\n", b"\r\nexpect: 100-continue\r\n\r\n")
        raw.send(head)
        assert raw.status() == 413


def test_connections_that_end_in_the_middle_leave_nothing_behind(server, client, records):
    state = server._server.server_state
    body = json.dumps({"ids": ["z"], "embeddings": [[1, 2]]}).encode()
    whole = posting(f"{records}/add", len(body)) + body
    for cut in (*range(1, len(whole) - 1, 17), len(whole) - 1):
        with RawConnection(server.port) as raw:
            raw.send(whole[:cut])
    wait_until(lambda: len(state.connections) <= 1 and "at_work 0.0" in client.get("/metrics").text)
    assert client.get(f"{records}/count").json() == 3  # nothing of a body that was cut is written


def test_an_answer_that_nobody_reads_is_cut(name):
    with serving() as server, server.client() as client:
        path = f"{DEFAULT}/collections/{client.post(f'{DEFAULT}/collections', json={'name': name}).json()['id']}"
        text = "x" * 1_000_000
        for at in range(20):
            client.post(f"{path}/add", json={"ids": [str(at)], "embeddings": [[1]], "documents": [text]})
        body = b"{}"
        stalled = connection.ConnectionLimits(10.0, 100, stall_timeout_s=0.1)
        server._server.config.http_protocol_class = partial(connection.BoundedProtocol, stalled)  # type: ignore
        with RawConnection(server.port) as raw:
            raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.send(posting(f"{path}/get", len(body)) + body)
            wait_until(raw.is_readable)
            wait_until(lambda: len(server._server.server_state.connections) <= 1)
        assert len(client.post(f"{path}/get", json={}).content) > 20_000_000  # one who reads gets it all


def test_idle_connections_make_room_and_busy_ones_stay():
    with serving(max_connections=4) as server:
        idle = [RawConnection(server.port) for _ in range(10)]
        with server.client() as client:
            assert client.get("/api/v2").status_code == 200
        for raw in idle:
            raw.socket.close()
        wait_until(lambda: not server._server.server_state.connections)
        busy = [RawConnection(server.port) for _ in range(4)]
        for raw in busy:
            raw.send(posting(f"{DEFAULT}/collections", 100) + b"{")
        wait_until(lambda: len(server._server.server_state.tasks) == 4)
        with RawConnection(server.port) as late:
            assert ended(late) == 503
        for raw in busy:
            raw.socket.close()
        wait_until(lambda: not server._server.server_state.connections)
        with server.client() as client:
            assert client.get("/api/v2").status_code == 200


@pytest.mark.slow
def test_a_system_that_allows_few_files_leaves_some_for_the_data(tmp_path):
    with child_serving(tmp_path / "data", "--log-format", "off", under=["prlimit", "--nofile=120:120"]) as server:
        idle = []
        for _ in range(200):
            raw = RawConnection(server.port)
            raw.send(ALIVE)
            idle.append(raw)
        with server.client() as client:
            for at in range(5):
                made = client.post(f"{DEFAULT}/collections", json={"name": f"docs-{at}"})
                assert made.status_code == 200, made.text
                path = f"{DEFAULT}/collections/{made.json()['id']}"
                assert client.post(f"{path}/add", json={"ids": ["a"], "embeddings": [[1]]}).status_code == 201
        for raw in idle:
            raw.socket.close()
        assert "Traceback" not in server.log.read_text()
