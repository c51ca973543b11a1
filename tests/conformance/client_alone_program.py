"""A program of a machine on which the clients alone are installed: it asks our server for all that one may ask.

Run by `test_client_only.py` with the port of the server and a token. It says `done` when all was as it must be. Data:
four texts with vectors on a line (0, 1, 2, 3), so that what is expected can be worked out by hand.
"""

import asyncio
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import chroma_search
from chroma_search import (
    AsyncHttpClient,
    Bm25,
    ChromaBm25EmbeddingFunction,
    DefaultEmbeddingFunction,
    HttpClient,
    K,
    Knn,
    Rrf,
    Schema,
    Search,
    Settings,
    SparseVector,
    SparseVectorIndexConfig,
)
from chroma_search.embeddings.lsa import LsaEmbeddingFunction
from chroma_search.errors import DimensionMismatchError, ForbiddenError, NotFoundError, UnsupportedError

ENGINE = ("pyarrow", "hnswlib", "sklearn", "starlette", "uvicorn", "onnxruntime", "chromadb")
IDS = ["a", "b", "c", "d"]
VECTORS = np.array([[0.1, 1.0], [1.1, 1.0], [2.1, 1.0], [3.1, 1.0]], np.float32)
TEXTS = ["red fox", "grey wolf", "red wolf", "blue jay"]
METADATAS: list[Any] = [{"n": at, "s": SparseVector(indices=[at], values=[1.0])} for at in range(4)]

port, token = int(sys.argv[1]), sys.argv[2]
settings = Settings(
    chroma_client_auth_provider="chromadb.auth.token_authn.TokenAuthClientProvider",
    chroma_client_auth_credentials=token,
)


def refusal_of(kind: type[Exception], call: Any) -> str:
    """Return what an error says that must be raised."""
    try:
        call()
    except kind as error:
        return str(error)
    raise AssertionError(f"no {kind.__name__}")


def schema() -> Schema:
    """Return a schema with sparse vectors that are given, and others that are made here of the documents."""
    made = Schema().create_index(SparseVectorIndexConfig(), key="s")
    bm25 = SparseVectorIndexConfig(embedding_function=ChromaBm25EmbeddingFunction(), source_key="#document", bm25=True)
    return made.create_index(bm25, key="words")


def records(client: Any) -> None:
    """Write, read and change records."""
    made = client.create_collection("records", schema=schema(), embedding_function=None)
    made.add(ids=IDS, embeddings=VECTORS, documents=TEXTS, metadatas=METADATAS)
    got = made.get(include=["embeddings", "documents", "metadatas"])
    assert (got.ids, got.documents) == (IDS, TEXTS)
    assert np.asarray(got.embeddings).dtype == np.float32
    assert np.array_equal(got.embeddings, VECTORS)  # bit by bit
    assert got.metadatas[1]["s"] == METADATAS[1]["s"]
    found = made.query(query_embeddings=[0.1, 1.0], where="n >= 1", n_results=2, include=["embeddings", "distances"])
    assert found.ids == [["b", "c"]]
    assert np.allclose(found.distances, [[1.0, 4.0]])
    assert np.array_equal(found.embeddings[0], VECTORS[1:3])
    assert made.query(query_embeddings=[0.1, 1.0], n_results=1, exact=True).ids == [["a"]]
    made.update(ids=["a"], metadatas=[{"n": 7}])
    made.upsert(ids=["d", "e"], embeddings=[[5.0, 1.0], [6.0, 1.0]], documents=["x", "y"])
    made.delete(where={"n": 7})
    assert (made.count(), made.peek(1).ids, made.get(where_document={"$contains": "wolf"}).ids) == (
        4,
        ["b"],
        ["b", "c"],
    )
    assert "dimension of 2, got 3" in refusal_of(
        DimensionMismatchError, lambda: made.add(ids=["z"], embeddings=[[1, 2, 3]])
    )
    assert made.fork("fork").get().ids == ["b", "c", "d", "e"]
    assert made.get_indexing_status().total_ops > 0
    made.modify(name="renamed")
    assert client.get_collection("renamed", embedding_function=None).count() == 4
    refusal_of(NotFoundError, lambda: client.get_collection("records", embedding_function=None))
    for name in ("flush", "compact", "purge", "stats"):
        refusal_of(UnsupportedError, getattr(made, name))
    client.delete_collection("renamed")
    assert [each.name for each in client.list_collections()] == ["fork"]
    client.delete_collection("fork")


