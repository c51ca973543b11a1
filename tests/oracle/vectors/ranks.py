"""Distances, and rank expressions with the scores they give (3, 8, 13)."""

from __future__ import annotations

import math
from typing import Any

from chroma_search.model.sparse_vector import SparseVector
from tests.oracle.vectors.shapes import Dataset, DistanceVector, SearchVector

_FIVE = ((1.0, 0.0), (0.0, 1.0), (3.0, 4.0), (-1.0, 0.0), (0.0, 0.0))
DISTANCES: tuple[DistanceVector, ...] = (
    DistanceVector("l2", (2.0, 0.0), _FIVE, (1.0, 5.0, 17.0, 9.0, 4.0)),
    DistanceVector("cosine", (2.0, 0.0), _FIVE, (0.0, 1.0, 0.4, 2.0, 1.0)),
    DistanceVector("ip", (2.0, 0.0), _FIVE, (-1.0, 1.0, -5.0, 3.0, 1.0)),
    DistanceVector("cosine", (0.0, 0.0), _FIVE, (1.0, 1.0, 1.0, 1.0, 1.0)),
    DistanceVector("l2", (math.nan, 0.0), _FIVE, (math.nan,) * 5),
    DistanceVector("cosine", (math.nan, 0.0), _FIVE, (math.nan,) * 5),
)


def _sparse(values: dict[int, float]) -> SparseVector:
    return SparseVector(list(values), list(values.values()))


# Measures are 1 - dot with the query {0: 1}: list A is x .1, y .2; list B is y .3, z .4; w is in neither.
AB = Dataset(
    "AB",
    ids=("x", "y", "z", "w"),
    metadatas=(
        {"a": _sparse({0: 0.9}), "n": 4, "lang": "en"},
        {"a": _sparse({0: 0.8}), "b": _sparse({0: 0.7}), "n": 0.25, "lang": "en"},
        {"b": _sparse({0: 0.6}), "n": True},
        {"a": _sparse({5: 1.0}), "n": "4"},
    ),
)


def _knn(key: str, **options: Any) -> dict[str, Any]:
    query = {"#type": "sparse_vector", "indices": [0], "values": [1.0]}
    return {"$knn": {"query": query, "key": key, **options}}


def _val(number: float) -> dict[str, Any]:
    return {"$val": number}


def _rrf(*ranks: dict[str, Any]) -> dict[str, Any]:
    """Return reciprocal rank fusion with k = 60 in upstream's arithmetic (3.7)."""
    terms = [{"$div": {"left": _val(1.0), "right": {"$sum": [_val(60), each]}}} for each in ranks]
    return {"$mul": [_val(-1), {"$sum": terms}]}


A, B = _knn("a"), _knn("b")
A1, B1 = _knn("a", default=1), _knn("b", default=1)
INF, NAN = math.inf, math.nan
FLOAT32_MAX = 3.4028234663852886e38
AT_A = {"left": A, "right": _val(0)}


def _rank(name: str, rank: dict[str, Any], found: dict[str, float], *, ours: bool = False, **more: Any) -> SearchVector:
    """`found` holds id and score in the order of the answer."""
    search = {"rank": rank, "select": {"keys": ["#score"]}, **more}
    return SearchVector(name, AB, search, tuple(found), tuple(found.values()), ours=ours)


