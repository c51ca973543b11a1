"""Our client against the in-memory client of the installed chromadb: the same calls, the same answers.

Random histories of writes and deletes go to both; afterwards both are asked the same random questions. Questions and
data stay away from the places where we answer differently on purpose; each of those has a test of its own below, named
as in docs/deviations.md, so that a deviation that upstream gives up shows.
"""

from __future__ import annotations

import uuid
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

import chroma_search
from chroma_search.errors import InvalidArgumentError
from tests.property.record_strategies import IDS, SCALAR_KEYS, STRINGS, WORDS, Operation, apply, embeddings, histories

SPACES = ("l2", "cosine", "ip")
EVERYTHING = ["documents", "metadatas", "embeddings"]


@pytest.fixture(scope="module")
def theirs() -> Any:
    import chromadb
    from chromadb.config import Settings

    return chromadb.EphemeralClient(Settings(anonymized_telemetry=False))


@pytest.fixture(scope="module")
def ours() -> Any:
    return chroma_search.EphemeralClient()


# --- questions on which both should agree ----------------------------------------------------------------------------


def operands() -> SearchStrategy[Any]:
    """Return operands without fractions: chromadb cuts them off before it compares with ints."""
    whole = st.integers(-3, 4)
    return st.one_of(whole, whole.map(float), st.booleans(), st.sampled_from(STRINGS))


def lists() -> SearchStrategy[list[Any]]:
    """Return operands of `$in`: not empty, of one type."""
    kinds: tuple[SearchStrategy[Any], ...] = (st.integers(-3, 4), st.booleans(), st.sampled_from(STRINGS))
    return st.one_of(*(st.lists(kind, min_size=1, max_size=4) for kind in kinds))


def conditions() -> SearchStrategy[dict[str, Any]]:
    """Return tests of one field. Membership in arrays is asked for texts and booleans only."""
    equal = st.tuples(st.sampled_from(("$eq", "$ne")), operands())
    order = st.tuples(st.sampled_from(("$gt", "$gte", "$lt", "$lte")), st.integers(-3, 4))
    member = st.tuples(st.sampled_from(("$in", "$nin")), lists())
    holds = st.tuples(st.sampled_from(("$contains", "$not_contains")), st.booleans() | st.sampled_from(STRINGS))
    tests = st.one_of(equal, order, member, holds).map(lambda pair: {pair[0]: pair[1]})
    on_field = st.tuples(st.sampled_from((*SCALAR_KEYS, "absent")), tests | operands())
    words = st.sampled_from(WORDS)
    on_document = st.tuples(st.sampled_from(("$contains", "$not_contains")), words).map(lambda pair: dict([pair]))
    return st.one_of(on_field.map(lambda pair: dict([pair])), on_document.map(lambda test: {"#document": test}))


def joined(leaves: SearchStrategy[dict[str, Any]]) -> SearchStrategy[dict[str, Any]]:
    """Return the leaves below `$and` and `$or`, each with two parts at least."""
    return st.recursive(
        leaves,
        lambda part: st.tuples(st.sampled_from(("$and", "$or")), st.lists(part, min_size=2, max_size=3)).map(
            lambda pair: {str(pair[0]): pair[1]}
        ),
        max_leaves=5,
    )


PATTERNS = (
    "fox",
    "^fo",
    "x$",
    "(?i)FOX",
    "f.x",
    "^$",
    "[a-f]ox",
    "日|é",
    r"\bthe\b",
    r"fox\w+",
    "x_%",
    ".*",
    "e{1,2}s",
)


def document_filters() -> SearchStrategy[dict[str, Any]]:
    contains = st.tuples(st.sampled_from(("$contains", "$not_contains")), st.sampled_from(WORDS))
    regex = st.tuples(st.sampled_from(("$regex", "$not_regex")), st.sampled_from(PATTERNS))
    return joined(st.one_of(contains, regex).map(lambda pair: dict([pair])))


