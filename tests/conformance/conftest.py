"""Servers and clients for the suites that run over every kind of client."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.clients import EVERYWHERE, Clients
from tests.conformance.servers import running_server


@pytest.fixture(scope="session")
def chroma_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Run Chroma's own server."""
    with running_server("chroma", tmp_path_factory.mktemp("chroma") / "data") as port:
        yield port


@pytest.fixture(scope="session")
def ours_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Run our server."""
    with running_server("ours", tmp_path_factory.mktemp("ours") / "data") as port:
        yield port


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Give an event loop for async clients."""
    made = asyncio.new_event_loop()
    yield made
    made.run_until_complete(made.shutdown_asyncgens())
    made.close()


@pytest.fixture(params=EVERYWHERE)
def open_client(request: pytest.FixtureRequest, tmp_path: Path, loop: asyncio.AbstractEventLoop) -> Iterator[Clients]:
    """Give what opens clients of one kind."""
    clients = Clients(request.param, tmp_path / "data", lambda server: request.getfixturevalue(f"{server}_port"), loop)
    yield clients
    clients.close()


@pytest.fixture
def client(open_client: Clients) -> Any:
    """Give a client of an empty database of its own."""
    return open_client.of_new_database()