RANKS: tuple[SearchVector, ...] = (
    # The table of section 13.
    _rank("a list alone", A, {"x": 0.1, "y": 0.2}),
    _rank("no defaults: intersection", {"$sum": [A, B]}, {"y": 0.5}),
    _rank("two defaults: union", {"$sum": [A1, B1]}, {"y": 0.5, "x": 1.1, "z": 1.4}),
    _rank("one default: the list without", {"$sum": [A1, B]}, {"y": 0.5, "z": 1.4}),
    _rank("a constant finds nothing", _val(0), {}),
    _rank("times nothing keeps the list", {"$mul": [A, _val(0)]}, {"x": 0.0, "y": 0.0}),
    _rank(
        "rrf without defaults",
        _rrf(_knn("a", return_rank=True), _knn("b", return_rank=True)),
        {"y": -(1 / 61 + 1 / 60)},
    ),
    _rank(
        "rrf with defaults",
        _rrf(_knn("a", return_rank=True, default=100), _knn("b", return_rank=True, default=100)),
        {"y": -0.0330601, "x": -0.0229167, "z": -0.0226434},
    ),
    _rank("over zero", {"$div": AT_A}, {"x": INF, "y": INF}),
    _rank("log of negatives", {"$log": {"$sub": {"left": A, "right": _val(1)}}}, {"x": NAN, "y": NAN}),
    # 3.3, 3.4: lists, supports, defaults.
    _rank("a default alone adds nobody", A1, {"x": 0.1, "y": 0.2}),
    _rank("the default side is left of its sum", {"$sum": [A, B1]}, {"y": 0.5, "x": 1.1}),
    _rank(
        "half of each, one default",
        {"$sum": [{"$mul": [A, _val(0.5)]}, {"$mul": [B1, _val(0.5)]}]},
        {"y": 0.25, "x": 0.55},
    ),
    _rank("limit", _knn("a", limit=1), {"x": 0.1}),
    _rank("limit after the filter", _knn("a", limit=1), {"y": 0.2}, filter={"n": 0.25}),
    _rank("ranks count from 0", _knn("b", return_rank=True), {"y": 0.0, "z": 1.0}),
    _rank("a filter that passes nobody", A1, {}, filter={"n": 99}),
    _rank("a list times zero still restricts", {"$sum": [B1, {"$mul": [A, _val(0)]}]}, {"y": 0.3, "x": 1.0}),
    _rank("sub takes sides", {"$sub": {"left": _val(1), "right": A}}, {"y": 0.8, "x": 0.9}),
    _rank("unary of a default", {"$sum": [{"$abs": _knn("a", default=-2)}, B1]}, {"y": 0.5, "x": 1.1, "z": 2.4}),
    _rank("unary functions", {"$exp": {"$mul": [A, _val(0)]}}, {"x": 1.0, "y": 1.0}),
    # 3.5: numbers.
    _rank("zero over zero", {"$div": {"left": {"$mul": [A, _val(0)]}, "right": _val(0)}}, {"x": NAN, "y": NAN}),
    _rank("log of zero", {"$log": {"$mul": [A, _val(0)]}}, {"x": -INF, "y": -INF}),
    _rank("exp overflows", {"$exp": {"$mul": [A, _val(1e6)]}}, {"x": INF, "y": INF}),
    _rank("max of NaN and a number", {"$max": [{"$log": {"$mul": [A, _val(-1)]}}, _val(7)]}, {"x": 7.0, "y": 7.0}),
    _rank(
        "max of NaN alone is the first value of the fold",
        {"$max": [{"$log": {"$mul": [A, _val(-1)]}}, {"$log": {"$mul": [A, _val(-1)]}}]},
        {"x": -FLOAT32_MAX, "y": -FLOAT32_MAX},
    ),
    _rank("min of infinities", {"$min": [{"$div": AT_A}, {"$div": AT_A}]}, {"x": FLOAT32_MAX, "y": FLOAT32_MAX}),
    _rank("the clamp of upstream's docs", {"$max": [{"$min": [A, _val(0.0)]}, _val(1.0)]}, {"x": 1.0, "y": 1.0}),
    _rank("the clamp that clamps", {"$max": [{"$min": [A, _val(0.15)]}, _val(0.0)]}, {"x": 0.1, "y": 0.15}),
    _rank("NaN comes last", {"$log": {"$sub": {"left": A, "right": _val(0.15)}}}, {"y": math.log(0.05), "x": NAN}),
    _rank(
        "minus infinity comes first",
        {"$div": {"left": _val(-1), "right": _knn("a", return_rank=True)}},
        {"x": -INF, "y": -1.0},
    ),
    _rank(
        "infinity comes after numbers",
        {"$div": {"left": _val(1), "right": _knn("a", return_rank=True)}},
        {"y": 1.0, "x": INF},
    ),
    _rank("a key that nobody has", _knn("nowhere"), {}),
    # Ours.
    _rank("field", {"$field": {"key": "n"}}, {"y": 0.25, "x": 4.0}, ours=True),
    _rank("a default of a field adds nobody", {"$field": {"key": "n", "default": 0}}, {"y": 0.25, "x": 4.0}, ours=True),
    _rank("a list plus a field", {"$sum": [A1, {"$field": {"key": "n"}}]}, {"y": 0.45, "x": 4.1}, ours=True),
    _rank("sqrt and power", {"$sqrt": {"$field": {"key": "n"}}}, {"y": 0.5, "x": 2.0}, ours=True),
    _rank("power", {"$pow": {"left": {"$field": {"key": "n"}}, "right": _val(-1)}}, {"x": 0.25, "y": 4.0}, ours=True),
    _rank(
        "root of a negative",
        {"$pow": {"left": {"$mul": [{"$field": {"key": "n"}}, _val(-1)]}, "right": _val(0.5)}},
        {"x": NAN, "y": NAN},
        ours=True,
    ),
    _rank(
        "if covers every passing record",
        {"$if": {"condition": {"lang": "en"}, "then": _val(1), "else": _val(0)}},
        {"z": 0.0, "w": 0.0, "x": 1.0, "y": 1.0},
        ours=True,
    ),
    _rank(
        "if takes records for which its branch has a value",
        {"$if": {"condition": {"n": 4}, "then": B, "else": _knn("a", default=5)}},
        {"y": 0.2, "z": 5.0, "w": 5.0},
        ours=True,
    ),
    _rank(
        "decay halves at its scale",
        {"$decay": {"key": "n", "origin": 0.25, "scale": 3.75}},
        {"x": 0.5, "y": 1.0},
        ours=True,
    ),
    _rank(
        "gauss",
        {"$decay": {"key": "n", "origin": 0.25, "scale": 1.875, "kind": "gauss"}},
        {"x": 0.0625, "y": 1.0},
        ours=True,
    ),
    _rank(
        "linear reaches zero, offset is free",
        {"$decay": {"key": "n", "origin": 1.25, "scale": 1, "offset": 1, "kind": "linear"}},
        {"x": 0.125, "y": 1.0},
        ours=True,
    ),
    _rank(
        "rrf as a node",
        {"$rrf": {"ranks": [_knn("a", return_rank=True), _knn("b", return_rank=True)], "weights": [2, 1]}},
        {"y": -(2 / 61 + 1 / 60)},
    ),
)
