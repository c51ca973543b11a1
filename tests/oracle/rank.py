"""From a rank to (support, default): the scores of records, and the value for the others, if any (3.2-3.4, 3.8, 8)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from chroma_search.dsl import Bm25, Decay, Field, Knn, Rrf
from chroma_search.dsl import rank as r
from chroma_search.dsl.leaves import sparse_query
from chroma_search.errors import InvalidRankError
from chroma_search.model.sparse_vector import SparseVector
from tests.oracle.arithmetic import BINARY, FOLDS, UNARY, add_up, power
from tests.oracle.filter import matches
from tests.oracle.record import Record, score_order, to_float32

if TYPE_CHECKING:
    from tests.oracle.collection import OracleCollection

Support = dict[int, float]  # offset -> score
Scores = tuple[Support, "float | None"]


def evaluate(rank: r.Rank, passing: list[Record], collection: OracleCollection) -> Scores:
    """Evaluate a rank over the records that pass the filter."""

    def of(child: r.Rank) -> Scores:
        return evaluate(child, passing, collection)

    match rank:
        case r.Val():
            return {}, float(rank.value)
        case Knn() | Bm25() | Field() | Decay():
            scores = evaluate_leaf(rank, passing, collection)
            return scores, None if rank.default is None else float(rank.default)
        case Rrf():  # no more than its spelled-out form (3.7)
            return of(rank.expanded())
        case r.If():  # ours: every passing record for which the chosen branch has a score or a default
            then, otherwise = of(rank.then), of(rank.otherwise)
            chosen = {each.offset: then if matches(each, rank.condition) else otherwise for each in passing}
            scores = {offset: support.get(offset, default) for offset, (support, default) in chosen.items()}
            return {offset: score for offset, score in scores.items() if score is not None}, None
        case r.Unary():
            (support, default), function = of(rank.rank), UNARY[type(rank)]
            scores = {offset: function(score) for offset, score in support.items()}
            return scores, None if default is None else function(default)
        case r.Sub() | r.Div() | r.Pow():
            return combine(BINARY[type(rank)], of(rank.left), of(rank.right))
        case r.Sum() | r.Mul() | r.Max() | r.Min():
            function, first = FOLDS[type(rank)]
            folded: Scores = ({}, first)
            for child in rank.ranks:
                folded = combine(function, folded, of(child))
            return folded
        case _:
            raise AssertionError(type(rank).__name__)


def combine(function: Callable[[float, float], float], left: Scores, right: Scores) -> Scores:
    """Both have a default: union. One has: the support of the other. None has: intersection (3.4)."""
    (a, a_default), (b, b_default) = left, right
    if a_default is not None and b_default is not None:
        offsets, default = a.keys() | b.keys(), function(a_default, b_default)
    elif a_default is None and b_default is None:
        offsets, default = a.keys() & b.keys(), None
    else:
        offsets, default = (a if a_default is None else b).keys(), None
    scores = {at: function(a.get(at, a_default), b.get(at, b_default)) for at in offsets}  # type: ignore[arg-type]
    return scores, default


def evaluate_leaf(leaf: Knn | Bm25 | Field | Decay, passing: list[Record], collection: OracleCollection) -> Support:
    """Return the score of each record that the leaf supports."""
    if isinstance(leaf, Field):  # ours
        return numbers(leaf.key, passing)
    if isinstance(leaf, Decay):  # ours
        return {offset: decayed(leaf, value) for offset, value in numbers(leaf.key, passing).items()}
    measures = (knn_measures if isinstance(leaf, Knn) else bm25_measures)(leaf, passing, collection)  # type: ignore[arg-type]
    best = sorted(measures, key=lambda offset: (score_order(measures[offset]), offset))[: leaf.limit]
    return {offset: float(place) if leaf.return_rank else measures[offset] for place, offset in enumerate(best)}  # 3.3


def knn_measures(knn: Knn, passing: list[Record], collection: OracleCollection) -> Support:
    query = sparse_query(knn.query) if isinstance(knn.query, dict) else knn.query
    if isinstance(query, str) or isinstance(query, SparseVector) is (knn.key == "#embedding"):
        raise InvalidRankError(f"the oracle knows no {type(query).__name__} query on {knn.key!r}")
    if isinstance(query, SparseVector):
        return sparse_measures(query, knn.key, passing, collection)
    dense = [to_float32(each) for each in np.ravel(query)]  # an array of one row counts as that row (3.2)
    return {each.offset: distance(collection.space, dense, each.embedding) for each in passing if each.embedding}


def distance(space: str, query: list[float], vector: list[float]) -> float:
    """`l2` squared, `ip` 1 - dot, `cosine` 1 - cos, 1.0 for a zero vector; rounded once (8)."""
    if space == "l2":
        return to_float32(add_up((a - b) * (a - b) for a, b in zip(query, vector, strict=True)))
    dot = add_up(a * b for a, b in zip(query, vector, strict=True))
    if space == "cosine":
        scale = math.sqrt(add_up(b * b for b in vector) * add_up(a * a for a in query))
        dot = dot / scale if scale != 0 else 0.0
    return to_float32(1.0 - dot)


def sparse_measures(query: SparseVector, key: str, passing: list[Record], collection: OracleCollection) -> Support:
    """1 - dot, for records that share a dimension with the query, be its value 0 (3.3, 3.8 T)."""
    weights = dict(zip(query.indices, map(float, query.values), strict=True))
    if key in collection.idf_keys:  # N counts all live records, those without the key and those filtered out too
        everything = [each.value(key) for each in collection.records.values()]
        held = [set(each.indices) for each in everything if isinstance(each, SparseVector)]
        for dimension in weights:
            weights[dimension] *= lucene_idf(len(everything), sum(dimension in each for each in held))
    measures: Support = {}
    for record in passing:
        stored = record.value(key)
        if isinstance(stored, SparseVector) and weights.keys() & set(stored.indices):
            pairs = zip(stored.indices, stored.values, strict=True)  # ascending dimensions
            dot = add_up(weights[dimension] * to_float32(value) for dimension, value in pairs if dimension in weights)
            measures[record.offset] = to_float32(1.0 - dot)
    return measures


def bm25_measures(bm25: Bm25, passing: list[Record], collection: OracleCollection) -> Support:
    """Minus the BM25 score, for records that share a word with the query (ours; the formula of rank-bm25).

    Statistics are those of all live records with a text under the key. A word counts as often as the query has it.
    """
    texts = {each.offset: each.value(bm25.key) for each in collection.records.values()}
    tokens = {offset: collection.tokenizer(text) for offset, text in texts.items() if isinstance(text, str)}
    frequency: dict[str, int] = {}  # word -> number of texts that hold it
    for words in tokens.values():
        for word in set(words):
            frequency[word] = frequency.get(word, 0) + 1
    idf = {word: lucene_idf(len(tokens), n) for word, n in frequency.items()}
    if bm25.idf == "okapi":  # a negative idf becomes a quarter of the mean over the vocabulary
        idf = {word: math.log(len(tokens) - n + 0.5) - math.log(n + 0.5) for word, n in frequency.items()}
        floor = 0.25 * (math.fsum(idf.values()) / max(1, len(idf)))
        idf = {word: floor if value < 0 else value for word, value in idf.items()}
    measures: Support = {}
    for record in passing:
        words = tokens.get(record.offset, [])
        shared = [(word, words.count(word)) for word in collection.tokenizer(bm25.query) if word in words]
        if shared:
            mean_length = sum(map(len, tokens.values())) / len(tokens)
            norm = bm25.k1 * (1 - bm25.b + bm25.b * len(words) / mean_length)
            measures[record.offset] = -add_up(idf[word] * (tf * (bm25.k1 + 1) / (tf + norm)) for word, tf in shared)
    return measures


def lucene_idf(n_records: int, n_holding: int) -> float:
    """ln(1 + (N - n + 0.5) / (n + 0.5)), never negative (3.8)."""
    return math.log(1.0 + (n_records - n_holding + 0.5) / (n_holding + 0.5))


def numbers(key: str, passing: list[Record]) -> Support:
    """The numbers under a key as float64; a bool is none (ours)."""
    values = {each.offset: each.value(key) for each in passing}
    return {at: float(v) for at, v in values.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}


def decayed(decay: Decay, value: float) -> float:
    """How near a value is to the origin (ours; the formulas stand at `Decay`)."""
    away = max(0.0, abs(value - decay.origin) - decay.offset)
    if decay.kind == "linear":
        return max(0.0, 1.0 - (1.0 - decay.factor) * away / decay.scale)
    far = away / decay.scale
    return power(decay.factor, far * far if decay.kind == "gauss" else far)
