"""The parts of a collection go when nobody holds it any more: its vectors may be all the memory there is."""

from __future__ import annotations

import gc
import weakref

import chroma_search
from tests.engine_of import engine_of


def test_a_deleted_collection_in_memory_is_let_go_of_at_once() -> None:
    client = chroma_search.EphemeralClient()
    collection = client.create_collection("docs", embedding_function=None)
    collection.add(ids="a", embeddings=[1.0, 2.0])
    held = weakref.ref(engine_of(collection).home)
    gc.disable()
    try:
        client.delete_collection("docs")
        del collection
        assert held() is None
    finally:
        gc.enable()
