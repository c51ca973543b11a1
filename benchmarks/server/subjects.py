"""The servers: how each is started, when it is ready, what its processes take."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
READY_S = 60.0
QUIET_CPU, QUIET_S = 0.1, 10.0
"""A server is at rest when it takes less than this share of a core; it is given so long to come to rest."""

BASE = "/api/v2/tenants/default_tenant/databases/default_database/collections"
_TICKS = os.sysconf("SC_CLK_TCK")


def command(name: str, folder: Path, port: int) -> list[str]:
    """Return the command line of a server: `ours`, `ours-N` with N processes, or `upstream`."""
    if name == "upstream":
        return [str(Path(sys.executable).parent / "chroma"), "run", "--path", str(folder), "--port", str(port)]
    kind, _, workers = name.partition("-")
    if kind != "ours":
        raise ValueError(f"no server {name!r}: ours, ours-1, upstream")
    started = [sys.executable, "-m", "chroma_search", "run", "--path", str(folder), "--port", str(port)]
    return [*started, "--log-format", "off", *(["--workers", workers] if workers else [])]


class Subject:
    """A running server.

    Args:
        name: see `command`.
        folder: its data.
        log: file for what it prints.
    """

    def __init__(self, name: str, folder: Path, log: Path) -> None:
        self.name = name
        self.port = _free_port()
        folder.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "ANONYMIZED_TELEMETRY": "False"}
        with log.open("wb") as written:
            self._process = subprocess.Popen(
                command(name, folder, self.port), env=environment, stdout=written, stderr=subprocess.STDOUT
            )
        self._wait_until_ready(log)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Send one request and return the answer.

        Raises:
            RuntimeError: it is no success.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        sent = None if body is None else json.dumps(body)
        connection.request(method, path, sent, {"content-type": "application/json"} if sent else {})
        answer = connection.getresponse()
        held = answer.read()
        connection.close()
        if answer.status >= 300:
            raise RuntimeError(f"{self.name}: {method} {path}: {answer.status} {held[:300]!r}")
        return json.loads(held) if held else None

    def cpu_s(self) -> float:
        """Return the processor time of all its processes so far."""
        return sum(_cpu_s(each) for each in self._processes())

    def rss_mb(self) -> float:
        """Return the memory of all its processes, 10^6 bytes; pages they share count once."""
        return sum(_smaps_kb(each, "Pss:") for each in self._processes()) * 1024 / 1e6

    def anonymous_mb(self) -> float:
        """Return the memory that no file backs, 10^6 bytes."""
        return sum(_smaps_kb(each, "Anonymous:") for each in self._processes()) * 1024 / 1e6

    def rest(self) -> float:
        """Wait until it has nothing to do; return the seconds that took."""
        started = time.monotonic()
        while time.monotonic() - started < QUIET_S:
            before = self.cpu_s()
            time.sleep(0.2)
            if (self.cpu_s() - before) / 0.2 <= QUIET_CPU:
                break
        return time.monotonic() - started

    def stop(self) -> None:
        """End it in good order."""
        self._process.terminate()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _processes(self) -> list[int]:
        found, at = [self._process.pid], 0
        while at < len(found):
            found += _children(found[at])
            at += 1
        return found

    def _wait_until_ready(self, log: Path) -> None:
        until = time.monotonic() + READY_S
        while time.monotonic() < until:
            if self._process.poll() is not None:
                break
            try:
                self.ask("GET", "/api/v2/heartbeat")
                return
            except (OSError, http.client.HTTPException):
                time.sleep(0.05)
        self._process.kill()
        raise RuntimeError(f"{self.name} did not start: {log.read_text(errors='replace')[-500:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _children(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(each) for task in tasks for each in (task / "children").read_text().split()]
    except OSError:
        return []


def _cpu_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _smaps_kb(pid: int, field: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(field)), 0)
