"""import_chroma beside the installed chromadb: after any history, what came over is what its own `get()` gives."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chroma_search
from chroma_search.exchange.chroma_folder import import_chroma

EVERYTHING = ["documents", "metadatas", "embeddings", "uris"]
DIMENSION = 3

ids = st.lists(st.integers(0, 14).map(lambda at: f"id-{at}"), min_size=1, max_size=5, unique=True)
numbers = st.floats(-8, 8, width=32).map(lambda x: 0.0 if abs(x) < 1e-3 else x)
vectors = st.lists(numbers, min_size=DIMENSION, max_size=DIMENSION)
values = st.one_of(
    st.integers(-(2**53), 2**53), st.floats(-1e6, 1e6), st.booleans(), st.text("aé𝄞 ", max_size=3),
    st.lists(st.integers(-3, 3), min_size=1, max_size=3), st.lists(st.sampled_from(["x", "ü"]), min_size=1, max_size=3),
)  # fmt: skip
metadatas = st.dictionaries(st.sampled_from(["a", "b", "c ü", "d.e"]), values, min_size=1, max_size=3)
changes = st.dictionaries(st.sampled_from(["a", "b", "c ü"]), st.none() | values, min_size=1, max_size=3)


@st.composite
def writes(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """Return the name and the arguments of a call."""
    operation = draw(st.sampled_from(["add", "add", "upsert", "update", "delete"]))
    chosen = draw(ids)
    n = len(chosen)
    if operation == "delete":
        return operation, {"ids": chosen}
    given_: dict[str, Any] = {"ids": chosen, "embeddings": [draw(vectors) for _ in chosen]}
    if operation == "update" and draw(st.booleans()):
        del given_["embeddings"]
        given_["metadatas"] = [draw(changes) for _ in chosen]
        return operation, given_
    if draw(st.booleans()):
        given_["documents"] = [draw(st.text("abü𝄞", max_size=4)) for _ in range(n)]
    if draw(st.booleans()):
        given_["metadatas"] = [draw(metadatas) for _ in range(n)]
    return operation, given_


@pytest.mark.slow
@settings(max_examples=25)
@given(
    st.lists(writes(), min_size=3, max_size=25),
    st.sampled_from(["l2", "cosine", "ip"]),
    st.sampled_from([3, 7, 1000]),
)
def test_any_history_comes_over_as_chromadb_gives_it_back(
    history: list[tuple[str, dict[str, Any]]], space: str, sync_threshold: int
) -> None:
    from chromadb import PersistentClient
    from chromadb.api.shared_system_client import SharedSystemClient

    folder = Path(tempfile.mkdtemp(prefix="chroma-history-"))
    theirs: Any = PersistentClient(str(folder))
    try:
        collection = theirs.create_collection(
            "history",
            configuration={"hnsw": {"space": space, "batch_size": 2, "sync_threshold": sync_threshold}},
            embedding_function=None,
        )
        for operation, arguments in history:
            getattr(collection, operation)(**arguments)
        wanted: Any = collection.get(include=EVERYTHING)  # type: ignore[arg-type]
        with chroma_search.EphemeralClient() as client:
            report = import_chroma(folder, client)  # while chromadb has it open, as a careless user would
            made = client.get_collection("history", embedding_function=None)
            got = made.get(include=EVERYTHING)
            assert made.configuration_json["hnsw"]["space"] == space
            client.delete_collection("history")
        assert report.is_complete
        assert got["ids"] == wanted["ids"]
        assert got["documents"] == wanted["documents"]
        assert got["metadatas"] == [each or None for each in wanted["metadatas"]]
        assert got["embeddings"] is not None
        if wanted["ids"]:
            np.testing.assert_allclose(got["embeddings"], wanted["embeddings"], rtol=1e-6, atol=1e-6)
    finally:
        theirs._system.stop()
        SharedSystemClient.clear_system_cache()
        shutil.rmtree(folder)
