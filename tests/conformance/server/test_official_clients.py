"""The official Python clients, sync and async, against this server: what they do works, what they raise is theirs."""

import asyncio
import gc
import uuid
from typing import Any

import chromadb
import chromadb.errors
import numpy as np
import pytest
from chromadb import K, Knn, Rrf, Search
from chromadb.api.shared_system_client import SharedSystemClient
from chromadb.config import Settings

from tests.conformance.server.serving import serving

pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # its admin client has no close
    pytest.mark.filterwarnings("ignore:legacy embedding function config"),
]


@pytest.fixture(autouse=True)
def _collect_garbage():
    yield
    SharedSystemClient.clear_system_cache()  # its admin client would keep the connection for the rest of the process
    gc.collect()  # here, where a socket that was left open is no error


@pytest.fixture(scope="module")
def port():
    with serving(allow_reset=True) as server:
        yield server.port


@pytest.fixture
def client(port):
    opened: Any = chromadb.HttpClient(host="127.0.0.1", port=port)
    with opened:
        yield opened


@pytest.fixture
def collection(client, name):
    made = client.create_collection(name, metadata={"a": 1}, embedding_function=None)
    made.add(
        ids=["a", "b", "c"],
        embeddings=[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]],
        documents=["red fox", "blue jay", "grey wolf"],
        metadatas=[{"n": 1}, {"n": 2}, {"n": 3}],
    )
    return made


def test_the_system(client):
    assert client.heartbeat() > 0
    assert client.get_version() == "1.0.0"
    assert client.get_max_batch_size() == 5461


def test_collections(client, name):
    made = client.get_or_create_collection(name, embedding_function=None, configuration={"hnsw": {"space": "cosine"}})
    assert client.get_collection(name, embedding_function=None).id == made.id
    assert made.configuration["hnsw"]["space"] == "cosine"
    n = client.count_collections()
    made.modify(name=f"{name}-2", metadata={"b": 2}, configuration={"hnsw": {"ef_search": 50}})
    again = client.get_collection(f"{name}-2", embedding_function=None)
    assert (again.metadata, again.configuration["hnsw"]["ef_search"]) == ({"b": 2}, 50)
    client.delete_collection(f"{name}-2")
    assert client.count_collections() == n - 1


def test_records(collection):
    assert collection.count() == 3
    assert collection.peek(1)["ids"] == ["a"]
    got = collection.get(where={"n": {"$gt": 1}}, where_document={"$contains": "wolf"}, include=["embeddings", "uris"])
    assert got["ids"] == ["c"]
    assert np.array_equal(got["embeddings"], [[1.0, 1.0]])
    found = collection.query(query_embeddings=[[1.0, 0.0]], n_results=2)
    assert (found["ids"], found["distances"]) == ([["a", "c"]], [[0.0, 1.0]])
    collection.update(ids=["a"], embeddings=[[1.0, 0.5]], documents=["green fox"], metadatas=[{"m": True}])
    collection.upsert(ids=["b", "d"], embeddings=np.array([[2, 2], [3, 3]], np.float32), documents=["x", "y"])
    assert collection.get(ids=["a"])["metadatas"] == [{"n": 1, "m": True}]
    assert collection.get(ids=["b", "d"])["documents"] == ["x", "y"]
    collection.delete(where={"n": 3})
    assert collection.get()["ids"] == ["a", "b", "d"]


def test_search(collection):
    rank = Rrf([Knn([1.0, 0.0], return_rank=True), Knn([0.0, 1.0], return_rank=True)], weights=[2, 1], k=60)
    search = Search().where(K("n") <= 2).rank(rank).limit(2).select(K.DOCUMENT, K.SCORE)
    rows = collection.search(search).rows()[0]
    assert [row["id"] for row in rows] == ["a", "b"]
    assert rows[0]["document"] == "red fox"
    assert rows[0]["score"] == pytest.approx(-(2 / 60 + 1 / 61))


def test_what_goes_wrong_is_raised_as_theirs(client, port, collection, name):
    with pytest.raises(chromadb.errors.NotFoundError):
        client.get_collection("nope-nope", embedding_function=None)
    with pytest.raises(chromadb.errors.ChromaError, match="already exists"):
        client.create_collection(name, embedding_function=None)
    with pytest.raises(chromadb.errors.InvalidArgumentError, match="dimension of 2, got 3"):
        collection.add(ids=["x"], embeddings=[[1.0, 2.0, 3.0]])
    with pytest.raises(chromadb.errors.NotFoundError):
        chromadb.HttpClient(host="127.0.0.1", port=port, tenant="nope")


def test_a_route_of_the_distributed_service_is_raised_by_name(collection):
    with pytest.raises(chromadb.errors.ChromaError, match="on a single node: attached functions belong"):
        collection.get_attached_function("counts")


def test_tenants_and_databases(port, name):
    admin = chromadb.AdminClient(
        Settings(
            chroma_api_impl="chromadb.api.fastapi.FastAPI", chroma_server_host="127.0.0.1", chroma_server_http_port=port
        )
    )
    admin.create_tenant(name)
    admin.create_database("inside", name)
    assert [each["name"] for each in admin.list_databases(tenant=name)] == ["inside"]
    client: Any = chromadb.HttpClient(host="127.0.0.1", port=port, tenant=name, database="inside")
    with client:
        assert client.list_collections() == []
    admin.delete_database("inside", name)
    with pytest.raises(chromadb.errors.NotFoundError):
        admin.get_database("inside", name)


def test_the_async_client(port):
    async def use():
        client: Any = await chromadb.AsyncHttpClient(host="127.0.0.1", port=port)
        made = await client.create_collection(uuid.uuid4().hex, embedding_function=None)
        batches = ([f"{part}-{at}" for at in range(20)] for part in range(8))
        await asyncio.gather(*(made.add(ids=ids, embeddings=[[1.0, float(at)] for at in range(20)]) for ids in batches))
        answers = await asyncio.gather(*(made.query(query_embeddings=[[1.0, 0.0]], n_results=3) for _ in range(20)))
        search = Search().rank(Knn([1.0, 19.0])).limit(1).select(K.SCORE)
        seen = await made.count(), {tuple(answer["distances"][0]) for answer in answers}, await made.search(search)
        await client._server._cleanup()
        return seen

    count, distances, found = asyncio.run(use())
    assert count == 160
    assert distances == {(0.0, 0.0, 0.0)}
    assert found["scores"] == [[0.0]]
