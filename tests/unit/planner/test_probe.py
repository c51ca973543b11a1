"""The probe: when a filter avoids the query, a graph is not asked although it would be the cheaper path."""

from typing import Any

import numpy as np
import pytest

import chroma_search
from chroma_search import K, Knn, Search
from chroma_search.indexes.base import Offer, VectorRequest
from chroma_search.indexes.vector.flat import FlatIndex
from chroma_search.planner.choose import choose

N, DIM = 30_000, 8


class Offering(FlatIndex):
    """An index that offers what it was given."""

    offered: Offer

    def offers(self, request):
        return (self.offered,)


def ladder(graph_us, scan_us, far_us, *, is_far=False):
    graph = offering(Offer("masked_graph", graph_us, False, "", far_us))
    scan = offering(Offer("exact_scan", scan_us, True, ""))
    return choose([graph, scan], VectorRequest(10, 500, 1_000, is_filtered=True, is_far=is_far))


def offering(offer):
    index = Offering(np.ones((1, 1), np.float32), "l2")
    index.offered = offer
    return index


def test_a_probe_is_made_only_where_it_can_change_the_choice():
    assert ladder(100, 200, 800).probes
    assert not ladder(100, 900, 800).probes  # the scan is too dear even so
    assert not ladder(300, 200, 800).probes  # the scan is chosen anyway
    assert not ladder(100, 200, None).probes  # the path does not mind
    assert not ladder(100, 200, 800, is_far=True).probes  # it was made already


def test_a_path_that_misses_nothing_but_by_chance_is_taken_where_it_need_not_be_exact():
    graph, scan = offering(Offer("graph", 100, False, "")), offering(Offer("coded_scan", 120, True, ""))
    sketches = offering(Offer("sketch_scan", 110, False, "", nearly_exact=True))
    asked = VectorRequest(10, 500, 1_000, is_filtered=True)

    def steps(*indexes, **options):
        return [choice.offer.strategy for choice in choose(indexes, asked, **options).steps]

    assert steps(graph, scan, sketches) == ["sketch_scan", "coded_scan"]
    assert steps(graph, scan, sketches, exact=True) == ["coded_scan"]
    assert steps(graph, scan) == ["coded_scan"]
    sketches.offered = Offer("sketch_scan", 126, False, "", nearly_exact=True)
    scan.offered = Offer("coded_scan", 500, True, "")
    assert steps(graph, scan, sketches) == ["graph", "sketch_scan", "coded_scan"]


@pytest.fixture(scope="module", params=["hnsw", "spann"])
def collection(request):
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(N, DIM)).astype(np.float32)
    far = ((vectors - vectors[0]) ** 2).sum(axis=1)
    configuration: Any = {request.param: {"space": "l2"}}
    found = chroma_search.EphemeralClient().create_collection(
        "probed-" + request.param, configuration=configuration, embedding_function=None
    )
    found.add(
        ids=[str(row) for row in range(N)],
        embeddings=vectors,
        metadatas=[{"far": int(each)} for each in np.argsort(np.argsort(far)) * 100 // N],
    )
    found.flush()
    return found, vectors


def test_the_farther_half_is_found_exactly(collection):
    records, vectors = collection
    search = Search(where=K("far") >= 50, rank=Knn(vectors[0], limit=10)).limit(10)
    assert records.search(search)["ids"] == records.search(search, exact=True)["ids"]
    ran = str(records.explain(search, mode="analyze"))
    assert "strategy=masked_" in ran
    assert "probes=true" in ran
    assert "Ran: index=flat strategy=exact_scan probe=0.0" in ran


def test_a_filter_that_does_not_avoid_the_query_keeps_the_index(collection):
    records, vectors = collection
    search = Search(where=K("far") < 50, rank=Knn(vectors[0], limit=10)).limit(10)
    ran = str(records.explain(search, mode="analyze"))
    assert " strategy=masked_" in ran[ran.index("Ran: ") :]
    assert float(ran.split("probe=")[1].split()[0]) > 0.95
    assert records.search(search)["ids"] == records.search(search, exact=True)["ids"]


def test_queries_of_one_batch_take_the_path_that_suits_each(collection):
    records, vectors = collection
    far_from_it = vectors[np.argmax(((vectors - vectors[0]) ** 2).sum(axis=1))]
    answer = records.query([vectors[0], far_from_it], where={"far": {"$gte": 50}}, n_results=5)
    exact = records.query([vectors[0], far_from_it], where={"far": {"$gte": 50}}, n_results=5, exact=True)
    assert answer["ids"] == exact["ids"]
    assert answer["distances"] == exact["distances"]
