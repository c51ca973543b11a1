"""Groups, pages, columns and orders (4, 5, 6, 7, 13)."""

from __future__ import annotations

from typing import Any

from tests.oracle.vectors.shapes import Dataset, SearchVector

# Inner product over one dimension: the score of each record is 1 - its number.
SCORED = Dataset(
    "SCORED",
    ids=("p", "q", "s", "t", "u"),
    space="ip",
    embeddings=((0.9,), (0.8,), (0.7,), (0.6,), (0.5,)),
    documents=("P", None, "S", "", "U"),
    metadatas=({"c": 1}, {"c": 1, "r": 5}, {"r": 1}, None, {"c": 2, "r": 9}),
)
MIXED = Dataset(
    "MIXED",
    ids=("a", "b", "c", "d", "e", "f", "g", "h"),
    space="ip",
    embeddings=((0.9,), (0.8,), (0.7,), (0.6,), (0.5,), (0.4,), (0.3,), (0.2,)),
    metadatas=(
        {"v": 1, "t": "x"},
        {"v": "1"},
        {"v": True, "t": "x"},
        {"v": 1.0},
        {"w": 1},
        {"v": [1, 2]},
        {"v": 0.5, "t": "y"},
        {"v": [1.0, 2.0]},
    ),
)
NEAREST = {"$knn": {"query": [1.0], "limit": 10}}
# p and q are NaN, then s < t < u.
SOME_NAN = {"rank": {"$log": {"$sub": {"left": NEAREST, "right": {"$val": 0.25}}}}}


def _page(name: str, data: Dataset, search: dict[str, Any], ids: str, **more: Any) -> SearchVector:
    return SearchVector(name, data, search, tuple(ids), **more)


def _groups(name: str, keys: list[str], op: str, by: list[str], k: int, ids: str, **more: Any) -> SearchVector:
    search = {"rank": NEAREST, "group_by": {"keys": keys, "aggregate": {op: {"keys": by, "k": k}}}}
    data = more.pop("data", SCORED)
    return _page(name, data, {**search, **more.pop("search", {})}, ids, **more)


def _selecting(*names: str) -> dict[str, Any]:
    return {"rank": NEAREST, "select": {"keys": list(names)}, "limit": {"offset": 0, "limit": 3}}


def _nothing_but(**columns: Any) -> dict[str, Any]:
    return {"documents": None, "embeddings": None, "metadatas": None, "scores": None, **columns}


