"""Hypothesis strategies for the query language itself: every node, with the names and values that break printers.

`search_strategies.py` makes searches whose answers are compared; here the searches need no records, so names and
values are as wild as the language allows. What `wheres`, `ranks` and `searches` make passes validation, what the
`odd_` ones make can be built and printed, but may have no meaning. `upstream=True` keeps to what chromadb has.

Strategies are cached: making one anew for every draw took nine tenths of the time of a test.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as nst
from hypothesis.strategies import SearchStrategy

from chroma_search import dsl
from chroma_search.dsl import (
    Field,
    GroupBy,
    Knn,
    Limit,
    MaxK,
    MinK,
    OrderBy,
    Rank,
    SearchClauses,
    Select,
    SortKey,
    Where,
)
from chroma_search.dsl.where import STRING_MATCHES
from chroma_search.model.sparse_vector import SparseVector

NAMES = ("year", "meta.author", "größe", "日本", "my key", "created-at", 'a"b', "a`b", "a''b", "", "2024", "a.")
KEYWORDS = ("limit", "NOT", "all", "Any", "if", "inf", "nan", "null", "min", "keep", "in", "ſelect", "ORDER")
FUNCTION_NAMES = ("knn", "rrf", "sparse", "log")
FIELDS = (*NAMES, *KEYWORDS, *FUNCTION_NAMES)
STRINGS = ("", "en", "it's", "''", "--", "a -- b", '"', "a\nb", "\\", "$q", "日本語", "x" * 50, ")", "\t", "\x00")


@cache
def texts() -> SearchStrategy[str]:
    """Give strings that can be stored: no lone surrogates."""
    return st.sampled_from(STRINGS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


@cache
def names(special: tuple[str, ...] = ()) -> SearchStrategy[str]:
    """Give names of metadata fields, and those of `special`."""
    wild = st.text(st.characters(exclude_categories=["Cs"]), max_size=5).filter(lambda name: name[:1] not in ("#", "$"))
    return st.sampled_from((*FIELDS, *special)) | wild


@cache
def ints() -> SearchStrategy[int]:
    """Give 64-bit ints."""
    return st.sampled_from((0, 1, -1, 2**53 + 1, 2**63 - 1, -(2**63))) | st.integers(-100, 100)


def floats(**bounds: Any) -> SearchStrategy[float]:
    """Give finite floats, or those within bounds."""
    return st.floats(**{"allow_nan": False, "allow_infinity": False, **bounds})


@cache
def numbers() -> SearchStrategy[float]:
    """Give ints and finite floats."""
    return ints() | floats()


@cache
def scalars() -> SearchStrategy[Any]:
    """Give operands of `$eq`."""
    return texts() | numbers() | st.booleans()


@cache
def lists_of_one_class(*, upstream: bool = False) -> SearchStrategy[tuple[Any, ...]]:
    """Give operands of `$in`; upstream's are of one Python type."""
    kinds = (texts(), *((ints(), floats()) if upstream else (numbers(),)), st.booleans())
    return st.one_of([st.lists(kind, min_size=1, max_size=4) for kind in kinds]).map(tuple)


def conditions(keys: SearchStrategy[str], *, upstream: bool = False) -> SearchStrategy[Where]:
    """Give one condition on one key."""
    made = [
        st.builds(dsl.Eq, keys, scalars()),
        st.builds(dsl.Ne, keys, scalars()),
        *(st.builds(kind, keys, numbers()) for kind in (dsl.Gt, dsl.Gte, dsl.Lt, dsl.Lte)),
        *(st.builds(kind, keys, lists_of_one_class(upstream=upstream)) for kind in (dsl.In, dsl.Nin)),
        *(st.builds(kind, keys, scalars()) for kind in (dsl.Contains, dsl.NotContains)),
        *(
            st.builds(kind, st.just("#document"), texts())
            for kind in (dsl.Contains, dsl.NotContains, dsl.Regex, dsl.NotRegex)
        ),
    ]
    if not upstream:
        made += [
            *(st.builds(kind, keys, texts()) for kind in (dsl.Gt, dsl.Gte, dsl.Lt, dsl.Lte)),
            *(st.builds(kind, keys, texts()) for kind in (dsl.Regex, dsl.NotRegex, *STRING_MATCHES.values())),
            st.builds(dsl.Exists, keys | st.just("#document"), st.booleans()),
            st.builds(dsl.Substring, st.just("#document"), texts()),
        ]
    return st.one_of(made)


