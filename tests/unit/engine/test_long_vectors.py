"""Vectors long enough for sketches, in memory and in a folder opened again: filtered answers are the nearest ones."""

import numpy as np
import pytest

import chroma_search
from chroma_search import K, Knn, Search

N, DIM = 3_000, 300


@pytest.fixture(scope="module")
def vectors():
    rng = np.random.default_rng(0)
    near_few_directions = rng.normal(size=(N, 40)) @ rng.normal(size=(40, DIM))
    return (near_few_directions + rng.normal(size=(N, DIM)) / 2).astype(np.float32)


def filled(client, vectors, space):
    collection = client.create_collection("long", configuration={"hnsw": {"space": space}}, embedding_function=None)
    collection.add(ids=[str(at) for at in range(N)], embeddings=vectors, metadatas=[{"at": at} for at in range(N)])
    return collection


def check(collection, vectors, space):
    for query in vectors[:4] + np.float32(0.1):
        wide, point = vectors.astype(np.float64), query.astype(np.float64)
        distances = ((wide - point) ** 2).sum(axis=1)
        if space == "cosine":
            distances = 1 - wide @ point / np.linalg.norm(wide, axis=1) / np.linalg.norm(point)
        far = float(np.median(distances))
        for allowed in (np.arange(N) >= N // 2, np.arange(N) % 2 == 0, distances > far):
            ids = [str(at) for at in np.flatnonzero(allowed)[np.argsort(distances[allowed])[:10]]]
            where = {"at": {"$in": np.flatnonzero(allowed).tolist()}}
            for exact in (False, True):
                assert collection.query(query_embeddings=[query], where=where, exact=exact)["ids"] == [ids]
        search = Search(where=K("at") >= N // 2, rank=Knn(query, limit=10), limit=10)
        nearest = np.argsort(distances[N // 2 :])[:10] + N // 2
        assert collection.search(search)["ids"] == [[str(at) for at in nearest]]


@pytest.mark.parametrize("space", ["l2", "cosine"])
def test_in_memory(vectors, space):
    collection = filled(chroma_search.EphemeralClient(), vectors, space)
    check(collection, vectors, space)
    collection.flush()
    check(collection, vectors, space)
    assert "strategy=sketch_scan" in str(collection.explain(Search(where=K("at") < N // 2, rank=Knn(vectors[0]))))


@pytest.mark.parametrize("space", ["l2", "cosine"])
def test_in_a_folder_opened_again(vectors, space, tmp_path):
    with chroma_search.PersistentClient(tmp_path) as client:
        collection = filled(client, vectors, space)
        collection.flush()
    with chroma_search.PersistentClient(tmp_path) as client:
        collection = client.get_collection("long", embedding_function=None)
        check(collection, vectors, space)
        explained = str(collection.explain(Search(where=K("at") < N // 2, rank=Knn(vectors[0]))))
        assert "strategy=sketch_scan" in explained
