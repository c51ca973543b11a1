"""Clients and collections with and without `await` have the same signatures, and async ones keep the loop going."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable
from typing import Any

import pytest

from chroma_search import (
    AdminClient,
    AsyncAdminClient,
    AsyncEphemeralClient,
    AsyncHttpClient,
    AsyncPersistentClient,
    EphemeralClient,
    HttpClient,
    PersistentClient,
)
from chroma_search.front.async_client import AsyncAdminClientFront, AsyncClientFront
from chroma_search.front.async_collection import AsyncCollection
from chroma_search.front.client import AdminClientFront, ClientFront
from chroma_search.front.collection import Collection
from tests.functions import Letters

WAIT_S = 30.0
PAIRS = [(Collection, AsyncCollection), (ClientFront, AsyncClientFront), (AdminClientFront, AsyncAdminClientFront)]


def methods(kind: type[Any]) -> dict[str, Any]:
    """Return the public functions of a class."""
    return {name: each for name, each in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")}


def arguments(function: Callable[..., Any]) -> list[tuple[str, Any, Any]]:
    return [(each.name, each.kind, each.default) for each in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize(("sync", "awaited"), PAIRS)
def test_both_have_the_same_methods_and_arguments(sync: type[Any], awaited: type[Any]) -> None:
    assert methods(sync).keys() == methods(awaited).keys()
    for name, method in methods(sync).items():
        assert arguments(method) == arguments(methods(awaited)[name]), name


@pytest.mark.parametrize(
    ("sync", "awaited"),
    [
        (AdminClient, AsyncAdminClient),
        (HttpClient, AsyncHttpClient),
        (EphemeralClient, AsyncEphemeralClient),
        (PersistentClient, AsyncPersistentClient),
    ],
)
def test_both_are_made_with_the_same_arguments(sync: Callable[..., Any], awaited: Callable[..., Any]) -> None:
    assert arguments(sync) == arguments(awaited)


class Patient(Letters):
    """A function that waits until somebody else has had a turn."""

    def __init__(self) -> None:
        super().__init__()
        self.turn = threading.Event()

    def __call__(self, input: list[str]) -> Any:
        assert self.turn.wait(WAIT_S), "nobody else had a turn: the event loop stood still"
        return super().__call__(input)


@pytest.mark.parametrize(
    "call",
    [
        lambda collection: collection.add(ids="a", documents="abc"),
        lambda collection: collection.query(query_texts="abc"),
        lambda collection: collection.search("RANK knn('abc')"),
    ],
)
def test_the_event_loop_goes_on_while_a_text_is_embedded(call: Callable[[Any], Any]) -> None:
    async def program() -> None:
        function = Patient()
        async with await AsyncEphemeralClient() as client:
            collection = await client.create_collection("abc", embedding_function=function)

            async def somebody_else() -> None:
                function.turn.set()

            await asyncio.gather(call(collection), somebody_else())

    asyncio.run(program())


def test_calls_of_one_collection_run_at_the_same_time() -> None:
    async def program() -> list[int]:
        async with await AsyncEphemeralClient() as client:
            collection = await client.create_collection("abc", embedding_function=None)
            await asyncio.gather(*(collection.add(ids=str(at), embeddings=[at, 1]) for at in range(20)))
            found = await asyncio.gather(*(collection.get(ids=str(at)) for at in range(20)))
            return [len(each.ids) for each in found]

    assert asyncio.run(program()) == [1] * 20
