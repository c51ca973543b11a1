"""The conformance vectors (tests/oracle/vectors.py) against the oracle."""

from __future__ import annotations

import math

import pytest

from chroma_search.dsl import Search, SearchClauses
from chroma_search.dsl.search import as_where
from chroma_search.dsl.validation import check_search
from chroma_search.errors import InvalidArgumentError
from tests.oracle import OracleCollection
from tests.oracle.filter import document_filter
from tests.oracle.vectors import DISTANCES, FILTERS, SEARCHES, Dataset, DistanceVector, FilterVector, SearchVector


def filled(data: Dataset) -> OracleCollection:
    collection = OracleCollection(data.space)
    collection.add(**data.rows())
    return collection


@pytest.mark.parametrize("vector", FILTERS, ids=lambda vector: f"{vector.data.name}: {vector.name}")
def test_a_filter_finds_the_records_of_the_table_through_get(vector: FilterVector) -> None:
    found = filled(vector.data).get(where=vector.where, where_document=vector.where_document)
    assert tuple(found["ids"]) == vector.ids


@pytest.mark.parametrize("vector", FILTERS, ids=lambda vector: f"{vector.data.name}: {vector.name}")
def test_a_filter_finds_the_same_records_through_query(vector: FilterVector) -> None:
    found = filled(vector.data).query(
        [[0.0, 0.0]], n_results=99, where=vector.where, where_document=vector.where_document
    )
    assert tuple(found["ids"][0]) == vector.ids  # distances ascend with insertion in these datasets


@pytest.mark.parametrize("vector", DISTANCES, ids=lambda vector: f"{vector.space} {vector.query}")
def test_distances_are_those_of_the_table(vector: DistanceVector) -> None:
    collection = OracleCollection(vector.space)
    ids = [str(at) for at in range(len(vector.vectors))]
    collection.add(ids=ids, embeddings=vector.vectors)
    found = collection.query([vector.query])
    by_id = dict(zip(found["ids"][0], found["distances"][0], strict=True))
    assert [by_id[each] for each in ids] == pytest.approx(list(vector.distances), abs=1e-6, nan_ok=True)
    numbers = [each for each in found["distances"][0] if not math.isnan(each)]
    assert numbers == sorted(numbers)
    assert found["ids"][0][len(numbers) :] == [each for each in ids if math.isnan(by_id[each])]


@pytest.mark.parametrize("vector", SEARCHES, ids=lambda vector: f"{vector.data.name}: {vector.name}")
def test_a_search_answers_as_the_table_says(vector: SearchVector) -> None:
    found = filled(vector.data).search(Search.from_dict(vector.search))
    assert tuple(found["ids"]) == vector.ids
    if vector.scores is not None:
        assert found["scores"] == pytest.approx(list(vector.scores), abs=1e-6, nan_ok=True)
    assert {name: found[name] for name in vector.columns} == vector.columns


def test_no_two_vectors_have_the_same_name() -> None:
    for table in (FILTERS, SEARCHES):
        names = [(vector.data.name, vector.name) for vector in table]
        assert len(names) == len(set(names))


@pytest.mark.parametrize("vector", [*FILTERS, *SEARCHES], ids=lambda vector: f"{vector.data.name}: {vector.name}")
def test_a_vector_is_valid_and_strict_mode_refuses_it_when_it_is_ours(vector: FilterVector | SearchVector) -> None:
    clauses = Search.from_dict(vector.search).clauses if isinstance(vector, SearchVector) else clauses_of(vector)
    check_search(clauses)
    if vector.ours:
        with pytest.raises(InvalidArgumentError):
            check_search(clauses, strict=True)
    else:
        check_search(clauses, strict=True)


def clauses_of(vector: FilterVector) -> SearchClauses:
    text = None if vector.where_document is None else document_filter(vector.where_document)
    return SearchClauses(where=as_where(vector.where) or text)
