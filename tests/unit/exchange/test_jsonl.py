"""JSON Lines: what stands in the file, what is read from lines of others, and how a wrong line is told."""

import json
import os
import sys

import numpy as np
import pandas
import polars
import pytest

from chroma_search import EphemeralClient, SparseVector
from chroma_search.errors import DuplicateIDError, FormatVersionError, InvalidInputError
from chroma_search.exchange import export_collection, import_collection, jsonl

FACTS = {"format": 1, "name": "docs", "configuration": {}, "metadata": None, "schema": None, "dimension": 2}


@pytest.fixture
def client():
    with EphemeralClient() as client:
        yield client


def write(tmp_path, *lines):
    path = tmp_path / "records.jsonl"
    path.write_bytes(b"".join(each if isinstance(each, bytes) else f"{json.dumps(each)}\n".encode() for each in lines))
    return path


def imported(client, path, **options):
    """Import a file into a new collection; return its records."""
    import_collection(client, "imported", path, **options)
    return client.get_collection("imported").get(include=["documents", "metadatas", "embeddings", "uris"])


def record(id="a", **fields):
    return {"id": id, "embedding": [1.0, 0.0], **fields}


def test_each_line_holds_what_the_record_has_and_the_first_what_the_collection_is(client, tmp_path):
    collection = client.create_collection("docs", metadata={"owner": "me"}, embedding_function=None)
    collection.add(
        ids=["a", "b"],
        embeddings=[[1.0, 0.1], [-0.0, 1.0]],
        documents=["x\ny\u2028", None],
        metadatas=[{"sparse": SparseVector([1], [0.5]), "big": 2**63 - 1}, None],
        uris=[None, "file:b"],
    )
    export_collection(collection, tmp_path / "docs.jsonl")
    header, *lines = (json.loads(line) for line in (tmp_path / "docs.jsonl").read_bytes().split(b"\n")[:-1])
    assert header["chroma_search"]["metadata"] == {"owner": "me"}
    assert header["chroma_search"]["dimension"] == 2
    sparse = {"#type": "sparse_vector", "indices": [1], "values": [0.5]}
    metadata = {"sparse": sparse, "big": 2**63 - 1}
    assert lines == [
        {"id": "a", "document": "x\ny\u2028", "metadata": metadata, "embedding": [1, 0.100000001]},
        {"id": "b", "uri": "file:b", "embedding": [-0.0, 1.0]},
    ]


def test_nine_digits_give_every_float32_back(rng):
    bits = rng.integers(0, 2**32, 200_000, dtype=np.uint32)
    edges = np.array([0, 1, 0x007FFFFF, 0x00800000, 0x7F7FFFFF, 0x80000000, 0x80000001], np.uint32)
    numbers = np.concatenate([bits, edges]).view(np.float32)
    numbers = numbers[np.isfinite(numbers)]
    positive = np.abs(numbers)  # one -0.0 turns a whole vector into longer digits
    for given in (positive, -positive, numbers):
        text = jsonl._numbers(given)
        assert np.array(json.loads(text), np.float32).tobytes() == given.tobytes()


def test_lines_of_others_become_records_and_unknown_fields_metadata(client, tmp_path):
    path = write(
        tmp_path,
        b"\xef\xbb\xbf" + json.dumps(record("a", year=2024, metadata={"lang": "en"})).encode() + b"\r\n",
        b"\n  \n",
        {"id": 7, "embedding": [1, 2], "document": None, "metadata": None, "tags": [], "none": None},
        b'{"id": "c", "embedding": [0.5, 0.5], "share": NaN, "uri": "file:c", "document": "last line"}',
    )
    found = imported(client, path)
    assert found.ids == ["a", "7", "c"]
    assert found.metadatas == [{"lang": "en", "year": 2024}, None, None]
    assert found.documents == [None, None, "last line"]
    assert found.uris == [None, None, "file:c"]
    assert found.embeddings.tolist() == [[1.0, 0.0], [1.0, 2.0], [0.5, 0.5]]


