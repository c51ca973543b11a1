"""One server in memory for the tests of a module, and a collection of its own for each test."""

import uuid
from collections.abc import Iterator

import httpx
import pytest

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
