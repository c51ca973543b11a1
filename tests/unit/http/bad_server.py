"""Servers that misbehave, on a real socket: each gives one scripted answer to every connection."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

Answer = Callable[[socket.socket, threading.Event], None]


def says(raw: bytes) -> Answer:
    """Return an answer: read the request, send these bytes, hang up."""

    def answer(connection: socket.socket, ended: threading.Event) -> None:
        connection.recv(65536)
        connection.sendall(raw)

    return answer


def responds(status: str, body: bytes, content_type: str = "application/json", *headers: str) -> Answer:
    """Return an answer: one HTTP response."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {content_type}", f"Content-Length: {len(body)}", "Connection: close"]
    return says("\r\n".join([*lines, *headers, "", ""]).encode() + body)


def hangs(connection: socket.socket, ended: threading.Event) -> None:
    """Read the request and say nothing until the test is over."""
    connection.recv(65536)
    ended.wait()


@contextmanager
def bad_server(answer: Answer) -> Iterator[int]:
    """Listen, and give the port."""
    ended = threading.Event()
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=handle, args=(connection,), daemon=True).start()

        def handle(connection: socket.socket) -> None:
            with closing(connection):
                answer(connection, ended)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        ended.set()
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()
