"""Parquet: the file is one that other programs like, and files of other programs become records."""

import datetime
import decimal
import json
import subprocess
import sys

import numpy as np
import pandas
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chroma_search import EmbeddingFunction, EphemeralClient, K, SparseVector
from chroma_search.errors import DimensionMismatchError, DuplicateIDError, FormatVersionError, InvalidInputError
from chroma_search.exchange import export_collection, import_collection
from chroma_search.exchange.metadata_columns import MAX_COLUMNS


class Lengths(EmbeddingFunction):
    """Embeds a text as its length."""

    def __init__(self):
        pass

    def __call__(self, input):
        return [np.array([len(text), 1.0], np.float32) for text in input]

    @staticmethod
    def name():
        return "lengths"

    def get_config(self):
        return {}

    @staticmethod
    def build_from_config(config):
        return Lengths()


@pytest.fixture
def client():
    with EphemeralClient() as client:
        yield client


@pytest.fixture
def collection(client):
    collection = client.create_collection("docs", embedding_function=None)
    collection.add(
        ids=["a", "b", "c"],
        embeddings=[[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]],
        documents=["one", None, "three"],
        metadatas=[{"year": 2024, "mixed": 1, "tags": ["x", "y"]}, {"year": 2025, "mixed": "1", "share": 0.5}, None],
        uris=[None, "file:b", None],
    )
    return collection


def imported(client, path, **options):
    """Import a file into a new collection; return its records."""
    import_collection(client, "imported", path, **options)
    return client.get_collection("imported").get(include=["documents", "metadatas", "embeddings", "uris"])


def write(path, columns):
    pq.write_table(pa.table(columns), path)
    return path


VECTORS = pa.array([[1.0, 0.0], [0.0, 1.0]], pa.list_(pa.float32()))


def foreign(tmp_path, **columns):
    """Write a file with two records, ids a and b, and more columns."""
    return write(tmp_path / "foreign.parquet", {"id": ["a", "b"], "embedding": VECTORS, **columns})


def test_a_field_of_one_type_is_a_typed_column_and_vectors_have_a_fixed_size(collection, tmp_path):
    export_collection(collection, tmp_path / "docs.parquet")
    schema = pq.read_schema(tmp_path / "docs.parquet")
    assert schema.field("embedding").type == pa.list_(pa.float32(), 2)
    assert schema.field("year").type == pa.int64()
    assert schema.field("share").type == pa.float64()
    assert schema.field("tags").type == pa.list_(pa.string())
    assert not schema.field("id").nullable
    assert "mixed" not in schema.names


def test_a_field_of_two_types_is_in_the_json_column(collection, tmp_path):
    export_collection(collection, tmp_path / "docs.parquet")
    column = pq.read_table(tmp_path / "docs.parquet")["#metadata"].to_pylist()
    assert [each and json.loads(each) for each in column] == [{"mixed": 1}, {"mixed": "1"}, None]


def test_polars_filters_an_export_by_a_field(collection, tmp_path):
    export_collection(collection, tmp_path / "docs.parquet")
    frame = polars.read_parquet(tmp_path / "docs.parquet").filter(polars.col("year") >= 2025)
    assert frame["id"].to_list() == ["b"]
    assert frame["embedding"].to_list() == [[0.0, 1.0]]


@pytest.mark.parametrize("rewrite", ["polars", "pandas"])
def test_an_export_survives_being_rewritten_by_another_program(client, collection, tmp_path, rewrite):
    collection.update(ids="a", metadatas={"id": "not the id", "metadata": "m", "metadata.x": 1})
    path = tmp_path / "docs.parquet"
    export_collection(collection, path)
    if rewrite == "polars":
        polars.read_parquet(path).write_parquet(path)
    else:
        frame = pandas.read_parquet(path, dtype_backend="pyarrow")
        frame.index = pandas.Index([7, 8, 9])
        frame.to_parquet(path)
    found = imported(client, path)
    expected = collection.get(include=["documents", "metadatas", "embeddings", "uris"])
    assert found.metadatas == expected.metadatas
    assert (found.embeddings == expected.embeddings).all()
    assert (found.ids, found.documents, found.uris) == (expected.ids, expected.documents, expected.uris)


def test_a_filter_picks_the_records_and_their_columns(client, collection, tmp_path):
    report = export_collection(collection, tmp_path / "docs.parquet", where=K("year") == 2025)
    assert (report.n_records, report.dimension, report.format) == (1, 2, "parquet")
    assert report.n_bytes == (tmp_path / "docs.parquet").stat().st_size
    assert "tags" not in pq.read_schema(tmp_path / "docs.parquet").names
    assert imported(client, tmp_path / "docs.parquet").ids == ["b"]


