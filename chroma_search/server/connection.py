"""One connection: uvicorn's, with bounds for clients that are slow, endless or too many.

uvicorn bounds idle connections, but not: headers that come slowly or never end, what stands around the parts of a
chunked body, the rest of a body whose answer has been sent, an answer that nobody reads, and the number of connections.
Each of them would let one client hold memory or sockets for as long as it likes.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from chroma_search.server.joined_writes import joined

MAX_HEADER_BYTES = 64 * 1024
LINGER_S = 5.0
"""How long the rest of a body is thrown away after its answer: closing at once would lose the answer, too."""
STALL_S = 30.0
LEAST_SENT_BYTES = 16 * 1024
"""An answer must go on by so much in each `STALL_S`, or its connection is cut."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Bounds of the connections of one process.

    Attributes:
        header_timeout_s: how long the headers of a request may take.
        max_connections: beyond it an idle one is closed for a new one; where none is idle, the new one is refused.
        stall_timeout_s: see `STALL_S`.
    """

    header_timeout_s: float
    max_connections: int
    stall_timeout_s: float = STALL_S


class BoundedProtocol(HttpToolsProtocol):
    """A connection within limits.

    Args:
        limits: the bounds.
        uvicorn: what uvicorn hands to each connection.
    """

    def __init__(self, limits: ConnectionLimits, **uvicorn: Any) -> None:
        super().__init__(**uvicorn)
        self._limits = limits
        self._overhead_bytes = 0  # received of the current message, and no part of its body
        self._is_in_headers = True
        self._is_in_message = False
        self._refusal = b"400 Bad Request"
        self._unsent_bytes = 0
        self._timer: asyncio.TimerHandle | None = None  # of the headers, or of the rest of a body
        self._stall_timer: asyncio.TimerHandle | None = None

    @property
    def is_idle(self) -> bool:
        """Whether no request is at work."""
        cycle: Any = self.cycle  # None before the first request
        return (cycle is None or cycle.response_complete) and not self.transport.is_closing()

    def connection_made(self, transport: Any) -> None:
        """Make room for the connection, and give its first headers their time."""
        super().connection_made(joined(transport, self.loop))
        if len(self.connections) > self._limits.max_connections:
            others: Any = (each for each in self.connections if each is not self)
            idle = next((each for each in others if each.is_idle), None)
            if idle is None:
                self._end(b"503 Service Unavailable\r\nretry-after: 1")
                return
            idle.transport.close()
        self._wait(self._limits.header_timeout_s, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        self._stop_stall_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what is no body: headers, trailers, and what stands around the parts of a chunked body."""
        self._overhead_bytes += len(data)
        super().data_received(data)
        if self._overhead_bytes > MAX_HEADER_BYTES and not self.transport.is_closing():
            self._end(b"431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        """Give the headers of a request their time."""
        super().on_message_begin()
        self._is_in_message = self._is_in_headers = True
        if self._timer is None:
            self._wait(self._limits.header_timeout_s, self._too_slow)

    def on_headers_complete(self) -> None:
        """Stop waiting; the body has a time of its own."""
        self._stop_waiting()
        self._is_in_headers = False
        if self._overhead_bytes > MAX_HEADER_BYTES:  # the body may be among it
            n_bytes = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if n_bytes > MAX_HEADER_BYTES:
                self._refusal = b"431 Request Header Fields Too Large"
                raise ValueError("headers")  # ends the parser, which asks for an answer below
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take the body off the count; with its parts come a few bytes around each, even of a single byte."""
        self._overhead_bytes = max(0, self._overhead_bytes - 9 * len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Count anew."""
        self._is_in_message = False
        self._overhead_bytes = 0
        self._stop_waiting()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Let the rest of a body come, whose answer did not wait for it, but not for long."""
        super().on_response_complete()
        if self._is_in_message and not self._is_in_headers and self.is_idle:
            self._wait(LINGER_S, self._close)

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be read, and close."""
        if not self.transport.is_closing():
            self._end(self._refusal)

    def pause_writing(self) -> None:
        """Look whether the client reads its answer."""
        super().pause_writing()
        self._unsent_bytes = self.transport.get_write_buffer_size()
        self._stop_stall_timer()
        self._stall_timer = self.loop.call_later(self._limits.stall_timeout_s, self._look_at_answer)

    def resume_writing(self) -> None:
        """Look no longer."""
        self._stop_stall_timer()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, also where the end of an answer is still unread."""
        self._close()

    def _look_at_answer(self) -> None:
        left = self.transport.get_write_buffer_size()
        if left > self._unsent_bytes - LEAST_SENT_BYTES:
            self.transport.abort()
            return
        self._unsent_bytes = left
        self._stall_timer = self.loop.call_later(self._limits.stall_timeout_s, self._look_at_answer)

    def _wait(self, seconds: float, then: Any) -> None:
        self._stop_waiting()
        self._timer = self.loop.call_later(seconds, then)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop_stall_timer(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

    def _too_slow(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self._end(b"408 Request Timeout")

    def _end(self, status: bytes) -> None:
        self.transport.write(b"HTTP/1.1 " + status + b"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        self._close()

    def _close(self) -> None:
        """Close, which sends what is left; cut the connection when the client does not take it."""
        self._stop_waiting()
        self.transport.close()
        self.loop.call_later(LINGER_S, self.transport.abort)