SEARCHES: list[tuple[Any, dict[str, Any] | None, list[str]]] = [
    (Search().where(K("n") >= 1).rank(Knn([0.1, 1.0])).limit(2).select(K.DOCUMENT, K.SCORE), None, ["b", "c"]),
    ("WHERE n <= 2 RANK knn($q) LIMIT 2", {"q": [9.0, 1.0]}, ["c", "b"]),
    ({"rank": {"$knn": {"query": [3.1, 1.0]}}, "limit": {"limit": 1}}, None, ["d"]),
    (Search().rank(Knn(SparseVector(indices=[2], values=[1.0]), key="s")).limit(1), None, ["c"]),
    (Search().rank(Knn("jay", key="words")).limit(1), None, ["d"]),  # made a vector here
    (Search().rank(Bm25("fox")).limit(1), None, ["a"]),  # looked for there
    (Search().rank(Rrf([Knn([0.1, 1.0], return_rank=True), Bm25("red", return_rank=True)])).limit(1), None, ["a"]),
]


def searches(client: Any) -> None:
    """Search in objects, texts and JSON, and explain each."""
    made = client.create_collection("searches", schema=schema(), embedding_function=None)
    made.add(ids=IDS, embeddings=VECTORS, documents=TEXTS, metadatas=METADATAS)
    made = client.get_collection("searches", embedding_function=None)  # with the schema as the server tells it
    for search, params, expected in SEARCHES:
        for exact in (False, True):
            assert made.search(search, params=params, exact=exact).ids == [expected], search
        for mode in ("plan", "verbose", "analyze"):
            assert "\n" in made.explain(search, mode, params=params)
            assert isinstance(made.explain(search, mode, format="json", params=params), dict)
    rows = made.search(SEARCHES[0][0]).rows()[0]
    assert [(row["id"], row["document"]) for row in rows] == [("b", "grey wolf"), ("c", "red wolf")]
    assert np.allclose([row["score"] for row in rows], [1.0, 4.0])
    together = made.search([SEARCHES[0][0], SEARCHES[3][0]])
    assert together.ids == [["b", "c"], ["c"]]
    assert "RANK" in refusal_of(ValueError, lambda: made.search("WHERE n = 1 RANK"))  # read here


def functions() -> None:
    """Embed with what is not installed here: what is said must not bring the other distribution."""
    assert "pip install chroma-search-client[onnx]" in refusal_of(
        UnsupportedError, lambda: DefaultEmbeddingFunction()(TEXTS)
    )
    assert "pip install scikit-learn" in refusal_of(UnsupportedError, lambda: LsaEmbeddingFunction.fitted_on(TEXTS))


async def awaited() -> None:
    """Do the same with `await`, many calls at once."""
    async with await AsyncHttpClient("127.0.0.1", port, settings=settings) as client:
        made = await client.get_collection("searches", embedding_function=None)
        found = await asyncio.gather(*(made.search(search, params=params) for search, params, _ in SEARCHES))
        assert [each.ids[0] for each in found] == [expected for _, _, expected in SEARCHES]
        assert "\n" in await made.explain(SEARCHES[1][0], "analyze", params=SEARCHES[1][1])
        many = np.arange(8000, dtype=np.float32).reshape(1000, 8)  # 256 KiB of an answer and more are read in a thread
        large = await client.create_collection("large", embedding_function=None)
        ids = [f"record-{at}" for at in range(1000)]
        await asyncio.gather(*(large.add(ids=ids[at::4], embeddings=many[at::4]) for at in range(4)))
        got = await large.get(ids=ids, include=["embeddings"])
        assert np.array_equal(got.embeddings, many[[ids.index(each) for each in got.ids]])
        await large.delete(ids=ids)
        assert await large.count() == 0


def main() -> None:
    """Do all of it."""
    assert not [name for name in ENGINE if find_spec(name)]
    assert "site-packages" in Path(chroma_search.__file__).parts
    with HttpClient("127.0.0.1", port, settings=settings) as client:
        records(client)
        searches(client)
        functions()
        asyncio.run(awaited())
        refusal_of(ForbiddenError, lambda: HttpClient("127.0.0.1", port))
        refusal_of(UnsupportedError, chroma_search.EphemeralClient)
    assert not [name for name in ENGINE if name in sys.modules]
    print("done")


main()
