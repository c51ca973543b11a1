"""Records as the JSON of a write, and where a write is cut."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import orjson
import pytest

from chroma_search import SparseVector
from chroma_search.errors import InvalidInputError
from chroma_search.http.record_body import WriteLimits, write_bodies
from chroma_search.requests import WriteBatch


def bodies(batch: WriteBatch, **limits: Any) -> list[dict[str, Any]]:
    chosen: Any = {"max_records": 100, "takes_base64": True, **limits}
    return [orjson.loads(body) for body in write_bodies(batch, WriteLimits(**chosen))]


def rows(n_rows: int) -> WriteBatch:
    return WriteBatch(
        ids=[str(at) for at in range(n_rows)],
        vectors=np.arange(2 * n_rows, dtype=np.float32).reshape(n_rows, 2),
        documents=[f"d{at}" for at in range(n_rows)],
        metadatas=[{"n": at} for at in range(n_rows)],
        uris=None,
    )


def test_vectors_are_base64_of_little_endian_float32() -> None:
    (body,) = bodies(rows(2))
    assert body["ids"] == ["0", "1"]
    decoded = [np.frombuffer(base64.b64decode(each), dtype="<f4").tolist() for each in body["embeddings"]]
    assert decoded == [[0.0, 1.0], [2.0, 3.0]]
    assert (body["documents"], body["metadatas"], body["uris"]) == (["d0", "d1"], [{"n": 0}, {"n": 1}], None)


def test_vectors_are_lists_for_a_server_that_does_not_take_base64() -> None:
    batch = WriteBatch(["a"], np.array([[0.1, -0.0]], np.float32))
    (body,) = bodies(batch, takes_base64=False)
    assert np.array(body["embeddings"], np.float32).tobytes() == np.array([[0.1, -0.0]], np.float32).tobytes()


def test_a_write_is_cut_at_the_number_of_records_with_its_rows_together() -> None:
    parts = bodies(rows(7), max_records=3)
    assert [part["ids"] for part in parts] == [["0", "1", "2"], ["3", "4", "5"], ["6"]]
    assert [part["metadatas"] for part in parts][2] == [{"n": 6}]
    assert parts[1]["embeddings"] == bodies(rows(7))[0]["embeddings"][3:6]


def test_a_body_that_is_too_long_is_halved_until_it_fits() -> None:
    parts = bodies(rows(8), max_bytes=150)
    assert [each for part in parts for each in part["ids"]] == [str(at) for at in range(8)]
    assert len(parts) == 4
    assert max(len(orjson.dumps(part)) for part in parts) <= 150


def test_one_record_is_sent_however_long_it_is() -> None:
    assert [part["ids"] for part in bodies(rows(2), max_bytes=1)] == [["0"], ["1"]]


def test_a_sparse_vector_travels_in_its_tagged_form_and_the_batch_is_not_changed() -> None:
    metadata = {"s": SparseVector([1, 5], [0.5, 2.0]), "n": None}
    (body,) = bodies(WriteBatch(["a"], None, None, [metadata]))
    assert body["metadatas"] == [{"s": {"#type": "sparse_vector", "indices": [1, 5], "values": [0.5, 2.0]}, "n": None}]
    assert isinstance(metadata["s"], SparseVector)


def test_what_json_cannot_hold_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="JSON"):
        bodies(WriteBatch(["\ud800"], None))
