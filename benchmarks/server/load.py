"""The load generator: a process of its own that sends prepared requests over kept connections, one at a time on each.

    python -m benchmarks.server.load '{"host": ..., "port": ..., "file": ..., "connections": 8, "seconds": 2.0}'

It only searches each answer for its length, so that it measures the server and not itself; how much processor time it
took stands in its row. With `count` it sends that many requests once, from `first` on; with `seconds` it goes round.
"""

from __future__ import annotations

import asyncio
import json
import struct
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

_LENGTH = struct.Struct("<I")


def write_requests(file: Path, requests: Iterable[bytes]) -> None:
    """Write requests to a file, each behind its length."""
    file.write_bytes(b"".join(_LENGTH.pack(len(each)) + each for each in requests))


def read_requests(file: Path) -> list[bytes]:
    """Return the requests of a file."""
    held = file.read_bytes()
    found: list[bytes] = []
    at = 0
    while at < len(held):
        (size,) = _LENGTH.unpack_from(held, at)
        found.append(held[at + 4 : at + 4 + size])
        at += 4 + size
    return found


def main() -> None:
    """Send what the specification says and print the row."""
    spec = json.loads(sys.argv[1])
    requests = read_requests(Path(spec["file"]))
    if "count" in spec:
        requests = requests[spec["first"] : spec["first"] + spec["count"]]
    try:
        import uvloop  # part of uvicorn[standard]; asyncio alone takes twice the processor time
    except ImportError:
        row = asyncio.run(_Load(spec, requests).run())
    else:
        row = uvloop.run(_Load(spec, requests).run())
    print(json.dumps(row))


class _Load:
    """One run: what is left to send, and what was measured.

    Args:
        spec: see the module.
        requests: complete HTTP requests.
    """

    def __init__(self, spec: dict[str, Any], requests: Sequence[bytes]) -> None:
        self._spec = spec
        self._requests = requests
        self._next = 0
        self._once = "count" in spec
        self._until = float("inf")
        self._counts_from = 0.0
        self._open = 0
        self._ended: asyncio.Future[None] | None = None
        self.times_ms: list[float] = []
        self.statuses: Counter[str] = Counter()
        self.n_bytes = 0

    async def run(self) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        self._ended = loop.create_future()
        wires = [_Wire(self) for _ in range(self._spec["connections"])]
        for wire in wires:
            await loop.create_connection(lambda wire=wire: wire, self._spec["host"], self._spec["port"])
        self._open = len(wires)
        started = time.perf_counter()
        self._counts_from = started + self._spec.get("warm_s", 0.0)
        if not self._once:
            self._until = self._counts_from + self._spec["seconds"]
        cpu = time.process_time()
        for wire in wires:
            wire.send()
        await self._ended
        ended = time.perf_counter()
        return self._row(ended, time.process_time() - cpu, ended - started)

    def next(self, now: float) -> bytes | None:
        """Return the next request, None when there is none."""
        if now >= self._until or (self._once and self._next >= len(self._requests)):
            return None
        self._next += 1
        return self._requests[(self._next - 1) % len(self._requests)]

    def note(self, sent: float, now: float, status: str, n_bytes: int) -> None:
        """Count an answer; one that came in the time to warm up counts only as a status."""
        self.statuses[status] += 1
        if now >= self._counts_from:
            self.times_ms.append((now - sent) * 1000)
            self.n_bytes += n_bytes

    def close(self) -> None:
        """One connection has nothing more to send."""
        self._open -= 1
        if not self._open and self._ended is not None and not self._ended.done():
            self._ended.set_result(None)

    def _row(self, ended: float, cpu_s: float, took_s: float) -> dict[str, Any]:
        p50, p99 = np.percentile(self.times_ms, [50, 99]) if self.times_ms else (0.0, 0.0)
        return {
            "n": len(self.times_ms),
            "per_s": len(self.times_ms) / (ended - self._counts_from),
            "p50_ms": float(p50),
            "p99_ms": float(p99),
            "statuses": dict(self.statuses),
            "bytes_out": self.n_bytes,
            "generator_cpu": cpu_s / took_s,
        }


class _Wire(asyncio.Protocol):
    """A connection with one request on its way."""

    def __init__(self, load: _Load) -> None:
        self._load = load
        self._transport: Any = None
        self._sent = 0.0
        self._parts: list[bytes] = []
        self._missing = 0
        self._n_bytes = 0
        self._status = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._sent:
            self._load.note(self._sent, time.perf_counter(), f"lost: {exc}", 0)
            self._sent = 0.0
            self._load.close()

    def send(self) -> None:
        """Send the next request."""
        now = time.perf_counter()
        request = self._load.next(now)
        if request is None:
            self._sent = 0.0
            self._load.close()
            return
        self._sent = now
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self._missing:
            self._missing -= len(data)
        else:
            if self._parts:
                data = b"".join(self._parts) + data
                self._parts.clear()
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._parts.append(data)
                return
            self._status = data[9:12].decode("ascii")
            self._n_bytes = _content_length(data[:end])
            self._missing = self._n_bytes - (len(data) - end - 4)
        if not self._missing:
            self._load.note(self._sent, time.perf_counter(), self._status, self._n_bytes)
            self.send()


def _content_length(head: bytes) -> int:
    at = head.lower().find(b"content-length:")
    if at < 0:
        raise RuntimeError(f"an answer without a length: {head!r}")
    end = head.find(b"\r\n", at)
    return int(head[at + 15 : None if end < 0 else end])


if __name__ == "__main__":
    main()
