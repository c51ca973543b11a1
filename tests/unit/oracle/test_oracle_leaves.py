"""The oracle's leaves against numbers from elsewhere: by hand, from rank-bm25, from numpy."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
from rank_bm25 import BM25Okapi

from chroma_search.dsl import Bm25, K, Knn, Pow, Search, SearchClauses, Val
from chroma_search.errors import InvalidRankError
from chroma_search.model.sparse_vector import SparseVector
from tests.oracle import OracleCollection
from tests.oracle.arithmetic import BINARY, FOLDS, UNARY
from tests.oracle.filter import is_found


def scores(collection: OracleCollection, rank: Any, where: Any = None) -> dict[str, float]:
    """Return id -> score in the order of the answer."""
    found = collection.search(Search(where=where, rank=rank, select=["#score"]))
    return dict(zip(found["ids"], found["scores"], strict=True))


def texts(*documents: str | None) -> OracleCollection:
    collection = OracleCollection()
    ids = [f"d{at}" for at in range(len(documents))]
    metadatas = [None if text is None else {"text": text} for text in documents]
    collection.add(ids=ids, embeddings=[[0.0]] * len(ids), documents=documents, metadatas=metadatas)
    return collection


# --- BM25 ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_okapi_scores_are_those_of_rank_bm25(seed: int) -> None:
    chance = random.Random(seed)
    documents = [" ".join(chance.choices("abcdefgh", k=chance.randrange(0, 9))) for _ in range(12)]
    query = "a b a zzz h"
    reference = BM25Okapi([text.split() for text in documents], k1=1.7, b=0.3).get_scores(query.split())
    found = scores(texts(*documents), Bm25(query, k1=1.7, b=0.3, limit=99, idf="okapi"))
    shared = [at for at, text in enumerate(documents) if set(text.split()) & set(query.split())]
    assert found == pytest.approx({f"d{at}": -reference[at] for at in shared}, rel=1e-12)


def test_a_bm25_score_by_hand() -> None:
    # N = 3 texts of 2, 1 and 0 words: mean length 1. "fox" stands in 2 texts: idf ln(1 + 1.5 / 2.5).
    found = scores(texts("fox fox", "fox", "", None), Bm25("fox"))
    idf = math.log(1.6)
    assert found == pytest.approx(
        {"d0": -idf * 2 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * 2)), "d1": -idf * 1 * 2.2 / (1 + 1.2)}, rel=1e-12
    )


def test_a_word_twice_in_the_query_counts_twice() -> None:
    collection = texts("fox", "hen")
    once, twice = scores(collection, Bm25("fox")), scores(collection, Bm25("fox fox"))
    assert twice["d0"] == 2 * once["d0"]


def test_bm25_statistics_leave_the_filter_out_and_dead_records_too() -> None:
    collection = texts("fox", "hen", "fox hen", "fox fox fox")
    filtered = scores(collection, Bm25("fox"), {"#id": "d0"})
    assert filtered == {"d0": scores(collection, Bm25("fox"))["d0"]}
    collection.delete(ids=["d3"])
    assert scores(collection, Bm25("fox")) == scores(texts("fox", "hen", "fox hen"), Bm25("fox"))


def test_bm25_reads_a_metadata_field_and_finds_nothing_without_words() -> None:
    collection = texts("fox", "hen", None)
    assert scores(collection, Bm25("fox", key="text")) == scores(collection, Bm25("fox"))
    assert scores(collection, Bm25("")) == {}
    assert scores(collection, Bm25("wolf")) == {}
    assert scores(texts("", ""), Bm25("wolf", idf="okapi")) == {}
    assert scores(OracleCollection(), Bm25("wolf", idf="okapi")) == {}


def test_equal_bm25_scores_keep_insertion_order_and_have_distinct_ranks() -> None:
    collection = texts("hen", "fox", "fox", "fox")
    assert scores(collection, Bm25("fox", limit=2, return_rank=True)) == {"d1": 0.0, "d2": 1.0}


# --- sparse vectors --------------------------------------------------------------------------------------------------


def sparse(idf: bool, *stored: SparseVector | None) -> OracleCollection:
    collection = OracleCollection(idf_keys=["sp"] if idf else [])
    ids = [f"d{at}" for at in range(len(stored))]
    metadatas = [None if each is None else {"sp": each} for each in stored]
    collection.add(ids=ids, embeddings=[[0.0]] * len(ids), metadatas=metadatas)
    return collection


def test_a_sparse_measure_is_one_minus_the_dot_product_over_shared_dimensions() -> None:
    collection = sparse(False, SparseVector([1, 4], [0.5, 2.0]), SparseVector([4, 9], [-1.0, 8.0]), None)
    found = scores(collection, Knn(SparseVector([1, 4], [2.0, 0.25]), key="sp"))
    assert found == {"d0": 1 - (0.5 * 2 + 2 * 0.25), "d1": 1 + 0.25}


def test_a_stored_zero_shares_its_dimension_and_an_empty_vector_shares_none() -> None:
    collection = sparse(False, SparseVector([1], [0.0]), SparseVector([], []), SparseVector([2], [1.0]))
    assert scores(collection, Knn(SparseVector([1], [3.0]), key="sp")) == {"d0": 1.0}
    assert scores(collection, Knn(SparseVector([], []), key="sp")) == {}


def test_stored_sparse_values_count_as_float32_and_those_of_the_query_as_float64() -> None:
    collection = sparse(False, SparseVector([1], [2.0**24 + 1]), SparseVector([2], [2.0**-24]))
    query = SparseVector([1, 2], [1.0, 2.0**48 + 2.0**24])
    assert scores(collection, Knn(query, key="sp")) == {"d0": 1 - 2.0**24, "d1": -(2.0**24)}


def test_the_idf_of_a_dimension_counts_all_live_records() -> None:
    collection = sparse(True, SparseVector([1], [1.0]), SparseVector([1, 2], [1.0, 1.0]), None, None)
    found = scores(collection, Knn(SparseVector([1, 2], [1.0, 2.0]), key="sp"), {"#id": "d1"})
    one, two = math.log(1 + 2.5 / 2.5), math.log(1 + 3.5 / 1.5)
    assert found == pytest.approx({"d1": 1 - (one + 2 * two)}, rel=1e-6)
    collection.delete(ids=["d0", "d2"])
    one, two = math.log(1 + 1.5 / 1.5), math.log(1 + 1.5 / 1.5)
    found = scores(collection, Knn(SparseVector([1, 2], [1.0, 2.0]), key="sp"))
    assert found == pytest.approx({"d1": 1 - (one + 2 * two)}, rel=1e-6)


def test_a_tagged_dict_is_a_sparse_query() -> None:
    collection = sparse(False, SparseVector([1], [0.5]))
    assert scores(collection, Knn({"#type": "sparse_vector", "indices": [1], "values": [1]}, key="sp")) == {"d0": 0.5}


# --- dense vectors ---------------------------------------------------------------------------------------------------


def dense(space: str, *vectors: list[float]) -> OracleCollection:
    collection = OracleCollection(space)
    collection.add(ids=[f"d{at}" for at in range(len(vectors))], embeddings=vectors)
    return collection


@pytest.mark.parametrize("space", ["l2", "cosine", "ip"])
def test_distances_agree_with_numpy(space: str) -> None:
    generator = np.random.default_rng(7)
    vectors, query = generator.normal(size=(20, 5)).astype(np.float32), generator.normal(size=5).astype(np.float32)
    wide, q = vectors.astype(np.float64), query.astype(np.float64)
    norms = np.linalg.norm(wide, axis=1) * np.linalg.norm(q)
    expected = {"l2": ((wide - q) ** 2).sum(1), "ip": 1 - wide @ q, "cosine": 1 - wide @ q / norms}[space]
    found = scores(dense(space, *vectors.tolist()), Knn(query, limit=20))
    assert found == pytest.approx({f"d{at}": expected[at] for at in range(20)}, rel=1e-6)
    assert list(found) == [f"d{at}" for at in np.argsort(expected, kind="stable")]


def test_a_query_of_one_row_is_that_row() -> None:
    collection = dense("l2", [1.0, 2.0], [0.0, 0.0])
    assert scores(collection, Knn(np.array([[1.0, 2.0]]))) == {"d0": 0.0, "d1": 5.0}


def test_a_nan_query_ranks_all_in_insertion_order() -> None:
    found = scores(dense("cosine", [1.0], [0.0], [2.0]), Knn([math.nan]))
    assert list(found) == ["d0", "d1", "d2"]
    assert all(math.isnan(score) for score in found.values())


def test_a_distance_beyond_float32_is_infinite() -> None:
    collection = dense("l2", [3e38], [0.0])
    assert scores(collection, Knn([-3e38])) == {"d0": math.inf, "d1": math.inf}


def test_queries_that_fit_no_index_are_refused() -> None:
    collection = dense("l2", [1.0])
    for rank in (Knn("text"), Knn([1.0], key="sp"), Knn(SparseVector([1], [1.0]))):
        with pytest.raises(InvalidRankError):
            scores(collection, rank)
    with pytest.raises(ValueError, match="zip"):
        scores(collection, Knn([1.0, 2.0]))


# --- fields and defaults ---------------------------------------------------------------------------------------------


def test_an_int_field_is_taken_as_float64() -> None:
    collection = OracleCollection()
    collection.add(ids=["a"], embeddings=[[0.0]], metadatas=[{"n": 2**53 + 1}])
    assert scores(collection, K("n") - Val(2**53)) == {"a": 0.0}


def test_an_int_default_is_taken_as_float64() -> None:
    collection = dense("l2", [0.0], [4.0], [8.0])
    defaults = Knn([0.0], limit=1, default=2**53 + 1) - Knn([4.0], limit=1, default=2**53)
    assert scores(collection, defaults - Knn([8.0], limit=1)) == {"d2": 0.0}


def test_clauses_and_their_search_mean_the_same() -> None:
    collection = dense("l2", [0.0], [1.0])
    search = Search(rank=Knn([1.0]), select=["#score"])
    assert isinstance(search.clauses, SearchClauses)
    assert collection.search(search.clauses) == collection.search(search)


# --- arithmetic ------------------------------------------------------------------------------------------------------

EDGES = (0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 3.0, -3.0, 1e308, -1e308, 5e-324, 710.0, -800.0)
EDGES += (math.inf, -math.inf, math.nan)


def same(found: float, expected: Any) -> bool:
    """Equal, both NaN, or (exp, pow and log) apart by rounding; the sign of infinities counts."""
    return bool(np.isclose(found, expected, rtol=1e-15, atol=0, equal_nan=True))


@pytest.mark.parametrize("kind", UNARY, ids=lambda kind: kind.__name__)
def test_functions_have_the_results_of_ieee_754(kind: Any) -> None:
    function = getattr(np, kind.__name__.lower())  # numpy has each of them by that name
    with np.errstate(all="ignore"):
        for a in EDGES:
            assert same(UNARY[kind](a), function(np.float64(a))), a


@pytest.mark.parametrize("kind", [*BINARY, *FOLDS], ids=lambda kind: kind.__name__)
def test_operators_have_the_results_of_ieee_754(kind: Any) -> None:
    functions = {"Sub": np.subtract, "Div": np.divide, "Pow": np.power, "Sum": np.add, "Mul": np.multiply}
    function = {**functions, "Max": np.fmax, "Min": np.fmin}[kind.__name__]
    ours = BINARY[kind] if kind in BINARY else FOLDS[kind][0]
    with np.errstate(all="ignore"):
        for a in EDGES:
            for b in EDGES:
                if kind is Pow and (a, b) == (-math.inf, 0.5):  # numpy takes the root, which is NaN; IEEE 754 says inf
                    assert ours(a, b) == math.inf
                    continue
                assert same(ours(a, b), function(np.float64(a), np.float64(b))), (a, b)


# --- patterns --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("x$", "x\n", False),
        ("x\\z", "x", True),
        ("x\\$", "x$", True),
        ("[$]", "a$b", True),
        ("[\\]$]", "]", True),
        ("(?m)^b$", "a\nb\nc", True),
        ("^b", "a\nb", False),
        ("(?s)a.b", "a\nb", True),
        ("a.b", "a\nb", False),
        ("", "", True),
        ("x", None, False),
        ("", 1, False),
        (".*", ["a"], False),
    ],
)
def test_patterns_follow_our_dialect(pattern: str, text: Any, expected: bool) -> None:
    assert is_found(pattern, text) is expected


@pytest.mark.parametrize(
    "pattern",
    ["(?=a)", "(?<!a)", "(a)\\1", "a\\Z", "a++", "(?>a)", "(?P=x)", "[[:alpha:]]", "a&&b", "a(?m:b$)", "x{,3}"],
)
def test_patterns_that_mean_something_else_to_python_are_not_judged(pattern: str) -> None:
    with pytest.raises(ValueError, match="the oracle judges only"):
        is_found(pattern, "a")