def test_an_empty_collection_comes_back_empty_with_its_configuration(client, tmp_path):
    given = {"hnsw": {"space": "cosine", "ef_search": 77}}
    empty = client.create_collection("empty", configuration=given, metadata={"owner": "me"}, embedding_function=None)
    export_collection(empty, tmp_path / "empty.parquet")
    report = import_collection(client, "again", tmp_path / "empty.parquet")
    again = client.get_collection("again")
    assert (report.n_records, report.dimension, again.count()) == (0, None, 0)
    assert again.configuration_json == empty.configuration_json
    assert again.metadata == {"owner": "me"}


def test_a_collection_whose_records_were_all_deleted_comes_back_empty(client, collection, tmp_path):
    collection.delete(ids=["a", "b", "c"])
    assert export_collection(collection, tmp_path / "docs.parquet").n_records == 0
    assert imported(client, tmp_path / "docs.parquet").ids == []


def test_rare_fields_beyond_the_limit_of_columns_go_to_json_and_come_back(client, tmp_path):
    wide = client.create_collection("wide", embedding_function=None)
    n = MAX_COLUMNS + 20
    metadatas = [{f"k{at}": at, "common": at} for at in range(n)]
    wide.add(ids=[str(at) for at in range(n)], embeddings=[[float(at)] for at in range(n)], metadatas=metadatas)
    export_collection(wide, tmp_path / "wide.parquet")
    names = pq.read_schema(tmp_path / "wide.parquet").names
    assert len(names) == MAX_COLUMNS + 5
    assert "common" in names
    assert imported(client, tmp_path / "wide.parquet").metadatas == metadatas


def test_sparse_vectors_are_structs_when_that_is_exact(client, collection, tmp_path):
    vectors = [SparseVector([1, 9], [0.5, 1.0], ["a", "b"]), SparseVector([], [])]
    collection.update(ids=["a", "b"], metadatas=[{"sparse": vectors[0]}, {"sparse": vectors[1]}])
    export_collection(collection, tmp_path / "docs.parquet")
    assert pa.types.is_struct(pq.read_schema(tmp_path / "docs.parquet").field("sparse").type)
    found = imported(client, tmp_path / "docs.parquet").metadatas
    assert [each["sparse"] for each in found[:2]] == vectors


def test_a_frame_of_pandas_becomes_records(client, tmp_path):
    frame = pandas.DataFrame(
        {
            "key": [1, 2],
            "text": ["one", "two"],
            "vector": [np.array([1.0, 0.0]), np.array([0.0, 1.0])],
            "score": [0.5, np.nan],
            "day": pandas.to_datetime(["2024-05-01", "2024-05-02"]).astype("datetime64[ms]"),
            "kind": pandas.Categorical(["x", "y"]),
        },
        index=["p", "q"],
    )
    frame.to_parquet(tmp_path / "frame.parquet")
    found = imported(
        client, tmp_path / "frame.parquet", columns={"id": "key", "document": "text", "embedding": "vector"}
    )
    assert found.ids == ["1", "2"]
    assert found.documents == ["one", "two"]
    assert found.embeddings.tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert found.metadatas == [
        {"score": 0.5, "day": "2024-05-01T00:00:00.000", "kind": "x"},
        {"day": "2024-05-02T00:00:00.000", "kind": "y"},
    ]


def test_a_frame_of_polars_becomes_records(client, tmp_path):
    frame = polars.DataFrame(
        {
            "id": ["a", "b"],
            "embedding": polars.Series([[1.0, 0.0], [0.0, 1.0]], dtype=polars.Array(polars.Float32, 2)),
            "metadata": [{"year": 2024, "tags": ["x"]}, {"year": None, "tags": []}],
            "open": [True, None],
        }
    )
    frame.write_parquet(tmp_path / "frame.parquet")
    found = imported(client, tmp_path / "frame.parquet")
    assert found.metadatas == [{"year": 2024, "tags": ["x"], "open": True}, None]
    assert found.embeddings.tolist() == [[1.0, 0.0], [0.0, 1.0]]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([1, None], pa.uint8()), 1),
        (pa.array([1.5, None], pa.float16()), 1.5),
        (pa.array([decimal.Decimal("1.25"), None]), 1.25),
        (pa.array([datetime.date(2024, 5, 1), None]), "2024-05-01"),
        (pa.array([datetime.datetime(2024, 5, 1, 12), None], pa.timestamp("ms")), "2024-05-01T12:00:00.000"),
        (
            pa.array([datetime.datetime(2024, 5, 1, 12), None], pa.timestamp("s", "Asia/Tokyo")),
            "2024-05-01T12:00:00.000Z",
        ),
        (pa.array(["a", None], pa.large_string()), "a"),
        (pa.array(["a", None], pa.string_view()), "a"),
        (pa.array([[1, 2], []], pa.large_list(pa.int32())), [1, 2]),
        (pa.array([[1.0, 2.0], None], pa.list_(pa.float64(), 2)), [1.0, 2.0]),
        (pa.array([{"indices": [1], "values": [0.5]}, None]), SparseVector([1], [0.5])),
        (pa.array([float("nan"), 1.0])[::-1], 1.0),
        (pa.nulls(2), None),
    ],
    ids=lambda value: str(getattr(value, "type", "")) or None,
)
def test_a_column_of_any_type_with_a_meaning_is_a_field(client, tmp_path, column, expected):
    found = imported(client, foreign(tmp_path, field=column))
    assert found.metadatas == [None if expected is None else {"field": expected}, None]


