"""Hypothesis strategies for small, adversarial records and for histories of writes.

Embeddings and sparse values are quarters, so that distances are exact in float32 and tie often. Metadata mixes types
under one key and holds what breaks naive code: ints beyond 2^53, -0.0, strings outside the first plane. A history is
a list of plain operations; `apply` replays one on anything with a collection's methods (oracle, engine, chromadb).
`upstream=True` leaves out what chromadb 1.5.9 refuses locally (sparse vectors, None in `add`) or shows in another way
(a record with a uri has metadata `{}` there).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from chroma_search.model.sparse_vector import SparseVector

DIMENSION = 2
IDS = ("a", "b", "c", "d", "B", "é", "😀", "a b")
SCALAR_KEYS = ("n", "m", "s", "tags")
SPARSE_KEY = "sp"
WORDS = (
    "fox",
    "Fox",
    "fo",
    "ox",
    "foxes",
    "the",
    "a",
    "日本語",
    "本",
    "é",
    "e\u0301",
    "straße",
    "STRASSE",
    "😀",
    "x_%",
)
STRINGS = ("", "a", "A", "b", "ab", "é", "e\u0301", "😀", "\uffff", "日本", "straße", "STRASSE", "1", "a\nb")
BIG_INTS = (2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63) + 1)
ODD_FLOATS = (-0.0, 0.1, 0.5, float(2**53), 1e300, -1e300, 5e-324, 9.3e18)


@dataclass(frozen=True)
class Row:
    """One record of a write; None leaves a field as it is."""

    id: str
    embedding: tuple[float, ...] | None = None
    document: str | None = None
    metadata: dict[str, Any] | None = None
    uri: str | None = None


@dataclass(frozen=True)
class Write:
    """An `add`, `update` or `upsert`; the rows have different ids, and all or none of them an embedding."""

    kind: Literal["add", "update", "upsert"]
    rows: tuple[Row, ...]

    def arguments(self) -> dict[str, Any]:
        """Return keyword arguments; a column in which every row is None is left out."""
        columns = {
            "embeddings": [None if row.embedding is None else list(row.embedding) for row in self.rows],
            "documents": [row.document for row in self.rows],
            "metadatas": [None if row.metadata is None else dict(row.metadata) for row in self.rows],
            "uris": [row.uri for row in self.rows],
        }
        given = {name: column for name, column in columns.items() if any(each is not None for each in column)}
        return {"ids": [row.id for row in self.rows], **given}


@dataclass(frozen=True)
class Delete:
    """A `delete`; at least one of ids and filters is given, a limit only with a filter."""

    ids: tuple[str, ...] | None = None
    where: dict[str, Any] | None = None
    where_document: dict[str, Any] | None = None
    limit: int | None = None

    def arguments(self) -> dict[str, Any]:
        """Return keyword arguments; what is None is left out."""
        ids = None if self.ids is None else list(self.ids)
        given = {"ids": ids, "where": self.where, "where_document": self.where_document, "limit": self.limit}
        return {name: value for name, value in given.items() if value is not None}


Operation = Write | Delete


def apply(operation: Operation, collection: Any) -> Any:
    """Replay an operation on a collection; returns what the call returns."""
    call = getattr(collection, operation.kind if isinstance(operation, Write) else "delete")
    return call(**operation.arguments())


# --- fields: few draws each, and built once, for drawing is what these tests spend their time on ----------------------

NUMBERS = (0, 1, 2, 3, -1, -2, 0.0, 1.0, 2.0, 3.0, -1.0, -2.0, *BIG_INTS, *ODD_FLOATS)
# Each of these several times, so that records and filters meet, also across the types.
COMMON_NUMBERS = (0, 1, 1.0, 2, 2.0, -1.0) * 4 + (2**53, 2**53 + 1, float(2**53)) * 2
COMMON_SCALARS = (*COMMON_NUMBERS, *(True, False, "a", "A", "") * 4)
ARRAYS = (
    *([1], [1, 2], [2, 2], [0, -1, 3], [2**53 + 1]),
    *([1.0], [1.5, 2.0], [-0.0], [float(2**53), 0.1]),
    *([True], [False], [True, False]),
    *(["a"], ["a", "A"], [""], ["日本", "😀"], ["b", "b"]),
)
SPARSE_DIMENSIONS = (0, 1, 2, 3, 2**31)


@cache
def embeddings(dimension: int = DIMENSION) -> SearchStrategy[tuple[float, ...]]:
    """Return vectors of quarters between -2 and 2, zero vectors and repetitions included."""
    return st.tuples(*[st.integers(-8, 8).map(lambda n: n / 4)] * dimension)


@cache
def documents() -> SearchStrategy[str]:
    """Return texts of few words, the empty text included."""
    return st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join)


@cache
def sparse_vectors() -> SearchStrategy[SparseVector]:
    """Return sparse vectors over few dimensions, so that they share some; empty ones and stored zeros included."""
    values = st.dictionaries(st.sampled_from(SPARSE_DIMENSIONS), st.integers(-4, 8).map(lambda n: n / 4), max_size=4)
    return values.map(lambda held: SparseVector(sorted(held), [held[each] for each in sorted(held)]))


@cache
def numbers() -> SearchStrategy[int | float]:
    """Return ints and floats, many of them equal across the two types."""
    return st.sampled_from((*COMMON_NUMBERS, *NUMBERS))


@cache
def scalars() -> SearchStrategy[Any]:
    """Return metadata values that are no arrays, also as operands of filters."""
    return st.sampled_from((*COMMON_SCALARS, *NUMBERS, *STRINGS))


@cache
def arrays() -> SearchStrategy[list[Any]]:
    """Return arrays of one element type, never empty."""
    return st.sampled_from(ARRAYS)


@cache
def metadatas(*, nulls: bool = True, upstream: bool = False) -> SearchStrategy[dict[str, Any]]:
    """Return metadata, never empty; `nulls` lets values be None (which deletes the key, or is dropped)."""
    nothing = (None,) * 10 if nulls else ()
    values = st.sampled_from((*COMMON_SCALARS, *NUMBERS, *STRINGS, *ARRAYS, *nothing))  # one draw: it weighs its parts
    fields: SearchStrategy[dict[str, Any]] = st.lists(
        st.tuples(st.sampled_from(SCALAR_KEYS), values), min_size=1, max_size=4
    ).map(dict)
    if upstream:
        return fields
    sparse = st.builds(lambda value: {SPARSE_KEY: value}, st.none() | sparse_vectors() if nulls else sparse_vectors())
    return st.builds(lambda scalar, vector: {**scalar, **vector}, fields, st.just({}) | sparse)


# --- records and histories -------------------------------------------------------------------------------------------


@cache
def rows(kind: Literal["add", "update", "upsert"], *, embedded: bool, upstream: bool) -> SearchStrategy[Row]:
    """Return single records; one has a document only where it has an embedding (nothing here embeds texts)."""
    nothing = st.none()
    return st.builds(
        Row,
        st.sampled_from(IDS),
        embeddings() if embedded else nothing,
        nothing | documents() if embedded else nothing,
        nothing | metadatas(nulls=not (upstream and kind == "add"), upstream=upstream),
        nothing if upstream else st.sampled_from((None, None, "file:a", "file:b")),
    )


@cache
def writes(
    kind: Literal["add", "update", "upsert"], *, upstream: bool = False, max_rows: int = 4
) -> SearchStrategy[Write]:
    """Return writes of one row or more; an update has embeddings in all of its rows or in none."""
    ways = [rows(kind, embedded=True, upstream=upstream)]
    if kind == "update":
        ways.append(rows(kind, embedded=False, upstream=upstream))
    batches = [st.lists(way, min_size=1, max_size=max_rows, unique_by=lambda row: row.id) for way in ways]
    return st.one_of(*batches).map(lambda batch: Write(kind, tuple(batch)))


FILTERS: tuple[dict[str, Any], ...] = (
    {"n": 1},
    {"n": {"$gte": 1}},
    {"s": {"$ne": "a"}},
    {"m": {"$in": [0, 1, 2]}},
    {"$or": [{"n": True}, {"tags": {"$contains": "a"}}]},
    {"$and": [{"n": {"$ne": 1}}, {"m": {"$nin": [1]}}]},
)
DOCUMENT_FILTERS: tuple[dict[str, Any], ...] = ({"$contains": "fox"}, {"$not_contains": "本"}, {"$contains": "e"})


@cache
def deletes() -> SearchStrategy[Delete]:
    """Return deletes by ids (unknown ones too), by a filter, or by both."""
    ids = st.lists(st.sampled_from(IDS), min_size=1, max_size=4, unique=True).map(tuple)
    limits = st.none() | st.integers(0, 3)
    return st.one_of(
        st.builds(Delete, ids),
        st.builds(Delete, st.none() | ids, st.sampled_from(FILTERS), limit=limits),
        st.builds(Delete, st.none() | ids, where_document=st.sampled_from(DOCUMENT_FILTERS), limit=limits),
    )


@cache
def operations(*, upstream: bool = False) -> SearchStrategy[Operation]:
    """Return one write or delete; adds and upserts are the most frequent."""
    added = writes("add", upstream=upstream)
    return st.one_of(added, writes("upsert", upstream=upstream), writes("update", upstream=upstream), deletes(), added)


@cache
def histories(*, upstream: bool = False, max_size: int = 8) -> SearchStrategy[list[Operation]]:
    """Return histories that begin with an `add`, so that most of them hold records at the end."""
    rest = st.lists(operations(upstream=upstream), max_size=max_size - 1)
    return st.tuples(collections(upstream=upstream), rest).map(lambda parts: [parts[0], *parts[1]])


@cache
def collections(*, upstream: bool = False) -> SearchStrategy[Write]:
    """Return the records of a small collection as one `add`."""
    return writes("add", upstream=upstream, max_rows=len(IDS))
