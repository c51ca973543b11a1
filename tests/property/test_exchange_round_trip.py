"""Export, then import: whatever a collection holds, both formats give it back, value by value and in order."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chroma_search import EphemeralClient, SparseVector
from chroma_search.exchange import export_collection, import_collection
from tests.property.record_strategies import Write, apply, histories

EVERYTHING = ["documents", "metadatas", "embeddings", "uris"]
FORMATS = ("parquet", "jsonl")

# Names that mean something in the files, names that look as if they did, and names that break naive code.
KEYS = st.sampled_from(
    (
        *("id", "document", "embedding", "uri", "metadata", "metadata.id", "metadata.metadata.id", "__index_level_0__"),
        *("chroma_search", "n", "N", "a.b", "a b", "\0", "x\0y", "😀", "e\u0301", "é", '"', "\n", "\u2028", "k" * 300),
    )
) | st.text(st.characters(codec="utf-8"), min_size=1, max_size=5).filter(
    lambda key: key[0] not in "#$" and not key.startswith("chroma:")
)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(
    ("NaN", "null", "{}", "[]", "1", "\r\n", "\ufeff")
)
INTS = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.one_of(TEXTS, INTS, FLOATS, st.booleans(), st.sampled_from((0, 0.0, -0.0, 1, 1.0, True, False)))
ARRAYS = st.one_of(*[st.lists(each, min_size=1, max_size=3) for each in (TEXTS, INTS, FLOATS, st.booleans())])


@st.composite
def sparse_vectors(draw: st.DrawFn) -> SparseVector:
    indices = sorted(draw(st.sets(st.integers(0, 2**63 - 1), max_size=3)))
    numbers = draw(st.sampled_from((FLOATS, st.integers(-(2**60), 2**60), FLOATS | st.integers(-3, 3))))
    values = [draw(numbers) for _ in indices]
    labels = draw(st.none() | st.lists(TEXTS, min_size=len(indices), max_size=len(indices)))
    return SparseVector(indices, values, labels)


FEW_KEYS = st.sampled_from(("n", "id", "metadata", "😀"))
METADATAS = st.none() | st.dictionaries(KEYS | FEW_KEYS, SCALARS | ARRAYS | sparse_vectors(), min_size=1, max_size=4)
FLOAT32 = st.floats(width=32, allow_nan=False, allow_infinity=False)


@st.composite
def record_columns(draw: st.DrawFn) -> dict[str, Any]:
    """Return the columns of one `add` of up to five records."""
    ids = draw(
        st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=4), min_size=1, max_size=5, unique=True)
    )
    dimension = draw(st.integers(1, 3))
    return {
        "ids": ids,
        "embeddings": np.array([[draw(FLOAT32) for _ in range(dimension)] for _ in ids], np.float32),
        "documents": [draw(st.none() | TEXTS) for _ in ids],
        "metadatas": [draw(METADATAS) for _ in ids],
        "uris": [draw(st.none() | TEXTS) for _ in ids],
    }


def new_collection(client, **arguments):
    return client.create_collection(f"c{uuid4().hex}", embedding_function=None, **arguments)


def exact(collection) -> Any:
    """Return all that a collection holds, in a form that tells 1 from 1.0 and 0.0 from -0.0; fields by name."""
    found = collection.get(include=EVERYTHING)
    fields = [
        None if each is None else sorted((key, repr(value)) for key, value in each.items()) for each in found.metadatas
    ]
    return found.ids, found.documents, found.uris, fields, np.asarray(found.embeddings).tobytes()


def there_and_back(client, collection, format, **options):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records"
        report = export_collection(collection, path, format=format, **options)
        assert report.n_records == collection.count()
        name = f"c{uuid4().hex}"
        read = import_collection(client, name, path, format=format, **options)
        assert (read.n_records, read.n_written, read.is_new) == (report.n_records, report.n_records, True)
        assert [each.name for each in Path(folder).iterdir()] == ["records"]
    return client.get_collection(name)


@pytest.mark.parametrize("format", FORMATS)
@given(columns=record_columns(), batch_rows=st.none() | st.integers(1, 3))
@settings(max_examples=60)
@example(
    columns={
        "ids": ["a", "b", "c"],
        "embeddings": np.array([[-0.0], [1e-45], [3.4028235e38]], np.float32),
        "metadatas": [{"n": 1}, {"n": 1.0}, {"n": True}],
    },
    batch_rows=1,
)
def test_any_record_comes_back_as_it_was(format, columns, batch_rows):
    client = EphemeralClient()
    collection = new_collection(client)
    collection.add(**columns)
    back = there_and_back(client, collection, format, batch_rows=batch_rows)
    assert exact(back) == exact(collection)


@pytest.mark.parametrize("format", FORMATS)
@given(history=histories(max_size=6))
@settings(max_examples=40)
def test_a_collection_with_updates_and_deletes_comes_back_in_order(format, history):
    client = EphemeralClient()
    collection = new_collection(client)
    for operation in history:
        assert isinstance(history[0], Write)
        apply(operation, collection)
    back = there_and_back(client, collection, format)
    assert exact(back) == exact(collection)
    assert back.configuration_json == collection.configuration_json
