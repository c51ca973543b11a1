"""What only clients in this process can do, awaited: searches, plans, and looking after a folder."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from chroma_search import AsyncEphemeralClient, AsyncPersistentClient, Knn, Search, UnsupportedError
from chroma_search.errors import InvalidArgumentError, NotFoundError

SEARCH = "WHERE n >= 2 RANK knn($q) LIMIT 2"
PARAMS = {"q": [1.0, 0.0]}


def run_on(folder: Path, program: Callable[[Any, Any], Awaitable[None]]) -> None:
    """Run a program on a client of a folder and a collection with three records."""

    async def main() -> None:
        async with await AsyncPersistentClient(folder) as client:
            collection = await client.create_collection("abc", embedding_function=None)
            await collection.add(
                ids=["a", "b", "c"], embeddings=[[1, 0], [0, 1], [1, 1]], metadatas=[{"n": 1}, {"n": 2}, {"n": 3}]
            )
            await program(client, collection)

    asyncio.run(main())


def test_searches_and_plans_are_those_of_the_collection(tmp_path: Path) -> None:
    async def program(client: Any, collection: Any) -> None:
        found = await collection.search([Search().rank(Knn([1.0, 0.0])).limit(1), SEARCH], params=PARAMS)
        assert found.ids == [["a"], ["c", "b"]]
        assert "Knn" in await collection.explain(SEARCH, params=PARAMS)
        assert "plan" in await collection.explain(SEARCH, params=PARAMS, format="json")
        with pytest.raises(InvalidArgumentError):
            await collection.search("RANK bm25('x')", strict=True)

    run_on(tmp_path / "data", program)


def test_a_folder_is_looked_after(tmp_path: Path) -> None:
    async def program(client: Any, collection: Any) -> None:
        await collection.flush()
        assert (await collection.get_indexing_status()).total_ops == 3
        await collection.delete(ids="b")
        await collection.compact()
        assert (await collection.stats())["records"] == 2
        await collection.purge()
        await client.purge()
        await client.backup(tmp_path / "copy")

    run_on(tmp_path / "data", program)

    async def reads() -> list[str]:
        async with await AsyncPersistentClient(tmp_path / "copy", mode="r") as client:
            (collection,) = await client.list_collections()
            with pytest.raises(UnsupportedError, match="mode='r'"):
                await collection.add(ids="x", embeddings=[1, 1])
            return (await collection.get()).ids

    assert asyncio.run(reads()) == ["a", "c"]


def test_a_client_that_could_not_be_made_leaves_no_share() -> None:
    async def main() -> None:
        with pytest.raises(NotFoundError):
            await AsyncEphemeralClient(tenant="nobody")
        async with await AsyncEphemeralClient() as client:
            await client.create_collection("abc", embedding_function=None)
        async with await AsyncEphemeralClient() as client:  # data live as long as a client is open
            assert await client.count_collections() == 0

    asyncio.run(main())


def test_async_and_other_clients_of_a_process_share_their_data(tmp_path: Path) -> None:
    from chroma_search import PersistentClient

    async def main() -> None:
        async with await AsyncPersistentClient(tmp_path) as client:
            with PersistentClient(tmp_path) as other:
                other.create_collection("abc", embedding_function=None).add(ids="a", embeddings=[1.0])
                collection = await client.get_collection("abc")
                assert await collection.count() == 1

    asyncio.run(main())