def test_lines_of_polars_and_pandas_become_records(client, tmp_path):
    polars.DataFrame({"id": ["a", "b"], "embedding": [[1.0, 0.0], [0.0, 1.0]], "n": [1, None]}).write_ndjson(
        tmp_path / "polars.ndjson"
    )
    frame = pandas.DataFrame({"key": ["c", "d"], "vec": [[1.0, 0.0], [0.0, 1.0]], "text": ["é/\n", None], "n": [1, 2]})
    frame.to_json(tmp_path / "pandas.jsonl", orient="records", lines=True)
    assert imported(client, tmp_path / "polars.ndjson").metadatas == [{"n": 1}, None]
    columns = {"id": "key", "embedding": "vec", "document": "text"}
    report = import_collection(client, "imported", tmp_path / "pandas.jsonl", columns=columns, mode="add")
    assert (report.n_written, report.is_new) == (2, False)
    found = client.get_collection("imported").get()
    assert found.ids == ["a", "b", "c", "d"]
    assert found.documents[2:] == ["é/\n", None]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"id": "b", "embedding": [1.0,]}\n', "line 3: no JSON: .* at character"),
        (b"[1, 2]\n", "line 3: expected a JSON object per line, got an array"),
        (b'{"id": "b", "document": "\xff"}\n', "line 3: not UTF-8"),
        (b'{"id": "b", "n": ' + b"9" * 5000 + b"}\n", "line 3: no JSON that can be read"),
        (b'{"id": "b", "n": ' + b"[" * 200_000 + b"}\n", "line 3: no JSON"),
        ({"embedding": [1.0, 0.0]}, "line 3: there is no 'id'"),
        ({"id": None, "embedding": [1.0, 0.0]}, "line 3: there is no 'id'"),
        ({"id": 1.5, "embedding": [1.0, 0.0]}, "line 3: the id must be a string, got float"),
        (record(""), "line 3: Expected ID to have at least one character"),
        (record("b", document=5), "line 3: 'document' must be a text, got a number"),
        (record("b", metadata=[1]), "line 3: 'metadata' must be an object, got an array"),
        (record("b", metadata={"x": 1}, x=2), "line 3: the metadata field 'x' stands there twice"),
        (record("b", nested={"a": 1}), "line 3: .*'nested'"),
        (record("b", big=2**63), "line 3: .*'big' to fit 64 bits"),
        (record("b", text="\ud800"), "line 3: .*lone surrogate"),
        (record("b", share=float("inf")), "line 3: .*'share' to be finite"),
        ({"id": "b", "embedding": "[1, 0]"}, "line 3: 'embedding' must be a list of numbers, got a text"),
        ({"id": "b", "embedding": [1.0, "0"]}, "line 3: .*got str in the embedding"),
        ({"id": "b", "embedding": [1.0, True]}, "line 3: .*got bool in the embedding"),
        ({"id": "b", "embedding": [1.0, float("nan")]}, "line 3: .*NaN"),
        ({"id": "b", "embedding": [1.0]}, "line 3: the embedding has dimension 1, the collection's is 2"),
        ({"id": "b"}, "line 3: the record has neither an embedding nor a document"),
        (record("a"), "line 3: the id 'a' stands in the file twice"),
    ],
)
@pytest.mark.parametrize("batch_rows", [1, 100])
def test_a_wrong_line_is_named_and_nothing_stays(client, tmp_path, line, message, batch_rows):
    path = write(tmp_path, record("a"), b"\n", line, record("c"))
    with pytest.raises(InvalidInputError, match=message) as caught:
        import_collection(client, "imported", path, batch_rows=batch_rows)
    assert str(caught.value).startswith(str(path))
    assert client.list_collections() == []


def test_a_file_without_line_ends_is_refused_before_memory_runs_out(client, tmp_path, monkeypatch):
    monkeypatch.setattr(jsonl, "MAX_LINE_BYTES", 1 << 20)
    path = write(tmp_path, [record(str(at)) for at in range(40_000)])
    with pytest.raises(InvalidInputError, match="line 1: longer than 1 MB"):
        import_collection(client, "imported", path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_a_pipe_is_refused_for_its_first_lines_could_not_be_read_again(client, tmp_path, form):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidInputError, match="pipe is no file but a pipe or a device: write its content to a file"):
        import_collection(client, "imported", tmp_path / "pipe", format=form)
    assert client.list_collections() == []


def test_long_lines_make_small_batches(client, tmp_path, monkeypatch):
    monkeypatch.setattr(jsonl, "BATCH_TEXT_BYTES", 1000)
    path = write(tmp_path, *(record(str(at), document="x" * 400) for at in range(5)))
    told = []
    imported(client, path, progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 5), (2, 5), (4, 5), (5, 5)]


