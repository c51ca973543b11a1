"""Fields that our clients send and Chroma does not have."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import numpy as np
import pytest

QUERY = {"query_embeddings": [[1, 0]], "n_results": 3, "include": ["distances", "embeddings"]}


def vectors_of(rows: list[str]) -> list[list[float]]:
    return [np.frombuffer(base64.b64decode(row), dtype="<f4").tolist() for row in rows]


def test_vectors_come_as_base64_where_they_are_asked_for(client: httpx.Client, records: str) -> None:
    asked: dict[str, dict[str, Any]] = {
        "get": {"include": ["embeddings"]},
        "query": QUERY,
        "search": {"searches": [{"select": {"keys": ["#embedding"]}}, {}]},
    }
    for route, body in asked.items():
        plain = client.post(f"{records}/{route}", json=body).json()["embeddings"]
        encoded = client.post(f"{records}/{route}", json={**body, "vector_encoding": "base64"}).json()["embeddings"]
        if route == "get":
            plain, encoded = [plain], [encoded]
        assert [None if each is None else vectors_of(each) for each in encoded] == plain
    assert client.post(f"{records}/get", json={"vector_encoding": "hex"}).status_code == 422


@pytest.mark.parametrize(("exact", "status"), [(True, 200), (False, 200), ("loud", 422)])
def test_a_query_may_be_exact(client: httpx.Client, records: str, exact: Any, status: int) -> None:
    assert client.post(f"{records}/query", json={**QUERY, "exact": exact}).status_code == status