def test_texts_of_json_objects_in_a_column_named_metadata_are_metadata(client, tmp_path):
    path = foreign(tmp_path, metadata=['{"a": 1, "b": null}', None])
    assert imported(client, path).metadatas == [{"a": 1}, None]


def test_a_map_column_is_metadata(client, tmp_path):
    path = foreign(tmp_path, extra=pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int64())))
    assert imported(client, path, columns={"metadata": "extra"}).metadatas == [{"a": 1}, None]


def test_a_column_named_metadata_can_be_an_ordinary_field(client, tmp_path):
    path = foreign(tmp_path, metadata=["x", "y"])
    assert imported(client, path, columns={"metadata": None}).metadatas == [{"metadata": "x"}, {"metadata": "y"}]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"metadata": ['{"a": 1}', "[1]"]}, "row 2: expected a JSON object, got list"),
        ({"metadata": ["{", None]}, "row 1: no JSON object"),
        ({"raw": [b"x", b"y"]}, "column 'raw' holds binary"),
        ({"nested": [{"a": 1}, {"a": 2}]}, "column 'nested' holds struct"),
        ({"n": pa.array([1, 2**63], pa.uint64())}, "row 2: .*'n' to fit 64 bits"),
        ({"n": [1.0, float("inf")]}, "row 2: .*'n' to be finite, got inf"),
        ({"tags": [["a"], ["b", None]]}, "row 2: .*'tags'"),
        ({"$bad": [None, 1]}, r"row 2: .*\$bad"),
        ({"": [1, 2]}, "row 1: .*a metadata key cannot be empty"),
        ({"": ['{"a": 1}', None]}, "row 1: .*a metadata key cannot be empty"),
        ({"document": [1, 2]}, "column 'document' holds int64"),
        ({"s": pa.array([{"indices": [1], "values": [0.5]}, {"indices": [2, 1], "values": [1.0, 2.0]}])}, "row 2: .*s"),
        ({"a": [1, 1], "metadata": ['{"a": 1}', None]}, "row 1: the metadata field 'a' stands there twice"),
    ],
)
def test_what_cannot_be_stored_is_refused_with_its_place_and_nothing_stays(client, tmp_path, columns, message):
    path = foreign(tmp_path, **columns)
    with pytest.raises(InvalidInputError, match=message) as caught:
        import_collection(client, "imported", path)
    assert str(path) in str(caught.value)
    assert client.list_collections() == []


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        ([[1.0, 2.0], [1.0]], "row 2: its embedding has 1 numbers, those before it have 2"),
        ([[1.0, 2.0], [1.0, None]], "row 2: its embedding has a null"),
        ([[1.0, 2.0], [1.0, float("nan")]], "row 2: .*NaN"),
        ([[1.0, 2.0], [1.0, 1e39]], "row 2: .*Infinity"),
        ([[], []], "row 1: .*no values|row 1: .*at least one"),
        (["[1, 2]", "[3, 4]"], "column 'embedding' holds string, expected a list of numbers"),
        ([[1.0, 2.0], None], "row 2: the record has neither an embedding nor a document"),
    ],
)
def test_a_wrong_embedding_is_refused_with_its_row(client, tmp_path, vectors, message):
    path = write(tmp_path / "wrong.parquet", {"id": ["a", "b"], "embedding": vectors})
    with pytest.raises(InvalidInputError, match=message):
        import_collection(client, "imported", path)
    assert client.list_collections() == []


def test_a_vector_of_another_dimension_in_a_later_batch_is_refused_with_its_row(client, tmp_path):
    path = write(tmp_path / "wrong.parquet", {"id": ["a", "b", "c"], "embedding": [[1.0], [2.0], [1.0, 2.0]]})
    with pytest.raises(DimensionMismatchError, match="row 3: the embedding has dimension 2, the collection's is 1"):
        import_collection(client, "imported", path, batch_rows=1)
    assert client.list_collections() == []