def test_an_empty_file_is_an_empty_collection(client, tmp_path):
    assert imported(client, write(tmp_path)).ids == []


@pytest.mark.parametrize(
    ("header", "error", "message"),
    [
        ({"chroma_search": {"format": 2}}, FormatVersionError, "export format 2"),
        ({"chroma_search": {"format": 1}}, InvalidInputError, "damaged"),
        ({"chroma_search": 5}, InvalidInputError, "damaged"),
        ({"chroma_search": {"format": 0, "name": 1}}, InvalidInputError, "damaged"),
        ({"chroma_search": {**FACTS, "dimension": "2"}}, InvalidInputError, "damaged"),
        ({"chroma_search": {**FACTS, "dimension": -2}}, InvalidInputError, "damaged"),
    ],
)
def test_a_wrong_first_line_is_refused(client, tmp_path, header, error, message):
    with pytest.raises(error, match=message):
        import_collection(client, "imported", write(tmp_path, header, record()))


def test_a_record_with_a_field_named_like_the_header_is_a_record(client, tmp_path):
    assert imported(client, write(tmp_path, record("a", chroma_search=1))).metadatas == [{"chroma_search": 1}]


def test_an_import_reads_no_pyarrow(client, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "chroma_search.exchange.parquet", None)  # importing it fails
    assert imported(client, write(tmp_path, record())).ids == ["a"]


def test_mode_add_skips_known_ids_and_says_so(client, tmp_path):
    collection = client.create_collection("docs", embedding_function=None)
    collection.add(ids="a", embeddings=[5.0, 5.0], metadatas={"old": 1})
    report = import_collection(client, "docs", write(tmp_path, record("a", new=2), record("b")), mode="add")
    assert (report.n_records, report.n_written, report.n_skipped, report.is_new) == (2, 1, 1, False)
    assert str(report).endswith("into the collection docs, skipped 1 that were there")
    assert collection.get(ids="a").metadatas == [{"old": 1}]


def test_mode_upsert_changes_known_ids(client, tmp_path):
    collection = client.create_collection("docs", embedding_function=None)
    collection.add(ids="a", embeddings=[5.0, 5.0], metadatas={"old": 1})
    report = import_collection(client, "docs", write(tmp_path, record("a", new=2), record("b")), mode="upsert")
    assert (report.n_written, report.n_skipped) == (2, 0)
    found = collection.get(ids="a", include=["embeddings", "metadatas"])
    assert (found.metadatas, found.embeddings.tolist()) == ([{"old": 1, "new": 2}], [[1.0, 0.0]])


@pytest.mark.parametrize("mode", ["add", "upsert"])
def test_a_collection_that_was_there_stays_and_the_error_says_how_much_was_written(client, tmp_path, mode):
    collection = client.create_collection("docs", embedding_function=None)
    path = write(tmp_path, record("a"), record("b"), record("c", bad={}))
    with pytest.raises(InvalidInputError, match=r"line 3: .* \(2 records before it were imported\)"):
        import_collection(client, "docs", path, mode=mode, batch_rows=1)
    assert collection.get().ids == ["a", "b"]


def test_a_new_collection_of_mode_add_is_gone_after_an_error(client, tmp_path):
    with pytest.raises(DuplicateIDError):
        import_collection(client, "docs", write(tmp_path, record("a"), record("a")), mode="add", batch_rows=1)
    assert client.list_collections() == []


def test_ctrl_c_leaves_no_half_collection(client, tmp_path):
    def interrupt(done, total):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_collection(client, "docs", write(tmp_path, record("a"), record("b")), batch_rows=1, progress=interrupt)
    assert client.list_collections() == []


def test_what_the_caller_says_of_the_collection_counts_more_than_the_file(client, tmp_path):
    collection = client.create_collection("docs", configuration={"hnsw": {"space": "l2"}}, embedding_function=None)
    export_collection(collection, tmp_path / "docs.jsonl")
    import_collection(client, "imported", tmp_path / "docs.jsonl", configuration={"hnsw": {"space": "cosine"}})
    assert client.get_collection("imported").configuration_json["hnsw"]["space"] == "cosine"
