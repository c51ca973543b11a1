"""What carries calls: sync and async alike, and the async one without holding up its event loop."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import pytest

from chroma_search.errors import ClosedError
from chroma_search.http.call import Call, Request
from chroma_search.http.connection import Connection
from chroma_search.http.transport import LARGE_BYTES, AsyncTransport, Transport
from tests.unit.http.bad_server import bad_server, responds

REQUEST = Request("GET", "/x")


@pytest.mark.parametrize(("n_bytes", "is_same_thread"), [(LARGE_BYTES, True), (LARGE_BYTES + 1, False)])
def test_a_large_answer_is_read_in_a_thread(n_bytes: int, is_same_thread: bool) -> None:
    async def reader() -> int:
        transport = AsyncTransport(Connection(f"http://127.0.0.1:{port}"))
        found = await transport.send(Call(REQUEST, lambda response: threading.get_ident()))
        await transport.close()
        return found

    with bad_server(responds("200 OK", b"x" * n_bytes)) as port:
        assert (asyncio.run(reader()) == threading.get_ident()) is is_same_thread


def test_headers_go_with_every_request_and_the_query_string_stays() -> None:
    seen: list[bytes] = []

    def notes(connection: Any, ended: Any) -> None:
        seen.append(connection.recv(65536, socket.MSG_PEEK))
        responds("200 OK", b"{}")(connection, ended)

    with bad_server(notes) as port:
        transport = Transport(Connection(f"http://127.0.0.1:{port}/api/v2", headers={"X-Chroma-Token": "secret"}))
        transport.send(Call(Request("POST", "/tenants/a%2Fb?limit=1", b"{}"), lambda response: None))
        transport.close()
    (request,) = seen
    assert request.startswith(b"POST /api/v2/tenants/a%2Fb?limit=1 HTTP/1.1\r\n")
    assert b"\r\nX-Chroma-Token: secret\r\n" in request


def test_a_closed_transport_refuses() -> None:
    transport = Transport(Connection("http://127.0.0.1:1"))
    transport.close()
    transport.close()
    with pytest.raises(ClosedError):
        transport.send(Call(REQUEST, lambda response: None))
