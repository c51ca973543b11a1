"""One server in memory for the tests of a module, and a collection of its own for each test."""

import logging
import uuid
from collections.abc import Callable, Iterator
from typing import Literal

import httpx
import pytest

from chroma_search.server.logs import LIBRARY_LOGGERS, LOGGER, set_up_logs
from tests.conformance.server.serving import DEFAULT, ThreadServer, serving


@pytest.fixture(scope="module")
def server() -> Iterator[ThreadServer]:
    with serving() as running:
        yield running


@pytest.fixture(scope="module")
def client(server: ThreadServer) -> Iterator[httpx.Client]:
    with server.client() as opened:
        yield opened


@pytest.fixture
def name() -> str:
    """Give a name that no other test has."""
    return f"c-{uuid.uuid4().hex}"


@pytest.fixture
def records(client: httpx.Client, name: str) -> str:
    """Give the path of a new collection with three records."""
    made = client.post(f"{DEFAULT}/collections", json={"name": name})
    assert made.status_code == 200
    path = f"{DEFAULT}/collections/{made.json()['id']}"
    body = {
        "ids": ["a", "b", "c"],
        "embeddings": [[1, 0], [0, 1], [1, 1]],
        "documents": ["red fox", None, "grey wolf"],
        "metadatas": [{"n": 1, "t": "x"}, {"n": 2.5}, None],
        "uris": ["u://a", None, None],
    }
    assert client.post(f"{path}/add", json=body).status_code == 201
    return path


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Literal["json", "text"]], list[str]]]:
    """Give the lines that a server in this process logs."""
    seen: list[str] = []

    class Catching(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(self.format(record))

    def begin(kind: Literal["json", "text"]) -> list[str]:
        set_up_logs(kind)
        real = logging.getLogger(LOGGER).handlers[0]
        catching = Catching()
        catching.setFormatter(real.formatter)
        for name in (LOGGER, *LIBRARY_LOGGERS):
            monkeypatch.setattr(logging.getLogger(name), "handlers", [catching])
        return seen

    yield begin
    set_up_logs("off")
