"""Servers for tests: one in a thread of the test (quick, and its parts can be seen), one in a process of its own."""

from __future__ import annotations

import os
import selectors
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from chroma_search.engine.database import Database
from chroma_search.server.application import Application, make_application
from chroma_search.server.run import listen, server_config
from chroma_search.server.settings import ServerSettings

DEFAULT = "/api/v2/tenants/default_tenant/databases/default_database"
REPOSITORY = Path(__file__).parents[3]
PATIENCE_S = 60.0
"""How long a test waits for something that comes in milliseconds on a quiet machine."""

KNN = {"searches": [{"rank": {"$knn": {"query": [1, 0]}}, "filter": {"t": {"$ne": "a secret\nof a user"}}}]}
"""A search of which the log may say what it asked, and the traces and metrics nothing."""


class ThreadServer:
    """A server in a thread of this process."""

    def __init__(self, settings: ServerSettings, database: Database | None) -> None:
        self.settings = settings
        application: Any = make_application(settings, database)
        self.application: Application = getattr(application, "app", application)
        self._listener = listen(settings)
        self.host, self.port = self._listener.getsockname()[:2]
        self._server = uvicorn.Server(server_config(settings, application))
        self._thread = threading.Thread(target=self._server.run, args=([self._listener],), name="test server")

    @property
    def url(self) -> str:
        return f"{'https' if self.settings.tls_certificate else 'http'}://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._thread.start()
        wait_until(lambda: self._server.started or not self._thread.is_alive())
        assert self._server.started, "the server did not start"

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "the server did not stop"
        self._listener.close()

    def client(self, **arguments: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=PATIENCE_S, trust_env=False, **arguments)


@contextmanager
def serving(database: Database | None = None, **settings: Any) -> Iterator[ThreadServer]:
    """Run a server in a thread, in memory unless the settings name a folder."""
    given: dict[str, Any] = {"port": 0, "persist_path": None, "log_format": "off", **settings}
    server = ThreadServer(ServerSettings(**given), database)
    server.start()
    try:
        yield server
    finally:
        server.stop()


class ChildServer:
    """`chroma-search run` in a process of its own; what it writes to stderr is kept in a file."""

    def __init__(
        self,
        folder: Path,
        *options: str,
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        under: Sequence[str] = (),
    ) -> None:
        self.log = folder.parent / f"{folder.name}.log"
        command = [*under, sys.executable, "-m", "chroma_search", "run", "--path", str(folder), "--port", "0", *options]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": str(REPOSITORY), **(environment or {})},
                start_new_session=True,
                cwd=cwd,
            )
        wait_until(lambda: b" listens on " in self.log.read_bytes() or self.process.poll() is not None)
        words = self.log.read_text()
        assert " listens on " in words, words
        self.url = words.partition(" listens on ")[2].partition(",")[0]
        self.port = int(self.url.rpartition(":")[2])
        with httpx.Client(base_url=self.url, timeout=PATIENCE_S, trust_env=False) as client:
            wait_until(lambda: _answers(client))

    def client(self, **arguments: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=PATIENCE_S, trust_env=False, **arguments)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return how the process ended."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def environment_of_worker(self) -> dict[str, str]:
        """Return the variables of a process that the server has started."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        words = Path(f"/proc/{children[-1]}/environ").read_text().split("\0")
        return dict(each.split("=", 1) for each in words if "=" in each)

    def kill_all(self) -> None:
        """Kill the server and its workers at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def child_serving(
    folder: Path,
    *options: str,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    under: Sequence[str] = (),
) -> Iterator[ChildServer]:
    """Run a server in a process; it is stopped at the end, if it still runs."""
    server = ChildServer(folder, *options, environment=environment, cwd=cwd, under=under)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.kill_all()


class RawConnection:
    """A socket, for what no HTTP library would send."""

    def __init__(self, port: int, context: ssl.SSLContext | None = None) -> None:
        plain = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        self.socket = plain if context is None else context.wrap_socket(plain)

    def __enter__(self) -> RawConnection:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def rest(self) -> bytes:
        """Return all that comes until the server closes the connection."""
        parts: list[bytes] = []
        try:
            while part := self.socket.recv(65536):
                parts.append(part)
        except ConnectionResetError:
            pass
        return b"".join(parts)

    def head(self) -> bytes:
        """Return the next answer up to the empty line below its headers."""
        return self._until(b"\r\n\r\n")

    def status(self) -> int:
        """Return the status of the next answer."""
        return int(self._until(b"\r\n").split(b" ")[1])

    def _until(self, end: bytes) -> bytes:
        held = b""
        while not held.endswith(end):
            part = self.socket.recv(1)
            if not part:
                raise ConnectionResetError(f"closed after {held!r}")
            held += part
        return held

    def is_readable(self) -> bool:
        """Tell whether something has come, or the connection was closed."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.socket, selectors.EVENT_READ)
            return bool(selector.select(0))


def wait_until(is_so: Any) -> None:
    """Wait for something that another thread or process does; fails the test when it never comes."""
    until = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.005)


def filled(client: httpx.Client, name: str = "docs") -> str:
    """Make a collection with two records, and return its path."""
    path = f"{DEFAULT}/collections/{client.post(f'{DEFAULT}/collections', json={'name': name}).json()['id']}"
    body = {"ids": ["a", "b"], "embeddings": [[1, 0], [0, 1]], "documents": ["a secret text", "x"]}
    assert client.post(f"{path}/add", json=body).status_code == 201
    return path


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/api/v2/heartbeat").status_code == 200
    except httpx.TransportError:
        return False
