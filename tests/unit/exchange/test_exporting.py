"""Exports and imports as a whole: one state of the collection, the same collection again, formats and refusals."""

from typing import Any

import pytest

from chroma_search import (
    ChromaBm25EmbeddingFunction,
    EphemeralClient,
    IntInvertedIndexConfig,
    LsaEmbeddingFunction,
    PersistentClient,
    Schema,
    SparseVectorIndexConfig,
    VectorIndexConfig,
)
from chroma_search.errors import ConflictError, InvalidInputError, NotFoundError, WrongTypeError
from chroma_search.exchange import export_collection, import_collection

FORMATS = pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
EVERYTHING = ["documents", "metadatas", "embeddings", "uris"]


@FORMATS
def test_an_export_is_one_state_whatever_is_written_meanwhile(tmp_path, suffix):
    with PersistentClient(tmp_path / "data") as client:
        collection = client.create_collection("docs", embedding_function=None)
        collection.add(ids=["a", "b", "c"], embeddings=[[1.0], [2.0], [3.0]], metadatas=[{"n": 1}, {"n": 2}, {"n": 3}])
        collection.flush()
        collection.add(ids=["d"], embeddings=[[4.0]])
        before = collection.get(include=EVERYTHING)

        def disturb(done, total):
            assert total == 4
            if done == 1:
                collection.delete(ids=["b", "d"])
                collection.update(ids="c", embeddings=[9.0], metadatas={"n": "text"})
                collection.add(ids="e", embeddings=[5.0])
                collection.compact()

        export_collection(collection, tmp_path / f"docs{suffix}", batch_rows=1, progress=disturb)
        assert collection.get().ids == ["a", "c", "e"]
        import_collection(client, "again", tmp_path / f"docs{suffix}")
        after = client.get_collection("again").get(include=EVERYTHING)
    assert (after.ids, after.metadatas) == (before.ids, before.metadatas)
    assert after.embeddings.tolist() == before.embeddings.tolist()


@FORMATS
def test_configuration_schema_and_metadata_come_back(tmp_path, suffix):
    schema = (
        Schema()
        .create_index(config=VectorIndexConfig(space="ip"))
        .create_index(
            config=SparseVectorIndexConfig(
                source_key="#document", embedding_function=ChromaBm25EmbeddingFunction(), bm25=True
            ),
            key="words",
        )
        .delete_index(config=IntInvertedIndexConfig(), key="year")
    )
    client = EphemeralClient()
    made = [
        client.create_collection("plain"),
        client.create_collection("silent", embedding_function=None),
        client.create_collection("legacy", metadata={"hnsw:space": "cosine", "x": 1}, embedding_function=None),
        client.create_collection("spann", configuration={"spann": {"space": "cosine"}}, embedding_function=None),
        client.create_collection("flat", configuration={"flat": {"space": "ip"}}, embedding_function=None),
        client.create_collection("schema", schema=schema, embedding_function=None),
        client.create_collection("changed", embedding_function=None),
        client.create_collection("replaced", metadata={"hnsw:space": "cosine"}, embedding_function=None),
    ]
    made[-2].modify(configuration={"hnsw": {"ef_search": 55}})
    made[-1].modify(metadata={"y": 2})
    for collection in made:
        path = tmp_path / f"{collection.name}{suffix}"
        export_collection(collection, path)
        import_collection(client, f"{collection.name}.again", path)
        again = client.get_collection(f"{collection.name}.again")
        expected = {**collection.configuration_json}
        if collection.name == "replaced":  # what made its distance is gone: it is said anew, and so is the function
            expected["embedding_function"] = {"type": "legacy"}
        assert again.configuration_json == expected, collection.name
        assert again.metadata == collection.metadata
        if collection.name != "replaced":
            assert again.schema.serialize_to_json() == collection.schema.serialize_to_json()


@pytest.mark.slow
@FORMATS
def test_a_fitted_function_comes_along_and_answers_alike(tmp_path, suffix):
    with PersistentClient(tmp_path / "one") as client:
        function = LsaEmbeddingFunction(n_components=4)
        texts = ["the fox jumps over a dog", "a fox in the wood", "prime numbers and keys", "keys of cryptography"]
        function.fit([f"{text} {word}" for text in texts for word in ("fox", "key", "dog", "wood")])
        collection = client.create_collection("docs", embedding_function=function)
        collection.add(ids=list("abcd"), documents=texts)
        answer = collection.search("RANK knn('public keys') LIMIT 2 SELECT #score")
        export_collection(collection, tmp_path / f"docs{suffix}")
    with PersistentClient(tmp_path / "two") as client:
        import_collection(client, "docs", tmp_path / f"docs{suffix}")
        again = client.get_collection("docs").search("RANK knn('public keys') LIMIT 2 SELECT #score")
    assert again == answer


@pytest.fixture
def collection():
    with EphemeralClient() as client:
        yield client.create_collection("docs", embedding_function=None)


def test_a_file_that_is_there_is_not_replaced_unasked(collection, tmp_path):
    path = tmp_path / "docs.jsonl"
    path.write_text("mine")
    with pytest.raises(ConflictError, match="exists"):
        export_collection(collection, path)
    assert path.read_text() == "mine"
    export_collection(collection, path, overwrite=True)
    assert path.read_text().startswith('{"chroma_search"')


def test_wrong_arguments_are_refused_before_a_file_is_made(collection, tmp_path):
    wrong: Any = {"format": "csv"}
    with pytest.raises(InvalidInputError, match=r"docs\.txt does not tell the format"):
        export_collection(collection, tmp_path / "docs.txt")
    with pytest.raises(InvalidInputError, match="format must be one of parquet, jsonl, got 'csv'"):
        export_collection(collection, tmp_path / "docs.csv", **wrong)
    with pytest.raises(InvalidInputError, match="batch_rows must be an int from 1, got 0"):
        export_collection(collection, tmp_path / "docs.jsonl", batch_rows=0)
    with pytest.raises(InvalidInputError, match="year"):
        export_collection(collection, tmp_path / "docs.jsonl", where="year >")
    with pytest.raises(WrongTypeError, match="got dict"):
        export_collection(wrong, tmp_path / "docs.jsonl")
    assert list(tmp_path.iterdir()) == []


def test_a_deleted_collection_cannot_be_exported(tmp_path):
    with EphemeralClient() as client:
        collection = client.create_collection("docs", embedding_function=None)
        client.delete_collection("docs")
        with pytest.raises(NotFoundError):
            export_collection(collection, tmp_path / "docs.jsonl")
    assert list(tmp_path.iterdir()) == []


def test_an_import_into_a_name_that_is_taken_says_what_to_do(collection, tmp_path):
    export_collection(collection, tmp_path / "docs.jsonl")
    wrong: Any = {"mode": "append"}
    with EphemeralClient() as client:
        with pytest.raises(ConflictError, match=r"\[docs\] already exists.* mode 'add' or 'upsert'"):
            import_collection(client, "docs", tmp_path / "docs.jsonl")
        with pytest.raises(InvalidInputError, match="mode must be one of create, add, upsert, got 'append'"):
            import_collection(client, "docs", tmp_path / "docs.jsonl", **wrong)
        assert client.get_collection("docs").count() == 0