@st.composite
def questions(draw: st.DrawFn) -> dict[str, Any]:
    """Draw the arguments of a `get`."""
    chosen: dict[str, Any] = {}
    if draw(st.booleans()):
        chosen["ids"] = draw(st.lists(st.sampled_from((*IDS, "unknown")), min_size=1, max_size=5, unique=True))
    if draw(st.booleans()):
        chosen["where"] = draw(joined(conditions()))
    if draw(st.booleans()):
        chosen["where_document"] = draw(document_filters())
    if draw(st.booleans()):
        chosen["limit"] = draw(st.integers(0, 5))
    if draw(st.booleans()):
        chosen["offset"] = draw(st.integers(0, 5))
    return chosen


def tagged(value: Any) -> Any:
    """Return a value with its types, so that 1, 1.0 and True differ."""
    if isinstance(value, dict):
        return {key: tagged(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [tagged(each) for each in value]
    return (type(value).__name__, value)


def same_answers(a: Any, b: Any, question: dict[str, Any]) -> None:
    """Ask both for records and compare every column."""
    mine, reference = a.get(**question, include=EVERYTHING), b.get(**question, include=EVERYTHING)
    assert mine.keys() == reference.keys()
    for name in reference.keys() - {"embeddings"}:
        assert tagged(mine[name]) == tagged(reference[name]), (name, question)
    rows = len(reference["ids"])
    expected = np.reshape(reference["embeddings"], (rows, -1)) if rows else np.empty((0, 0))
    assert np.reshape(mine["embeddings"], (rows, -1) if rows else (0, 0)) == pytest.approx(expected, rel=1e-6)


def same_neighbours(a: Any, b: Any, vector: tuple[float, ...], n_results: int, question: dict[str, Any]) -> None:
    """Ask both for the nearest records: equal distances, and each id at its own distance (ties may fall otherwise)."""
    (everything,) = a.query(query_embeddings=[list(vector)], n_results=99)["ids"]
    (all_distances,) = a.query(query_embeddings=[list(vector)], n_results=99)["distances"]
    distances = dict(zip(everything, all_distances, strict=True))
    mine = a.query(query_embeddings=[list(vector)], n_results=n_results, **question)
    reference = b.query(query_embeddings=[list(vector)], n_results=n_results, **question)
    assert mine.keys() == reference.keys()
    assert mine["distances"][0] == pytest.approx(reference["distances"][0], abs=2e-6)
    assert [distances[each] for each in reference["ids"][0]] == pytest.approx(reference["distances"][0], abs=2e-6)


@pytest.mark.slow
@pytest.mark.parametrize("space", SPACES)
def test_the_same_history_gives_the_same_answers(ours: Any, theirs: Any, space: str) -> None:
    @settings(max_examples=settings().max_examples * 2 // 5)  # 40; the profile explore takes 800
    @given(histories(upstream=True), st.lists(questions(), min_size=1, max_size=4), embeddings(), st.integers(1, 4))
    def check(history: list[Operation], asked: list[dict[str, Any]], vector: tuple[float, ...], most: int) -> None:
        name = f"c{uuid.uuid4().hex}"
        configuration: Any = {"hnsw": {"space": space}}
        a = ours.create_collection(name, embedding_function=None, configuration=configuration)
        b = theirs.create_collection(name, embedding_function=None, configuration=configuration)
        try:
            for operation in history:
                assert apply(operation, a) == apply(operation, b), operation
                assert a.count() == b.count()
            for question in ({}, *asked):
                same_answers(a, b, question)
            held = a.get()["ids"]
            filters = {name: asked[0][name] for name in ("where", "where_document") if name in asked[0]}
            same_neighbours(a, b, vector, most, filters)
            if held:
                same_neighbours(a, b, vector, most, {**filters, "ids": held[:2]})
        finally:
            ours.delete_collection(name)  # not theirs: chromadb would show its arrays again in the next collection

    check()


@pytest.mark.filterwarnings("ignore:legacy embedding function")  # chromadb's own, after a modify
def test_configuration_and_metadata_read_back_the_same(ours: Any, theirs: Any) -> None:
    for arguments in (
        {},
        {"metadata": {"a": 1, "hnsw:space": "cosine", "hnsw:M": 8}},
        {"configuration": {"hnsw": {"space": "ip", "ef_search": 33}}},
        {"configuration": {"hnsw": {}}, "metadata": {"x": "y"}},
    ):
        name = f"c{uuid.uuid4().hex}"
        a, b = (each.create_collection(name, embedding_function=None, **arguments) for each in (ours, theirs))
        assert (a.configuration_json, a.metadata) == (b.configuration_json, b.metadata)
        for change in ({"metadata": {"new": 2}}, {"configuration": {"hnsw": {"ef_search": 44}}}, {"name": f"{name}x"}):
            a.modify(**change)
            b.modify(**change)
            assert (a.name, a.metadata) == (b.name, b.metadata)
            assert a.configuration_json["hnsw"] == b.configuration_json["hnsw"]


# --- where we differ on purpose (docs/deviations.md) -----------------------------------------------------------------


@pytest.fixture
def both(ours: Any, theirs: Any) -> tuple[Any, Any]:
    """Return an empty collection of each."""
    name = f"c{uuid.uuid4().hex}"
    return tuple(each.create_collection(name, embedding_function=None) for each in (ours, theirs))  # type: ignore[return-value]


def numbers(collection: Any) -> None:
    collection.add(
        ids=["int 1", "float 1", "float 1.5", "int 0"],
        embeddings=[[1.0]] * 4,
        metadatas=[{"x": 1}, {"x": 1.0}, {"x": 1.5}, {"x": 0}],
    )


@pytest.mark.parametrize(
    ("where", "mine", "reference"),
    [
        ({"x": 1.5}, ["float 1.5"], ["int 1", "float 1.5"]),
        ({"x": {"$lt": 1.5}}, ["int 1", "float 1", "int 0"], ["float 1", "int 0"]),
        ({"x": {"$ne": 0.5}}, ["int 1", "float 1", "float 1.5", "int 0"], ["int 1", "float 1", "float 1.5"]),
    ],
)
def test_fractions_compare_exactly_with_ints(both: Any, where: Any, mine: list[str], reference: list[str]) -> None:
    for collection, expected in zip(both, (mine, reference), strict=True):
        numbers(collection)
        assert collection.get(where=where)["ids"] == expected


def test_array_elements_compare_as_numbers(both: Any) -> None:
    for collection, expected in zip(both, (["ints", "floats"], ["ints"]), strict=True):
        collection.add(ids=["ints", "floats"], embeddings=[[1.0]] * 2, metadatas=[{"x": [1, 2]}, {"x": [1.0, 2.5]}])
        assert collection.get(where={"x": {"$contains": 1}})["ids"] == expected


def test_unknown_ids_in_a_query_match_nothing(both: Any) -> None:
    a, b = both
    for collection in both:
        collection.add(ids=["a"], embeddings=[[1.0]])
    assert a.query(query_embeddings=[[1.0]], ids=["a", "unknown"])["ids"] == [["a"]]
    with pytest.raises(Exception, match="Error finding id"):
        b.query(query_embeddings=[[1.0]], ids=["a", "unknown"])


def test_none_in_the_metadata_of_an_add_is_dropped(both: Any) -> None:
    a, b = both
    a.add(ids=["a", "b"], embeddings=[[1.0]] * 2, metadatas=[{"x": None, "y": 1}, {"x": None}])
    assert a.get()["metadatas"] == [{"y": 1}, None]
    with pytest.raises(TypeError):
        b.add(ids=["a"], embeddings=[[1.0]], metadatas=[{"x": None, "y": 1}])


def test_numbers_that_would_be_changed_are_refused(both: Any) -> None:
    a, b = both
    for at, value in enumerate((float("nan"), float("inf"), 2**63)):
        with pytest.raises(ValueError):
            a.add(ids=["a"], embeddings=[[1.0]], metadatas=[{"x": value, "y": 1}])
        b.add(ids=[str(at)], embeddings=[[1.0]], metadatas=[{"x": value, "y": 1}])
    assert b.get()["metadatas"] == [{"y": 1}, {"y": 1}, {"x": float(2**63), "y": 1}]


def test_one_condition_under_and_is_enough(both: Any) -> None:
    a, b = both
    numbers(a)
    assert a.get(where={"$and": [{"x": 1}]})["ids"] == ["int 1", "float 1"]
    assert a.get(where_document={"$or": [{"$contains": "x"}]})["ids"] == []
    for question in ({"where": {"$and": [{"x": 1}]}}, {"where_document": {"$or": [{"$contains": "x"}]}}):
        with pytest.raises(ValueError, match="at least two"):
            b.get(**question)


def test_patterns_and_order_work_on_metadata_strings_and_ids(both: Any) -> None:
    a, b = both
    for collection in both:
        collection.add(ids=["a", "b"], embeddings=[[1.0]] * 2, metadatas=[{"s": "fox"}, {"s": "ox"}])
    for where in ({"s": {"$regex": "^f"}}, {"s": {"$lt": "h"}}, {"$not": {"s": "ox"}}):
        assert a.get(where=where)["ids"] == ["a"]
        with pytest.raises(ValueError):
            b.get(where=where)
    assert a.get(where={"#id": {"$in": ["b"]}})["ids"] == ["b"]
    assert b.get(where={"#id": {"$in": ["b"]}})["ids"] == []


def test_the_internal_document_key_does_not_leak(both: Any) -> None:
    for collection, expected in zip(both, ([], ["a"]), strict=True):
        collection.add(ids=["a"], embeddings=[[1.0]], documents=["text"])
        assert collection.get(where={"chroma:document": "text"})["ids"] == expected


def test_sparse_vectors_can_be_stored(both: Any) -> None:
    a, b = both
    import chromadb

    a.add(ids=["a"], embeddings=[[1.0]], metadatas=[{"s": chroma_search.SparseVector([1], [0.5])}])
    with pytest.raises(TypeError):
        b.add(ids=["a"], embeddings=[[1.0]], metadatas=[{"s": chromadb.SparseVector([1], [0.5])}])


def test_a_record_with_only_a_uri_has_no_metadata(both: Any) -> None:
    for collection, expected in zip(both, ([None], [{}]), strict=True):
        collection.add(ids=["a"], embeddings=[[1.0]], uris=["u"])
        assert collection.get()["metadatas"] == expected


def test_batches_have_no_limit(both: Any, theirs: Any) -> None:
    a, b = both
    many = theirs.get_max_batch_size() + 1
    ids, vectors = [str(at) for at in range(many)], np.zeros((many, 2), np.float32)
    a.add(ids=ids, embeddings=vectors)
    assert len(a.get(ids=ids)["ids"]) == many
    with pytest.raises(Exception, match="batch size"):
        b.add(ids=ids, embeddings=vectors)


def test_mistakes_in_a_page_are_value_errors(both: Any) -> None:
    a, b = both
    with pytest.raises(InvalidArgumentError):
        a.get(limit=-1)
    with pytest.raises(OverflowError):
        b.get(limit=-1)


def test_the_callers_include_list_is_not_changed(ours: Any, theirs: Any) -> None:
    for client, expected in ((ours, ["data"]), (theirs, ["data", "uris"])):
        name = f"c{uuid.uuid4().hex}"
        collection = client.create_collection(name, embedding_function=None, data_loader=lambda uris: uris)
        collection.add(ids=["a"], embeddings=[[1.0]], uris=["u"])
        include = ["data"]
        assert collection.get(include=include)["data"] == ["u"]
        assert include == expected
