"""A record that was changed after its segment was sealed stays one record, also when the segment grows over it."""

import numpy as np
import pytest

from chroma_search.engine.collection import CollectionEngine
from chroma_search.requests import Selection, WriteBatch
from chroma_search.schema.configuration import CollectionConfig
from chroma_search.storage import merge_policy

DOCUMENTS = frozenset({"documents"})


def batch(ids, text):
    return WriteBatch(ids, np.ones((len(ids), 2), np.float32), [text] * len(ids))


@pytest.mark.parametrize("kind", ["flat", "hnsw", "spann"])
def test_an_update_that_is_sealed_behind_the_old_row_stays_the_record(monkeypatch, kind):
    monkeypatch.setattr(merge_policy, "TAIL_ROWS", 10)
    engine = CollectionEngine("c", "t", "d", CollectionConfig("l2", kind, {}))
    engine.add(batch([f"a{at}" for at in range(10)], "old"))
    engine.update(batch(["a3"], "new"))
    engine.add(batch([f"b{at}" for at in range(9)], "old"))  # fills the tail: it is sealed behind the first rows
    assert len(engine.snapshot.segments) == 1
    engine.update(batch(["a3"], "newest"))
    assert engine.count() == 19
    assert engine.get(Selection(ids=["a3"]), DOCUMENTS).documents == ["newest"]
    assert engine.delete(Selection(ids=["a3"])) == 1
    assert engine.count() == 18
    assert engine.get(Selection(ids=["a3"]), DOCUMENTS).ids == []
