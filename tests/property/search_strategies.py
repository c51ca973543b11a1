"""Hypothesis strategies for searches that run on the records of `record_strategies`: filters, ranks, pages."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from chroma_search.dsl import (
    And,
    Bm25,
    Contains,
    Decay,
    EndsWith,
    Eq,
    Exists,
    Exp,
    Field,
    GroupBy,
    Gt,
    Gte,
    IEquals,
    If,
    In,
    IStartsWith,
    ISubstring,
    Knn,
    Limit,
    Log,
    Lt,
    Lte,
    MaxK,
    MinK,
    Ne,
    Nin,
    Not,
    NotContains,
    NotRegex,
    Or,
    OrderBy,
    Rank,
    Regex,
    Rrf,
    SearchClauses,
    Select,
    SortKey,
    Sqrt,
    StartsWith,
    Substring,
    Val,
    Where,
)
from tests.property.record_strategies import (
    IDS,
    SCALAR_KEYS,
    SPARSE_KEY,
    STRINGS,
    WORDS,
    embeddings,
    numbers,
    scalars,
    sparse_vectors,
)

keys = st.sampled_from((*SCALAR_KEYS, "missing"))
needles = st.sampled_from((*(each for each in STRINGS if each), *WORDS, "fo", "x "))
PATTERNS = ("fox", "^a", "b$", "o[xe]", "(?i)FOX", "^$", ".*", "fo|ab", "日", "a.b", "(?s)a.b", "[^a]", "x?")
patterns = st.sampled_from(PATTERNS)  # each means the same to RE2 and to Python's re


def same_class_lists() -> SearchStrategy[list[Any]]:
    """Return lists for `$in`: numbers, or strings, or bools."""
    kinds = (numbers(), st.sampled_from(STRINGS), st.booleans())
    return st.one_of(*(st.lists(kind, min_size=1, max_size=4) for kind in kinds))


def tests_of_fields() -> SearchStrategy[Where]:
    """Return single tests of metadata, documents and ids."""
    ordered = st.one_of(numbers(), st.sampled_from(STRINGS))
    return st.one_of(
        st.builds(Eq, keys, scalars()),
        st.builds(Ne, keys, scalars()),
        *(st.builds(kind, keys, ordered) for kind in (Gt, Gte, Lt, Lte)),
        st.builds(In, keys, same_class_lists()),
        st.builds(Nin, keys, same_class_lists()),
        st.builds(Contains, keys, scalars()),
        st.builds(NotContains, keys, scalars()),
        st.builds(Contains, st.just("#document"), needles),
        st.builds(NotContains, st.just("#document"), needles),
        *(
            st.builds(kind, st.one_of(keys, st.sampled_from(("#document", "#id"))), patterns)
            for kind in (Regex, NotRegex)
        ),
        st.builds(Exists, st.one_of(keys, st.sampled_from(("#document", "#id"))), st.booleans()),
        *(
            st.builds(kind, st.one_of(keys, st.sampled_from(("#document", "#id"))), needles)
            for kind in (Substring, StartsWith, EndsWith, ISubstring, IStartsWith, IEquals)
        ),
        st.builds(Eq, st.just("#id"), st.sampled_from(IDS)),
        st.builds(Nin, st.just("#id"), st.lists(st.sampled_from(IDS), min_size=1, max_size=3)),
    )


def wheres() -> SearchStrategy[Where]:
    """Return filters of some depth."""
    return st.recursive(
        tests_of_fields(),
        lambda inner: st.one_of(
            st.builds(And, st.lists(inner, min_size=1, max_size=3)),
            st.builds(Or, st.lists(inner, min_size=1, max_size=3)),
            st.builds(Not, inner),
        ),
        max_leaves=6,
    )


defaults = st.none() | st.sampled_from((0.0, 1.5, 100.0))
limits = st.integers(1, 6)


def knns() -> SearchStrategy[Rank]:
    """Return dense leaves."""
    return st.builds(Knn, embeddings().map(list), limit=limits, default=defaults, return_rank=st.booleans())


def leaves() -> SearchStrategy[Rank]:
    """Return leaves of every kind."""
    return st.one_of(
        knns(),
        st.builds(
            Knn, sparse_vectors(), st.just(SPARSE_KEY), limit=limits, default=defaults, return_rank=st.booleans()
        ),
        st.builds(
            Bm25,
            st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join),
            key=st.sampled_from(("#document", "s")),
            limit=limits,
            default=defaults,
            return_rank=st.booleans(),
            idf=st.sampled_from(("lucene", "okapi")),
        ),
        st.builds(Field, keys, default=defaults),
        st.builds(
            Decay,
            keys,
            st.integers(-2, 2),
            st.sampled_from((0.5, 2.0)),
            offset=st.sampled_from((0.0, 1.0)),
            kind=st.sampled_from(("exp", "gauss", "linear")),
            default=defaults,
        ),
        st.builds(Val, st.sampled_from((0, 1, -1.5, 2.0))),
    )


def ranks(base: SearchStrategy[Rank] | None = None) -> SearchStrategy[Rank]:
    """Return rank expressions of some depth."""
    return st.recursive(
        base or leaves(),
        lambda inner: st.one_of(
            st.builds(lambda a, b: a + b, inner, inner),
            st.builds(lambda a, b: a - b, inner, inner),
            st.builds(lambda a, b: a * b, inner, inner),
            st.builds(lambda a, b: a / b, inner, inner),
            st.builds(lambda a, b: a.min(b), inner, inner),
            st.builds(lambda a, b: a.max(b), inner, inner),
            st.builds(lambda a, b: a.pow(b), inner, inner),
            st.builds(abs, inner),
            st.builds(Exp, inner),
            st.builds(Log, inner),
            st.builds(Sqrt, inner),
            st.builds(If, tests_of_fields(), inner, inner),
            st.builds(
                Rrf, st.lists(inner, min_size=1, max_size=3), k=st.sampled_from((1, 60)), normalize=st.booleans()
            ),
        ),
        max_leaves=4,
    )


def group_bys() -> SearchStrategy[GroupBy]:
    """Return groupings."""
    aggregate_keys = st.lists(st.one_of(keys, st.just("#score")), min_size=1, max_size=2)
    aggregates = st.one_of(*(st.builds(kind, aggregate_keys, st.integers(1, 2)) for kind in (MinK, MaxK)))
    return st.builds(GroupBy, st.lists(keys, min_size=1, max_size=2), aggregates)


def order_bys() -> SearchStrategy[OrderBy]:
    """Return orderings by fields."""
    names = st.one_of(keys, st.sampled_from(("#score", "#id")))
    return st.lists(st.builds(SortKey, names, st.booleans()), min_size=1, max_size=2).map(OrderBy)


selects = st.sets(st.sampled_from(("#document", "#embedding", "#metadata", "#score", "n", "s", "nothing"))).map(Select)
pages = st.builds(Limit, st.integers(0, 4), st.none() | st.integers(0, 5))


def searches() -> SearchStrategy[SearchClauses]:
    """Return whole searches."""
    return st.builds(
        SearchClauses,
        where=st.none() | wheres(),
        rank=st.none() | ranks(),
        group_by=st.one_of(st.just(GroupBy()), group_bys()),
        limit=pages,
        select=selects,
        order_by=st.one_of(st.just(OrderBy()), order_bys()),
    )