@cache
def wheres(keys: tuple[str, ...] | None = None, *, upstream: bool = False) -> SearchStrategy[Where]:
    """Give filters that pass validation, over `keys` or wild ones."""
    fields = names(("#id", "#score", "#x")) if keys is None else st.sampled_from(list(keys))

    def combined(inner: SearchStrategy[Where]) -> SearchStrategy[Where]:
        several = st.lists(inner, min_size=1, max_size=3)
        made = st.builds(dsl.And, several) | st.builds(dsl.Or, several)
        return made if upstream else made | st.builds(dsl.Not, inner)

    return st.recursive(conditions(fields, upstream=upstream), combined, max_leaves=6)


@cache
def vectors() -> SearchStrategy[Any]:
    """Give dense queries in every form that Knn takes; NaN and infinities too."""
    wild = st.floats(width=32)
    rows = st.lists(wild | st.integers(-(2**24), 2**24), min_size=1, max_size=4)
    arrays = nst.arrays(st.sampled_from([np.float16, np.float32, np.float64]), st.integers(1, 4))
    whole = nst.arrays(np.int32, st.integers(1, 4))
    return rows | rows.map(tuple) | rows.map(lambda row: [row]) | arrays | whole | arrays.map(lambda array: array[None])


@st.composite
def sparse_vectors(draw: st.DrawFn) -> SparseVector:
    """Give sparse vectors, empty ones and such with tokens too."""
    indices = sorted(draw(st.sets(st.integers(0, 50) | st.just(2**63 - 1), max_size=4)))
    values = [draw(floats(width=32) | st.integers(-5, 5)) for _ in indices]
    tokens = [draw(texts()) for _ in indices] if draw(st.booleans()) else None
    return SparseVector(indices, values, tokens)


@cache
def defaults() -> SearchStrategy[float | None]:
    """Give defaults of leaves; a NaN or an infinity is one too."""
    return st.none() | st.floats() | st.integers(-1000, 1000)


@cache
def knns(*, upstream: bool = False, tagged: bool = False) -> SearchStrategy[Rank]:
    """Give Knn leaves; `tagged` leaves out sparse queries without their `#type`, which JSON does not take."""
    rest = {"limit": st.integers(1, 2**63 - 1), "return_rank": st.booleans()}
    rest["default"] = st.none() | floats() if upstream else defaults()
    keys = names()
    dense = st.builds(Knn, vectors(), **rest)
    sparse = st.builds(Knn, sparse_vectors(), keys, **rest)
    untagged = st.builds(Knn, sparse_vectors().map(lambda v: {"indices": v.indices, "values": v.values}), keys, **rest)
    words = st.builds(Knn, texts(), keys | st.just("#embedding"), **rest)
    return st.one_of([dense, sparse, words, *([] if tagged else [untagged])])


@cache
def ranks(*, upstream: bool = False, tagged: bool = False) -> SearchStrategy[Rank]:
    """Give ranks that pass validation."""
    constants = st.builds(dsl.Val, numbers() if upstream else numbers() | st.floats())
    leaves = [knns(upstream=upstream, tagged=tagged), constants]
    if not upstream:
        rest = {"limit": st.integers(1, 99), "default": defaults(), "return_rank": st.booleans()}
        weights = {
            "k1": floats(min_value=0),
            "b": floats(min_value=0, max_value=1),
            "idf": st.sampled_from(["lucene", "okapi"]),
        }
        positive = floats(min_value=0, exclude_min=True)
        leaves += [
            st.builds(Field, names(), defaults()),
            st.builds(dsl.Bm25, texts(), names() | st.just("#document"), **weights, **rest),
            st.builds(
                dsl.Decay,
                names(),
                numbers(),
                positive | st.integers(1, 9),
                offset=floats(min_value=0),
                factor=floats(min_value=0, max_value=1, exclude_min=True, exclude_max=True),
                kind=st.sampled_from(["exp", "gauss", "linear"]),
                default=defaults(),
            ),
        ]
    return st.recursive(st.one_of(leaves), lambda inner: _combined(inner, upstream=upstream), max_leaves=6)


def _combined(inner: SearchStrategy[Rank], *, upstream: bool) -> SearchStrategy[Rank]:
    several = st.lists(inner, min_size=2, max_size=3)
    made = [
        *(st.builds(kind, several) for kind in (dsl.Sum, dsl.Mul, dsl.Max, dsl.Min)),
        *(st.builds(kind, inner, inner) for kind in (dsl.Sub, dsl.Div)),
        *(st.builds(kind, inner) for kind in (dsl.Abs, dsl.Exp, dsl.Log)),
        inner.map(lambda rank: -rank),
        rrfs(inner),
    ]
    if not upstream:
        made += [
            st.builds(dsl.Pow, inner, inner),
            st.builds(dsl.Sqrt, inner),
            st.builds(dsl.If, wheres(), inner, inner),
        ]
    return st.one_of(made)