@pytest.mark.parametrize("batch_rows", [1, 2, 10])
def test_an_id_that_stands_twice_is_refused_in_one_batch_and_in_two(client, tmp_path, batch_rows):
    path = write(tmp_path / "twice.parquet", {"id": ["a", "b", "a"], "embedding": [[1.0], [2.0], [3.0]]})
    with pytest.raises(DuplicateIDError, match="row 3: the id 'a' stands in the file twice"):
        import_collection(client, "imported", path, batch_rows=batch_rows)
    assert client.list_collections() == []


@pytest.mark.parametrize(
    ("ids", "message"),
    [(["a", None], "row 2: no id"), ([True, False], "row 1: the id must be a string"), (["a", ""], "row 2: .*''")],
)
def test_a_wrong_id_is_refused_with_its_row(client, tmp_path, ids, message):
    path = write(tmp_path / "wrong.parquet", {"id": ids, "embedding": VECTORS})
    with pytest.raises(InvalidInputError, match=message):
        import_collection(client, "imported", path)


def test_a_file_without_ids_is_refused_with_the_names_that_it_has(client, tmp_path):
    path = write(tmp_path / "no_id.parquet", {"key": ["a"], "embedding": [[1.0]]})
    with pytest.raises(InvalidInputError, match="no column of ids; it has key, embedding"):
        import_collection(client, "imported", path)
    with pytest.raises(InvalidInputError, match=r"no column 'kye' \(did you mean 'key'\?\)"):
        import_collection(client, "imported", path, columns={"id": "kye"})
    with pytest.raises(InvalidInputError, match=r"'embeddings' is none of .* \(did you mean 'embedding'\?\)"):
        import_collection(client, "imported", path, columns={"embeddings": "key"})


def test_records_without_a_vector_are_embedded_and_keep_their_place(client, tmp_path):
    columns = {"id": ["a", "b", "c"], "document": ["xx", "xxx", "x"], "embedding": [None, [9.0, 9.0], None]}
    path = write(tmp_path / "some.parquet", columns)
    import_collection(client, "imported", path, embedding_function=Lengths())
    found = client.get_collection("imported", embedding_function=Lengths()).get(include=["embeddings"])
    assert found.ids == ["a", "b", "c"]
    assert found.embeddings.tolist() == [[2.0, 1.0], [9.0, 9.0], [1.0, 1.0]]


def test_a_flipped_byte_of_an_export_is_noticed_or_changes_no_id_text_or_vector(client, collection, tmp_path):
    path = tmp_path / "docs.parquet"
    export_collection(collection, path)
    content = path.read_bytes()
    expected = imported(client, path)
    n_noticed = 0
    for at in range(0, len(content), 37):
        damaged = bytearray(content)
        damaged[at] ^= 0x10
        path.write_bytes(damaged)
        client.delete_collection("imported")
        try:
            found = imported(client, path)
        except (InvalidInputError, FormatVersionError):
            client.create_collection("imported", embedding_function=None)
            n_noticed += 1
            continue
        vectors_are_equal = np.array_equal(found.embeddings, expected.embeddings)
        assert (found.ids, found.documents, vectors_are_equal) == (expected.ids, expected.documents, True), at
    assert n_noticed > 20


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1PAR1", b'{"id": "a"}\n', b"\0" * 100])
def test_a_file_that_is_no_parquet_is_refused(client, tmp_path, content):
    (tmp_path / "x.parquet").write_bytes(content)
    with pytest.raises(InvalidInputError, match=r"x\.parquet cannot be read as Parquet"):
        import_collection(client, "imported", tmp_path / "x.parquet")
    with pytest.raises(InvalidInputError, match="does not exist"):
        import_collection(client, "imported", tmp_path / "missing.parquet")
    assert client.list_collections() == []


def test_an_export_of_a_newer_version_is_refused(client, tmp_path):
    table = pa.table({"id": ["a"], "embedding": [[1.0]]})
    pq.write_table(table.replace_schema_metadata({"chroma_search": '{"format": 2}'}), tmp_path / "new.parquet")
    with pytest.raises(FormatVersionError, match="export format 2, this program reads format 1"):
        import_collection(client, "imported", tmp_path / "new.parquet")
    pq.write_table(table.replace_schema_metadata({"chroma_search": "{"}), tmp_path / "new.parquet")
    with pytest.raises(InvalidInputError, match="damaged"):
        import_collection(client, "imported", tmp_path / "new.parquet")


def test_the_package_is_imported_without_pyarrow():
    program = "import chroma_search.exchange, sys; print('pyarrow' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert ran.stdout.strip() == "False"