PAGES: tuple[SearchVector, ...] = (
    # Groups: the table of section 13, then 4.
    _groups("the least of each group, missing first", ["c"], "$min_k", ["r"], 1, "ptu"),
    _groups("the greatest of each group, missing last", ["c"], "$max_k", ["r"], 1, "qsu"),
    _groups("the best of each group", ["c"], "$min_k", ["#score"], 1, "psu"),
    _groups("the worst of each group, listed by score", ["c"], "$max_k", ["#score"], 1, "qtu"),
    _groups("two of each group", ["c"], "$min_k", ["#score"], 2, "pqstu"),
    _groups("two group keys", ["c", "r"], "$min_k", ["#score"], 1, "pqstu"),
    _groups("groups, then the page", ["c"], "$min_k", ["r"], 1, "tu", search={"limit": {"offset": 1, "limit": 5}}),
    _groups("an aggregate key that nobody has keeps the order", ["c"], "$max_k", ["nothing"], 1, "psu"),
    _groups("1 and 1.0 are one group, 'one' and true their own", ["v"], "$min_k", ["#score"], 1, "abcefg", data=MIXED),
    _groups("classes have an order", ["nothing"], "$min_k", ["v"], 5, "acdeg", data=MIXED),
    _groups("classes in reverse", ["nothing"], "$max_k", ["v"], 3, "bfh", data=MIXED),
    _groups("a tuple of keys", ["nothing"], "$max_k", ["t", "v"], 3, "acg", data=MIXED),
    _groups("ties keep the order of the ranking", ["nothing"], "$max_k", ["t"], 2, "ag", data=MIXED),
    _groups("NaN is last of the least", ["nothing"], "$min_k", ["#score"], 4, "stup", search=SOME_NAN),
    _groups("NaN is last of the greatest too", ["nothing"], "$max_k", ["#score"], 4, "stup", search=SOME_NAN),
    _groups("the greatest score is a number", ["nothing"], "$max_k", ["#score"], 1, "u", search=SOME_NAN),
    _page(
        "groups without a rank",
        SCORED,
        {
            "group_by": {"keys": ["c"], "aggregate": {"$max_k": {"keys": ["#score"], "k": 1}}},
            "select": {"keys": ["#score"]},
        },
        "qtu",
        scores=(1.0, 3.0, 4.0),
        ours=True,
    ),
    # 5: the page.
    _page("no rank: insertion order", SCORED, {}, "pqstu"),
    _page("offset", SCORED, {"limit": {"offset": 3}}, "tu"),
    _page("offset and limit", SCORED, {"rank": NEAREST, "limit": {"offset": 1, "limit": 2}}, "qs"),
    _page("offset past the end", SCORED, {"rank": NEAREST, "limit": {"offset": 9, "limit": 2}}, ""),
    _page(
        "the score without a rank is the place among all that pass",
        SCORED,
        {"filter": {"c": {"$exists": True}}, "limit": {"offset": 1, "limit": 5}, "select": {"keys": ["#score"]}},
        "qu",
        scores=(1.0, 2.0),
        ours=True,
    ),
    # 6, 7.2: columns.
    _page("ids alone", SCORED, _selecting(), "pqs", columns=_nothing_but(select=[])),
    _page(
        "documents",
        SCORED,
        _selecting("#document"),
        "pqs",
        columns=_nothing_but(documents=["P", None, "S"], select=["#document"]),
    ),
    _page(
        "a field; null when nothing remains",
        SCORED,
        _selecting("r", "r"),
        "pqs",
        columns=_nothing_but(metadatas=[None, {"r": 5}, {"r": 1}], select=["r"]),
    ),
    _page(
        "two fields and the score, echoed in order",
        SCORED,
        _selecting("r", "#score", "c"),
        "pqs",
        scores=(0.1, 0.2, 0.3),
        columns={
            "metadatas": [{"c": 1}, {"c": 1, "r": 5}, {"r": 1}],
            "documents": None,
            "select": ["#score", "c", "r"],
        },
    ),
    _page(
        "all metadata wins over a field",
        SCORED,
        _selecting("r", "#metadata"),
        "pqs",
        columns=_nothing_but(metadatas=[{"c": 1}, {"c": 1, "r": 5}, {"r": 1}], select=["#metadata", "r"]),
    ),
    _page(
        "an id among the fields shows no metadata",
        SCORED,
        _selecting("#id"),
        "pqs",
        columns=_nothing_but(metadatas=[None, None, None], select=["#id"]),
    ),
    # Ours: order by.
    _page("order by a field, missing last", SCORED, {"rank": NEAREST, "order_by": {"keys": ["r"]}}, "squpt", ours=True),
    _page(
        "order down, missing last",
        SCORED,
        {"rank": NEAREST, "order_by": {"keys": [{"key": "r", "descending": True}]}},
        "uqspt",
        ours=True,
    ),
    _page("ties by score", SCORED, {"rank": NEAREST, "order_by": {"keys": ["c"]}}, "pqust", ours=True),
    _page(
        "two keys",
        SCORED,
        {"rank": NEAREST, "order_by": {"keys": ["c", {"key": "r", "descending": True}]}},
        "qpust",
        ours=True,
    ),
    _page(
        "order without a rank", SCORED, {"order_by": {"keys": [{"key": "#id", "descending": True}]}}, "utsqp", ours=True
    ),
    _page(
        "order by score, down",
        SCORED,
        {"rank": NEAREST, "order_by": {"keys": [{"key": "#score", "descending": True}]}},
        "utsqp",
        ours=True,
    ),
    _page(
        "order by score, down, NaN last",
        SCORED,
        {**SOME_NAN, "order_by": {"keys": [{"key": "#score", "descending": True}]}},
        "utspq",
        ours=True,
    ),
    _page("order by score, NaN last", SCORED, {**SOME_NAN, "order_by": {"keys": ["#score"]}}, "stupq", ours=True),
    _page("classes of values", MIXED, {"order_by": {"keys": ["v"]}}, "cgadbfhe", ours=True),
    _page(
        "classes of values down",
        MIXED,
        {"order_by": {"keys": [{"key": "v", "descending": True}]}},
        "fhbadgce",
        ours=True,
    ),
    _page(
        "order, then the page",
        SCORED,
        {"rank": NEAREST, "order_by": {"keys": ["r"]}, "limit": {"offset": 1, "limit": 2}},
        "qu",
        ours=True,
    ),
)
