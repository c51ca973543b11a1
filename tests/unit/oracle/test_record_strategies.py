"""The strategies draw what they promise: valid writes, and the hard cases among them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, find, given, settings

from chroma_search.model.sparse_vector import SparseVector
from tests.oracle import OracleCollection
from tests.property.record_strategies import DIMENSION, Delete, Operation, Write, apply, histories

QUICK = settings(max_examples=100, deadline=None, derandomize=True, database=None)
FINDING = settings(QUICK, max_examples=3000, suppress_health_check=list(HealthCheck))


@QUICK
@given(histories())
def test_every_operation_is_a_valid_call(history: list[Operation]) -> None:
    oracle = OracleCollection()
    for operation in history:
        arguments = operation.arguments()
        if isinstance(operation, Delete):
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
        for row in operation.rows if isinstance(operation, Write) else ():
            values = (row.metadata or {}).values()
            assert row.uri is None
            assert not any(isinstance(value, SparseVector) for value in values)
            assert operation.kind != "add" or None not in list(values)


def replayed(history: list[Operation]) -> dict[str, Any]:
    oracle = OracleCollection()
    for operation in history:
        apply(operation, oracle)
    return {**oracle.get(), "next": oracle.next_offset, "count": oracle.count()}


def holds(test: Callable[[Any], bool]) -> Callable[[list[Operation]], bool]:
    """Return whether a history leaves a record with such a metadata value."""
    return lambda history: any(
        test(value) for metadata in replayed(history)["metadatas"] for value in (metadata or {}).values()
    )


@pytest.mark.parametrize(
    "is_wanted",
    [
        pytest.param(lambda h: 0 < replayed(h)["count"] < replayed(h)["next"], id="a record that died"),
        pytest.param(lambda h: len(set(map(str, replayed(h)["embeddings"]))) < replayed(h)["count"], id="a tie"),
        pytest.param(
            lambda h: None in replayed(h)["documents"] and "" in replayed(h)["documents"], id="no text, empty"
        ),
        pytest.param(lambda h: None in replayed(h)["metadatas"], id="no metadata"),
        pytest.param(lambda h: [0.0, 0.0] in replayed(h)["embeddings"], id="a zero vector"),
        pytest.param(holds(lambda v: isinstance(v, SparseVector) and not v.indices), id="an empty sparse vector"),
        pytest.param(holds(lambda v: v == 2**53 + 1), id="an int that float64 rounds"),
        pytest.param(holds(lambda v: v is False), id="a bool"),
        pytest.param(holds(lambda v: isinstance(v, list) and v[0] is True), id="a bool array"),
        pytest.param(holds(lambda v: v == "\uffff"), id="a string at the edge of the first plane"),
    ],
)
def test_the_hard_cases_are_drawn(is_wanted: Callable[[list[Operation]], bool]) -> None:
    find(histories(), is_wanted, settings=FINDING)
