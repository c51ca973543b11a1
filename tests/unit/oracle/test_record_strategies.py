"""The strategies draw what they promise: valid writes, and the hard cases among them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis.strategies import SearchStrategy

from chroma_search.model.sparse_vector import SparseVector
from tests.oracle import OracleCollection
from tests.property.record_strategies import DIMENSION, Operation, Write, apply, histories, metadatas

QUICK = settings(max_examples=50, deadline=None, derandomize=True, database=None)


@QUICK
@given(histories())
def test_every_operation_is_a_valid_call(history: list[Operation]) -> None:
    oracle = OracleCollection()
    for operation in history:
        arguments = operation.arguments()
        if not isinstance(operation, Write):
            assert arguments.keys() & {"ids", "where", "where_document"}
            assert "limit" not in arguments or arguments.keys() & {"where", "where_document"}
        else:
            assert operation.kind == "update" or len(arguments["embeddings"]) == len(arguments["ids"])
            assert not any(each == {} for each in arguments.get("metadatas", []))
            for row in operation.rows:
                assert row.embedding is None or len(row.embedding) == DIMENSION
                assert row.document is None or "embeddings" in arguments
        apply(operation, oracle)
    records = oracle.get()
    assert len(set(records["ids"])) == oracle.count()
    for embedding in records["embeddings"]:
        assert np.array_equal(np.float32(embedding) * 4, np.round(np.float32(embedding) * 4))


@QUICK
@given(histories(upstream=True))
def test_histories_for_upstream_leave_out_what_it_refuses(history: list[Operation]) -> None:
    for operation in history:
        if not isinstance(operation, Write):
            continue
        for row in operation.rows:
            values = (row.metadata or {}).values()
            assert row.uri is None
            assert not any(isinstance(value, SparseVector) for value in values)
            assert operation.kind != "add" or None not in list(values)


def replayed(history: list[Operation]) -> dict[str, Any]:
    oracle = OracleCollection()
    for operation in history:
        apply(operation, oracle)
    return {**oracle.get(), "next": oracle.next_offset, "count": oracle.count()}


HARD_HISTORIES: dict[str, Callable[[dict[str, Any]], bool]] = {
    "no record left": lambda found: found["count"] == 0,
    "a record that died among some that live": lambda found: 0 < found["count"] < found["next"],
    "two equal vectors": lambda found: len(set(map(str, found["embeddings"]))) < found["count"],
    "a zero vector": lambda found: [0.0, 0.0] in found["embeddings"],
    "no text": lambda found: None in found["documents"],
    "an empty text": lambda found: "" in found["documents"],
    "no metadata": lambda found: None in found["metadatas"],
    "a uri": lambda found: "file:a" in found["uris"],
}
HARD_VALUES: dict[str, Callable[[Any], bool]] = {
    "none": lambda value: value is None,
    "an int that float64 rounds": lambda value: value == 2**53 + 1,
    "a float that is no small int": lambda value: value == 0.1,
    "a bool": lambda value: value is False,
    "a bool array": lambda value: isinstance(value, list) and value[0] is True,
    "a string at the edge of the first plane": lambda value: value == "\uffff",
    "an empty sparse vector": lambda value: value == SparseVector([], []),
    "a stored zero": lambda value: isinstance(value, SparseVector) and 0.0 in value.values,
}


@pytest.mark.slow
def test_the_hard_histories_are_drawn() -> None:
    assert unseen(histories().map(lambda history: [replayed(history)]), HARD_HISTORIES, 150) == set()


def test_the_hard_values_are_drawn() -> None:
    assert unseen(metadatas().map(lambda metadata: metadata.values()), HARD_VALUES, 600) == set()


def unseen(strategy: SearchStrategy[Any], cases: dict[str, Callable[[Any], bool]], n_examples: int) -> set[str]:
    """Return the names of the cases that no drawn item meets."""
    missing = set(cases)

    @settings(QUICK, max_examples=n_examples, phases=[Phase.generate])
    @given(strategy)
    def look(items: Any) -> None:
        missing.difference_update([name for name in missing if any(map(cases[name], items))])

    look()
    return missing
