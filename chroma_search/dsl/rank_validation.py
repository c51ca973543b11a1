"""Checks of rank expressions: everything that is refused before a search runs, whichever spelling the rank came in.

What cannot be known without the collection is not checked here: dimensions, whether a key has sparse vectors, whether
a text can be embedded. What this file lets pass can be evaluated without an error, perhaps to NaN or an infinity.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chroma_search.dsl.checked_value import (
    Place,
    RegexCheck,
    Rules,
    check_count,
    check_flag,
    check_number,
    check_text,
)
from chroma_search.dsl.leaves import Bm25, Decay, Knn, checked_dense, sparse_query
from chroma_search.dsl.node import check_bounds
from chroma_search.dsl.rank import RANK_NODES, Div, Field, If, Max, Min, Mul, Pow, Rank, Sub, Sum, Unary, Val
from chroma_search.dsl.rrf import Rrf
from chroma_search.dsl.where_validation import check_condition
from chroma_search.errors import InvalidFilterError, InvalidRankError
from chroma_search.model.sparse_vector import SparseVector
from chroma_search.model.values import MAX_INT

UPSTREAM_NODES = frozenset({"$val", "$knn", "$sum", "$mul", "$max", "$min", "$sub", "$div", "$abs", "$exp", "$log"}) | {
    Rrf.op  # upstream has the class, and writes it as arithmetic
}
IDF_KINDS = ("lucene", "okapi")
DECAY_KINDS = ("exp", "gauss", "linear")


def check_rank(rank: Any, *, strict: bool = False, regex_check: RegexCheck | None = None) -> None:
    """Refuse a rank that has no meaning.

    Args:
        rank: the rank, or None for insertion order.
        strict: refuse what goes beyond Chroma's Search API as well.
        regex_check: called with every pattern of the conditions of `If`.

    Raises:
        WrongTypeError: no rank; an argument of a wrong type.
        InvalidRankError: an argument out of its range, a query that is no vector, a node of ours under `strict`,
            nested too deep.
    """
    if rank is None or _is_plain(rank):
        return
    place = Place("rank", InvalidRankError)
    if not isinstance(rank, Rank):
        place.refuse_type("the rank", "a Rank, its JSON or a text", rank)
    check_bounds(rank, "rank")
    _check(rank, place, Rules(strict, regex_check))


def _is_plain(rank: Any) -> bool:
    """Tell whether a rank is the commonest one, a sound `Knn`: every search is checked, and a walk costs 10 us."""
    if type(rank) is not Knn or rank.key != "#embedding" or type(rank.query) not in (np.ndarray, tuple):
        return False
    if type(rank.limit) is not int or not 1 <= rank.limit <= MAX_INT or rank.default is not None:
        return False
    try:
        rank.dense()  # kept by the node for the search itself
    except InvalidRankError:
        return False
    return type(rank.return_rank) is bool


def _check(node: Any, above: Place, rules: Rules) -> None:
    if not isinstance(node, Rank) or RANK_NODES.get(node.op) is not type(node):
        above.refuse_type("a part of a rank", "a rank such as Knn(...) or Val(0.5)", node)
    place = above.at(f".{node.op}")
    if node.op not in UPSTREAM_NODES:
        place.refuse_ours(node.op, rules)
    match node:
        case Val():
            check_number(node.value, "$val", place)
        case Knn():
            _check_knn(node, place)
        case Bm25():
            _check_bm25(node, place)
        case Decay():
            _check_decay(node, place)
        case Field():
            _check_field_name(node.key, place)
            _check_default(node.default, place)
        case Rrf():
            _check_rrf(node, place, rules)
        case If():
            check_condition(node.condition, Place(f"{place.path}.condition", InvalidFilterError), rules)
            _check(node.then, place.at(".then"), rules)
            _check(node.otherwise, place.at(".else"), rules)
        case Sum() | Mul() | Max() | Min():
            if len(node.ranks) < 2:
                place.refuse(f"{node.op} requires at least 2 ranks, got {len(node.ranks)}")
            _check_all(node.ranks, place, rules)
        case Sub() | Div() | Pow():
            _check(node.left, place.at(".left"), rules)
            _check(node.right, place.at(".right"), rules)
        case Unary():
            _check(node.rank, place, rules)
        case _:
            above.refuse_type("a part of a rank", "one of the package's ranks", node)


def _check_all(ranks: Any, place: Place, rules: Rules) -> None:
    for at, each in enumerate(ranks):
        _check(each, place.at(f"[{at}]"), rules)


def _check_knn(node: Knn, place: Place) -> None:
    check_text(node.key, "$knn key", place)
    _check_candidates(node, place)
    query = node.query
    if isinstance(query, (str, SparseVector, dict)) and node.key.startswith("#"):
        is_text = isinstance(query, str)
        if not (is_text and node.key == "#embedding"):
            what = "a text" if is_text else "a sparse vector"
            allowed = "#embedding or a metadata field" if is_text else "a metadata field"
            place.refuse(f"$knn with {what} searches {allowed}, not {node.key}: name it with key=...")
    if isinstance(query, str):
        check_text(query, "$knn query", place)
    elif isinstance(query, (dict, SparseVector)):
        sparse = sparse_query(query, place.path) if isinstance(query, dict) else query
        for label in sparse.labels or ():
            check_text(label, "a token of the sparse vector", place)
    elif isinstance(query, (list, tuple, np.ndarray)):
        try:
            node.dense()  # kept by the node for the search itself
        except InvalidRankError:
            checked_dense(query, place.path)  # again, for an error that names the place
            raise
    else:
        place.refuse_type("$knn query", "a text, a list of numbers, a numpy array or a SparseVector", query)


def _check_bm25(node: Bm25, place: Place) -> None:
    check_text(node.query, "$bm25 query", place)
    check_text(node.key, "$bm25 key", place)
    if node.key.startswith("#") and node.key != "#document":
        place.refuse(f"$bm25 searches #document or a metadata field with strings, not {node.key}")
    _check_candidates(node, place)
    if check_number(node.k1, "$bm25 k1", place, is_finite=True) < 0:
        place.refuse(f"$bm25 k1 must be 0 or more, got {node.k1}")
    if not 0 <= check_number(node.b, "$bm25 b", place, is_finite=True) <= 1:
        place.refuse(f"$bm25 b must be between 0 and 1, got {node.b}")
    if node.idf not in IDF_KINDS:
        place.refuse(f"$bm25 idf must be one of {', '.join(IDF_KINDS)}, got {_shown(node.idf)}")


def _check_candidates(node: Knn | Bm25, place: Place) -> None:
    check_count(node.limit, f"{node.op} limit", place, least=1)
    check_flag(node.return_rank, f"{node.op} return_rank", place)
    _check_default(node.default, place)


def _check_decay(node: Decay, place: Place) -> None:
    _check_field_name(node.key, place)
    check_number(node.origin, "$decay origin", place, is_finite=True)
    if check_number(node.scale, "$decay scale", place, is_finite=True) <= 0:
        place.refuse(f"$decay scale must be above 0, got {node.scale}")
    if check_number(node.offset, "$decay offset", place, is_finite=True) < 0:
        place.refuse(f"$decay offset must be 0 or more, got {node.offset}")
    if not 0 < check_number(node.factor, "$decay factor", place, is_finite=True) < 1:
        place.refuse(f"$decay factor must be between 0 and 1, both excluded, got {node.factor}")
    if node.kind not in DECAY_KINDS:
        place.refuse(f"$decay kind must be one of {', '.join(DECAY_KINDS)}, got {_shown(node.kind)}")
    _check_default(node.default, place)


def _check_rrf(node: Rrf, place: Place, rules: Rules) -> None:
    check_number(node.k, "RRF k", place, is_finite=True)
    for weight in node.weights or ():
        check_number(weight, "an RRF weight", place, is_finite=True)
    if not math.isfinite(sum(map(float, node.weights or ()))):
        place.refuse("the sum of the RRF weights is too large for a 64-bit float")
    try:
        node.checked_weights()
    except InvalidRankError as error:
        raise InvalidRankError(str(error), path=place.path) from None
    _check_all(node.ranks, place.at(".ranks"), rules)


def _check_field_name(key: Any, place: Place) -> None:
    check_text(key, "a field name", place)
    if key.startswith("#"):
        place.refuse(f"{key[:40]} holds no number: a metadata field is needed here")


def _check_default(default: Any, place: Place) -> None:
    if default is not None:
        check_number(default, f"{place.path.rpartition('.')[2]} default", place)


def _shown(value: object) -> str:
    return repr(value[:40]) if isinstance(value, str) else type(value).__name__
