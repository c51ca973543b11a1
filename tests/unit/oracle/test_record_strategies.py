"""The strategies draw what they promise: valid writes, and the hard cases among them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import Phase, given, settings

from chroma_search.model.sparse_vector import SparseVector
from tests.oracle import OracleCollection
from tests.property.record_strategies import DIMENSION, Operation, Write, apply, histories

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


def values(found: dict[str, Any]) -> list[Any]:
    return [value for metadata in found["metadatas"] for value in (metadata or {}).values()]


HARD_CASES: dict[str, Callable[[dict[str, Any]], bool]] = {
    "no record left": lambda found: found["count"] == 0,
    "a record that died among some that live": lambda found: 0 < found["count"] < found["next"],
    "two equal vectors": lambda found: len(set(map(str, found["embeddings"]))) < found["count"],
    "a zero vector": lambda found: [0.0, 0.0] in found["embeddings"],
    "no text": lambda found: None in found["documents"],
    "an empty text": lambda found: "" in found["documents"],
    "no metadata": lambda found: None in found["metadatas"],
    "an int that float64 rounds": lambda found: 2**53 + 1 in values(found),
    "a bool": lambda found: any(value is False for value in values(found)),
    "a bool array": lambda found: any(isinstance(value, list) and value[0] is True for value in values(found)),
    "a string at the edge of the first plane": lambda found: "\uffff" in values(found),
    "an empty sparse vector": lambda found: SparseVector([], []) in values(found),
    "a stored zero": lambda found: any(isinstance(each, SparseVector) and 0.0 in each.values for each in values(found)),
    "a uri": lambda found: "file:a" in found["uris"],
}


def test_the_hard_cases_are_drawn() -> None:
    unseen = set(HARD_CASES)

    @settings(QUICK, max_examples=250, phases=[Phase.generate])
    @given(histories())
    def look(history: list[Operation]) -> None:
        found = replayed(history)
        unseen.difference_update([name for name in unseen if HARD_CASES[name](found)])

    look()
    assert not unseen