@st.composite
def rrfs(draw: st.DrawFn, inner: SearchStrategy[Rank]) -> Rank:
    """Give fusions with weights that fit."""
    children = draw(st.lists(inner, min_size=1, max_size=3))
    weights = [draw(st.integers(0, 3) | floats(min_value=0, max_value=1e6)) for _ in children]
    normalize = draw(st.booleans()) and sum(weights) > 0
    k = draw(st.just(60) | st.integers(1, 100) | floats(min_value=0.1, max_value=1e6))
    return dsl.Rrf(children, k, weights if normalize or draw(st.booleans()) else None, normalize)


@cache
def aggregates() -> SearchStrategy[Any]:
    """Give MinK and MaxK."""
    keys = st.lists(names(("#score",)), min_size=1, max_size=2)
    return st.builds(MinK, keys, st.integers(1, 2**63 - 1)) | st.builds(MaxK, keys, st.integers(1, 9))


@st.composite
def searches(draw: st.DrawFn, *, upstream: bool = False, tagged: bool = False) -> SearchClauses:
    """Give whole searches that pass validation; any clause may be missing."""
    rank = draw(st.none() | ranks(upstream=upstream, tagged=tagged))
    can_group = rank is not None or not upstream
    group_by = GroupBy(draw(st.lists(names(), min_size=1, max_size=2)), draw(aggregates()))
    columns = names(("#document", "#embedding", "#metadata", "#score", "#id"))
    sort_keys = st.builds(SortKey, names(("#score", "#id")), st.booleans())
    return SearchClauses(
        where=draw(st.none() | wheres(upstream=upstream)),
        rank=rank,
        group_by=group_by if can_group and draw(st.booleans()) else GroupBy(),
        limit=draw(st.builds(Limit, st.integers(0, 2**63 - 1) | st.just(0), st.none() | st.integers(1, 99))),
        select=draw(st.builds(Select, st.lists(columns, max_size=3))),
        order_by=OrderBy(()) if upstream else draw(st.builds(OrderBy, st.lists(sort_keys, max_size=2))),
    )


@cache
def odd_wheres() -> SearchStrategy[Where]:
    """Give filters that can be built and printed, with and without meaning."""
    keys = names(("#document", "$and"))
    values = scalars() | st.none() | st.floats() | st.integers(-(2**80), 2**80) | st.text(max_size=3)
    leaves = st.one_of(
        *(st.builds(kind, keys, values) for kind in (dsl.Eq, dsl.Ne, dsl.Gt, dsl.Lte, dsl.Contains, dsl.NotContains)),
        *(st.builds(kind, keys, st.lists(values, max_size=3)) for kind in (dsl.In, dsl.Nin)),
    )

    def combined(inner: SearchStrategy[Where]) -> SearchStrategy[Where]:
        several = st.lists(inner, max_size=3)
        return st.builds(dsl.And, several) | st.builds(dsl.Or, several) | st.builds(dsl.Not, inner)

    return st.recursive(leaves, combined, max_leaves=6)


@cache
def odd_ranks() -> SearchStrategy[Rank]:
    """Give ranks that can be built and printed, with and without meaning."""
    keys = names(("#score", "$x"))
    anything = st.floats() | st.integers(-(2**80), 2**80)
    leaves = st.one_of(
        st.builds(dsl.Val, anything),
        st.builds(Field, keys, st.none() | anything),
        st.builds(Knn, texts() | vectors() | st.just([]), keys, st.integers(-3, 3), st.none() | anything),
        st.builds(dsl.Bm25, texts(), keys, anything, anything, idf=texts()),
        st.builds(dsl.Decay, keys, anything, anything, anything, anything, texts()),
    )

    def combined(inner: SearchStrategy[Rank]) -> SearchStrategy[Rank]:
        several = st.lists(inner, max_size=3)
        fused = st.builds(dsl.Rrf, st.lists(inner, min_size=1, max_size=2), anything, st.none() | st.lists(anything))
        joined = [st.builds(kind, several) for kind in (dsl.Sum, dsl.Mul, dsl.Max, dsl.Min)]
        pairs = [st.builds(kind, inner, inner) for kind in (dsl.Sub, dsl.Div, dsl.Pow)]
        return st.one_of(*joined, *pairs, fused, st.builds(dsl.If, odd_wheres(), inner, inner), inner.map(lambda r: -r))

    return st.recursive(leaves, combined, max_leaves=6)
