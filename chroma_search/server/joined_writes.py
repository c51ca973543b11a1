"""JoinedWrites: the head of an answer and its body in one write.

uvicorn writes them one after the other: two calls of the system and two packets, and a client that wakes twice, for
what is mostly shorter than one packet.
"""

from __future__ import annotations

import asyncio
from typing import Any


def joined(transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> Any:
    """Return a transport that writes the head of an answer together with what follows at once."""
    return _JoinedWrites(transport, loop)


class _JoinedWrites:
    """The transport.

    Args:
        transport: what is written to; all but `write` is its own.
        loop: which writes the head of an answer that nothing follows.
    """

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write; a head waits for what comes in the same turn of the loop."""
        if self._head:
            head, self._head = self._head, b""
            self._transport.writelines((head, data) if data else (head,))
            return
        if data[:5] == b"HTTP/" and data[-4:] == b"\r\n\r\n":
            self._head = data
            self._loop.call_soon(self._write_head)
            return
        self._transport.write(data)

    def close(self) -> None:
        """Close when all is written."""
        self._write_head()
        self._transport.close()

    def _write_head(self) -> None:
        if self._head:
            self.write(b"")
