"""Every row of the validation catalogue (spec 10): what is refused, with which class, before anything is written.

Each row runs against our client, and, unless it says why not, against the installed chromadb, which must refuse it with
a class of the same meaning: the same built-in exception, or the error of the same name.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import chroma_search
from chroma_search import errors

pytestmark = pytest.mark.filterwarnings("ignore")  # chromadb's own

NAN, INF = float("nan"), float("inf")
ONE = [[1.0, 0.0]]
DEFAULT = "takes the default function of its schema, although None was passed"


@dataclass(frozen=True)
class Row:
    """One refused call.

    Attributes:
        name: what is wrong.
        call: makes it, on a namespace with `collection`, `client` and `package`.
        error: name of the exception: a built-in one, or one of `chroma_search.errors`.
        text: part of our message.
        differs: why chromadb does not refuse it the same way; empty when it does.
    """

    name: str
    call: Callable[[Any], Any]
    error: str
    text: str
    differs: str = ""


def add(**columns: Any) -> Callable[[Any], Any]:
    columns = {"ids": ["x"], "embeddings": ONE, **columns}
    return lambda on: on.collection.add(**{name: each for name, each in columns.items() if each is not ...})


def update(**columns: Any) -> Callable[[Any], Any]:
    return lambda on: on.collection.update(**{"ids": ["a"], **columns})


def upsert(**columns: Any) -> Callable[[Any], Any]:
    return lambda on: on.collection.upsert(**{"ids": ["x"], **columns})


def get(**arguments: Any) -> Callable[[Any], Any]:
    return lambda on: on.collection.get(**arguments)


def query(**arguments: Any) -> Callable[[Any], Any]:
    return lambda on: on.collection.query(**{"query_embeddings": ONE, **arguments})


def delete(**arguments: Any) -> Callable[[Any], Any]:
    return lambda on: on.collection.delete(**arguments)


def meta(key: Any, value: Any) -> Callable[[Any], Any]:
    return add(metadatas=[{key: value}])


def sparse(*parts: Any) -> Callable[[Any], Any]:
    return lambda on: on.package.SparseVector(*parts)


def create(name: Any, **arguments: Any) -> Callable[[Any], Any]:
    return lambda on: on.client.create_collection(name, **{"embedding_function": None, **arguments})


def function_of_two(on: Any) -> Any:
    class Wrong:
        def __call__(self, input: Any, other: Any) -> Any: ...

    return on.client.create_collection("wrong", embedding_function=Wrong())


IDS = [
    Row("ids None", add(ids=None), "ValueError", "Expected IDs to be a list, got NoneType"),
    Row("ids tuple", add(ids=("x",)), "ValueError", "Expected ids to be a list, got tuple"),
    Row("ids empty in add", add(ids=[]), "ValueError", "Non-empty lists are required for ['ids']"),
    Row("ids empty in update", update(ids=[]), "ValueError", "Non-empty lists are required for ['ids']"),
    Row("ids empty in upsert", upsert(ids=[], embeddings=ONE), "ValueError", "Non-empty lists are required"),
    Row("ids empty in get", get(ids=[]), "ValueError", "non-empty list, got 0 IDs in get."),
    Row("ids empty in delete", delete(ids=[]), "ValueError", "non-empty list, got 0 IDs in delete."),
    Row("id no str", add(ids=[1]), "ValueError", "Expected ID to be a str, got 1"),
    Row("id empty", add(ids=[""]), "InvalidArgumentError", "at least one character"),
    Row("id with a lone surrogate", add(ids=["\ud800"]), "ValueError", "lone surrogate (U+D800)"),
    Row("id twice in add", add(ids=["x", "x"], embeddings=ONE * 2), "DuplicateIDError", "duplicates of: x in add."),
    Row("id twice in update", update(ids=["a", "a"], documents=None), "DuplicateIDError", "in update."),
    Row("id twice in upsert", upsert(ids=["a", "a"], embeddings=ONE * 2), "DuplicateIDError", "in upsert."),
    Row("id twice in get", get(ids=["a", "a"]), "DuplicateIDError", "in get."),
    Row("id twice in delete", delete(ids=["a", "a"]), "DuplicateIDError", "in delete."),
]
COLUMNS = [
    Row("lengths differ", add(ids=["x", "y"]), "ValueError", "Unequal lengths for fields: ids: 2, embeddings: 1"),
    Row("nothing to add", add(embeddings=None), "ValueError", "Exactly one of"),
    Row("nothing to upsert", upsert(), "ValueError", "Exactly one of"),
    Row("two things to embed", add(embeddings=None, documents=["d"], uris=["u"]), "ValueError", "Exactly one of"),
    Row("uris without a loader", add(embeddings=None, uris=["u"]), "ValueError", "data loader"),
    Row("images no arrays", add(embeddings=None, images=["i"]), "ValueError", "Expected image to be a numpy array"),
    Row("document no str", add(documents=[1]), "ValueError", "Expected document to be a str, got 1"),
    Row("document None to embed", add(embeddings=None, documents=[None]), "ValueError", "document to be a str"),
    Row("document with a lone surrogate", add(documents=["\udc00"]), "ValueError", "lone surrogate"),
    Row(
        "no embedding function",
        add(embeddings=None, documents=["d"]),
        "ValueError",
        "provide an embedding function",
        DEFAULT,
    ),
    Row("no function for an update", update(documents=["d"]), "ValueError", "provide an embedding", DEFAULT),
    Row("uri no str", add(uris=[1]), "ValueError", "URI to be a str", "a TypeError of its binding"),
]
EMBEDDINGS = [
    Row("embeddings empty", add(embeddings=[]), "ValueError", "non-empty list"),
    Row("embedding empty", add(embeddings=[[]]), "ValueError", "no values", "an IndexError, by accident"),
    Row("embeddings of str", add(embeddings=["a"]), "ValueError", "a list of floats or ints, a list of lists"),
    Row("embedding of str", add(embeddings=[["1"]]), "ValueError", "int or float, got str"),
    Row("embeddings of bool", add(embeddings=[True]), "ValueError", "a list of floats or ints, a list of lists"),
    Row("embedding of bool", add(embeddings=[[True, False]]), "ValueError", "int or float, got bool"),
    Row("bool among floats", add(embeddings=[[1.0, True]]), "ValueError", "got bool", "taken as 1.0"),
    Row("text among floats", add(embeddings=[[1.0, "2"]]), "ValueError", "got str", "taken as 2.0"),
    Row("embeddings tuple", add(embeddings=((1.0, 0.0),)), "ValueError", "got tuple"),
    Row("dtype uint8", add(embeddings=np.ones((1, 2), np.uint8)), "ValueError", "int or float"),
    Row("dtype bool", add(embeddings=np.ones((1, 2), bool)), "ValueError", "int or float"),
    Row("dtype object", add(embeddings=np.array([[1, None]])), "ValueError", "int or float"),
    Row("three axes", add(embeddings=np.ones((1, 2, 2))), "ValueError", "shape (1, 2, 2)"),
    Row("NaN in add", add(embeddings=[[NAN, 0]]), "InvalidArgumentError", "must not contain NaN or Infinity"),
    Row("inf in add", add(embeddings=[[INF, 0]]), "InvalidArgumentError", "must not contain NaN or Infinity"),
    Row("-inf in upsert", upsert(embeddings=[[0, -INF]]), "InvalidArgumentError", "NaN or Infinity"),
    Row("NaN in update", update(embeddings=[[NAN, 0]]), "InvalidArgumentError", "NaN or Infinity"),
    Row("beyond float32", add(embeddings=[[1e39, 0]]), "InvalidArgumentError", "NaN or Infinity"),
    Row("beyond float32 in an array", add(embeddings=np.array([[1e39, 0]])), "InvalidArgumentError", "NaN or Infinity"),
    Row("int beyond float64", add(embeddings=[[10**400, 0]]), "ValueError", "too large", "an OverflowError"),
    Row(
        "dimensions differ in the call",
        add(ids=["x", "y"], embeddings=[[1.0], [1.0, 2.0]]),
        "InvalidArgumentError",
        "Inconsistent dimensions",
    ),
    Row("dimension in add", add(embeddings=[[1.0]]), "InvalidArgumentError", "dimension of 2, got 1"),
    Row("dimension in update", update(embeddings=[[1.0] * 3]), "InvalidArgumentError", "dimension of 2, got 3"),
    Row("dimension in query", query(query_embeddings=[1.0]), "InvalidArgumentError", "dimension of 2, got 1"),
    Row(
        "dimensions differ in a query",
        query(query_embeddings=[[1.0, 0.0], [1.0]]),
        "InvalidArgumentError",
        "Inconsistent dimensions",
    ),
]
METADATA = [
    Row("metadata no dict", add(metadatas=[1]), "ValueError", "a dict or None, got int", "AttributeError, by accident"),
    Row("metadata str", add(metadatas=["m"]), "ValueError", "a dict or None, got str", "AttributeError, by accident"),
    Row("metadata {}", add(metadatas=[{}]), "ValueError", "non-empty dict"),
    Row("metadata {} in update", update(metadatas=[{}]), "ValueError", "non-empty dict"),
    Row("key no str", meta(1, 1), "TypeError", "metadata key to be a str"),
    Row("key empty", meta("", 1), "InvalidArgumentError", "Invalid metadata at index 0"),
    Row("key #", meta("#a", 1), "InvalidArgumentError", "Invalid metadata at index 0"),
    Row("key $", meta("$a", 1), "InvalidArgumentError", "Invalid metadata at index 0"),
    Row("key reserved", meta("chroma:document", "d"), "ValueError", "reserved key chroma:document"),
    Row("key reserved too", meta("chroma:uri", "u"), "ValueError", "reserved key chroma:uri", "leaks into the uri"),
    Row("value dict", meta("k", {"a": 1}), "ValueError", "got a dict"),
    Row("value tuple", meta("k", (1, 2)), "ValueError", "got a tuple"),
    Row("value bytes", meta("k", b"1"), "ValueError", "got a bytes"),
    Row("value numpy int", meta("k", np.int64(1)), "ValueError", "got a int64"),
    Row("value numpy float32", meta("k", np.float32(1)), "ValueError", "got a float32"),
    Row("value numpy bool", meta("k", np.bool_(True)), "ValueError", "got a bool"),
    Row("list empty", meta("k", []), "ValueError", "to be non-empty"),
    Row("list mixed", meta("k", [1, "a"]), "ValueError", "must be the same type"),
    Row("list of int and float", meta("k", [1, 2.5]), "ValueError", "must be the same type"),
    Row("list of int and bool", meta("k", [1, True]), "ValueError", "must be the same type"),
    Row("list nested", meta("k", [[1]]), "ValueError", "to contain only"),
    Row("list with None", meta("k", [None]), "ValueError", "to contain only"),
    Row("value NaN", meta("k", NAN), "ValueError", "finite, got nan", "drops the key silently"),
    Row("value inf", meta("k", INF), "ValueError", "finite, got inf", "drops the key silently"),
    Row("NaN in a list", meta("k", [1.0, NAN]), "ValueError", "finite", "drops the key silently"),
    Row("NaN in an update", update(metadatas=[{"k": NAN}]), "ValueError", "finite", "drops the key silently"),
    Row("int beyond 64 bits", meta("k", 2**63), "ValueError", "64 bits", "stores a float"),
    Row("int below 64 bits", meta("k", -(2**63) - 1), "ValueError", "64 bits", "stores a float"),
    Row("lone surrogate", meta("k", "\ud800"), "ValueError", "lone surrogate", "a TypeError of its binding"),
    Row("lone surrogate in a key", meta("\ud800", 1), "ValueError", "lone surrogate", "a TypeError of its binding"),
]
SPARSE = [
    Row("indices no list", sparse((1,), [1.0]), "ValueError", "indices to be a list"),
    Row("values no list", sparse([1], (1.0,)), "ValueError", "values to be a list"),
    Row("sparse lengths", sparse([1, 2], [1.0]), "ValueError", "same length"),
    Row("index no int", sparse([1.0], [1.0]), "ValueError", "must be integers"),
    Row("index negative", sparse([-1], [1.0]), "ValueError", "non-negative"),
    Row("indices not ascending", sparse([2, 1], [1.0, 1.0]), "ValueError", "strictly ascending"),
    Row("indices repeated", sparse([1, 1], [1.0, 1.0]), "ValueError", "strictly ascending"),
    Row("value no number", sparse([1], ["1"]), "ValueError", "must be numbers"),
    Row("labels length", sparse([1], [1.0], ["a", "b"]), "ValueError", "labels"),
    Row("index bool", sparse([True], [1.0]), "ValueError", "must be integers", "taken as 1"),
    Row("value NaN in a sparse vector", sparse([1], [NAN]), "ValueError", "finite", "taken"),
]
INCLUDES = [
    Row("include no list in get", get(include="documents"), "ValueError", "include to be a list"),
    Row("include unknown in get", get(include=["scores"]), "ValueError", "to be one of"),
    Row("include no str", get(include=[1]), "ValueError", "to be a str"),
    Row("distances in get", get(include=["distances"]), "ValueError", "cannot be one of distances"),
    Row("data without a loader", get(include=["data"]), "ValueError", "data loader"),
    Row("include unknown in query", query(include=["x"]), "ValueError", "to be one of"),
]
PAGES = [
    Row("n_results no int", query(n_results="1"), "ValueError", "to be a int"),
    Row("n_results 0", query(n_results=0), "TypeError", "cannot be negative, or zero"),
    Row("n_results negative", query(n_results=-1), "TypeError", "cannot be negative, or zero"),
    Row("limit negative", get(limit=-1), "ValueError", "non-negative", "an OverflowError of its binding"),
    Row("offset negative", get(offset=-1), "ValueError", "non-negative", "an OverflowError of its binding"),
    Row("limit no int", get(limit="1"), "TypeError", "non-negative integer"),
    Row("no selector", delete(), "ValueError", "At least one of ids, where, or where_document"),
    Row("delete limit alone", delete(ids=["a"], limit=1), "ValueError", "limit can only be specified when a where"),
    Row("delete limit bool", delete(where={"n": 1}, limit=True), "TypeError", "non-negative integer"),
    Row("delete limit negative", delete(where={"n": 1}, limit=-1), "ValueError", "non-negative integer"),
    Row("no question", query(query_embeddings=None), "ValueError", "At least one of"),
    Row(
        "texts and uris",
        query(query_embeddings=None, query_texts=["a"], query_uris=["u"]),
        "ValueError",
        "Exactly one of",
    ),
    Row("text without a function", query(query_embeddings=None, query_texts="a"), "ValueError", "embedding", DEFAULT),
]
WHERES = [
    Row("where {}", get(where={}), "ValueError", "empty"),
    Row("where {} in query", query(where={}), "ValueError", "empty"),
    Row("where {} in delete", delete(where={}), "ValueError", "empty"),
    Row("where list", get(where=[]), "ValueError", "got list"),
    Row("two fields", get(where={"a": 1, "b": 2}), "ValueError", "exactly one field"),
    Row("two operators", get(where={"a": {"$gt": 0, "$lt": 2}}), "ValueError", "exactly one operator"),
    Row("no operator", get(where={"a": {}}), "ValueError", "cannot be empty"),
    Row("unknown operator", get(where={"a": {"$like": 1}}), "ValueError", "$like"),
    Row("operator as a field", get(where={"$contains": "a"}), "ValueError", "$contains"),
    Row("key no str", get(where={1: 1}), "ValueError", "must be a string"),
    Row("$and empty", get(where={"$and": []}), "ValueError", "at least one"),
    Row("$or no list", get(where={"$or": {"a": 1}}), "ValueError", "must be a list"),
    Row("$eq None", get(where={"a": None}), "ValueError", "null"),
    Row("$eq list", get(where={"a": [1]}), "ValueError", "list"),
    Row("$in empty", get(where={"a": {"$in": []}}), "ValueError", "empty"),
    Row("$in no list", get(where={"a": {"$in": 1}}), "ValueError", "requires a list"),
    Row("$in mixed", get(where={"a": {"$in": [1, "b"]}}), "ValueError", "type"),
    Row("$contains None", get(where={"a": {"$contains": None}}), "ValueError", "NoneType"),
    Row("$contains list", get(where={"a": {"$contains": [1]}}), "ValueError", "list"),
    Row("number in a document", get(where={"#document": {"$contains": 1}}), "ValueError", "string"),
    Row("$eq on documents", get(where={"#document": {"$eq": "d"}}), "InvalidArgumentError", "#document"),
    Row("$gt bool", get(where={"a": {"$gt": True}}), "InvalidArgumentError", "$gt"),
    Row("operand NaN", get(where={"a": NAN}), "InvalidArgumentError", "finite"),
    Row("operand beyond 64 bits", get(where={"a": 2**63}), "InvalidArgumentError", "64 bits"),
    Row("where_document {}", get(where_document={}), "ValueError", "exactly one operator"),
    Row("where_document no dict", get(where_document=[1]), "ValueError", "got list"),
    Row("where_document unknown", get(where_document={"$like": "a"}), "ValueError", "Unknown operator: $like"),
    Row("where_document number", get(where_document={"$contains": 1}), "ValueError", "requires a string"),
    Row("where_document empty", get(where_document={"$contains": ""}), "ValueError", "non-empty"),
    Row("where_document two", get(where_document={"$contains": "a", "$regex": "b"}), "ValueError", "exactly one"),
    Row("bad regex", get(where_document={"$regex": "("}), "InvalidArgumentError", ""),
    Row("look-ahead", get(where_document={"$regex": "a(?=b)"}), "InvalidArgumentError", ""),
]
COLLECTIONS = [
    Row("name short", create("ab"), "InvalidArgumentError", "3-512 characters"),
    Row("name long", create("a" * 513), "InvalidArgumentError", "3-512 characters"),
    Row("name with a space", create("a b c"), "InvalidArgumentError", "3-512 characters"),
    Row("name ends with a dot", create("abc."), "InvalidArgumentError", "starting and ending"),
    Row("name with two dots", create("a..b"), "InvalidArgumentError", "two consecutive periods"),
    Row("name an ip address", create("127.0.0.1"), "InvalidArgumentError", "ip address"),
    Row("name with two plus", create("aaa+bbb+ccc"), "InvalidArgumentError", "one '+'"),
    Row("name no str", create(1), "TypeError", "to be a str"),
    Row("name taken", create("taken"), "ConflictError", "already exists", "an InternalError; HTTP says 409"),
    Row("metadata {} of a collection", create("abcd", metadata={}), "ValueError", "empty", "see schema tests"),
    Row("unknown space", create("abcd", metadata={"hnsw:space": "cos"}), "InvalidArgumentError", "space"),
    Row(
        "hnsw and spann",
        create("abcd", configuration={"hnsw": {"space": "l2"}, "spann": {"space": "l2"}}),
        "ValueError",
        "cannot both be provided",
    ),
    Row("function of two arguments", function_of_two, "ValueError", "following signature"),
    Row("get missing", lambda on: on.client.get_collection("missing"), "NotFoundError", "[missing] does not exist"),
    Row("delete missing", lambda on: on.client.delete_collection("missing"), "NotFoundError", "does not exist"),
    Row("modify with {}", lambda on: on.collection.modify(metadata={}), "ValueError", "non-empty dict"),
    Row("modify the space", lambda on: on.collection.modify(metadata={"hnsw:space": "ip"}), "ValueError", "distance"),
    Row("modify to a bad name", lambda on: on.collection.modify(name="x"), "InvalidArgumentError", "3-512"),
    Row("modify to a taken name", lambda on: on.collection.modify(name="taken"), "ConflictError", "exists", "Internal"),
    Row(
        "modify the other index",
        lambda on: on.collection.modify(configuration={"spann": {"ef_search": 9}}),
        "ValueError",
        "SPANN",
    ),
    Row("reset not allowed", lambda on: on.client.reset(), "AuthorizationError", "Reset is disabled"),
    Row("unknown tenant", lambda on: on.client.set_tenant("nobody"), "NotFoundError", "Tenant [nobody] not found"),
    Row("unknown database", lambda on: on.client.set_database("none"), "NotFoundError", "Database [none] not found"),
]
ROWS = [*IDS, *COLUMNS, *EMBEDDINGS, *METADATA, *SPARSE, *INCLUDES, *PAGES, *WHERES, *COLLECTIONS]


def place(package: Any, client: Any) -> Any:
    """Return a collection of two records, in a database of its own name."""
    collection = client.create_collection(f"c{uuid.uuid4().hex}", embedding_function=None)
    collection.add(
        ids=["a", "b"], embeddings=[[1.0, 0.0], [0.0, 1.0]], documents=["da", "db"], metadatas=[{"n": 1}] * 2
    )
    return SimpleNamespace(package=package, client=client, collection=collection)


@pytest.fixture(scope="module")
def ours() -> Any:
    client = chroma_search.EphemeralClient()
    client.get_or_create_collection("taken", embedding_function=None)
    return client


@pytest.fixture(scope="module")
def theirs() -> Any:
    import chromadb
    from chromadb.config import Settings

    client = chromadb.EphemeralClient(Settings(anonymized_telemetry=False))
    client.get_or_create_collection("taken", embedding_function=None)
    return client


def state(collection: Any) -> Any:
    found = collection.get(include=["documents", "metadatas", "embeddings"])
    return {**found, "embeddings": np.asarray(found["embeddings"]).tolist()}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_it_is_refused_and_nothing_changes(ours: Any, row: Row) -> None:
    on = place(chroma_search, ours)
    before = state(on.collection)
    with pytest.raises(errors.ChromaSearchError) as raised:
        row.call(on)
    wanted = getattr(errors, row.error, None) or {"ValueError": ValueError, "TypeError": TypeError}[row.error]
    assert isinstance(raised.value, wanted), repr(raised.value)
    assert row.text in str(raised.value)
    assert state(on.collection) == before


@pytest.mark.parametrize("row", [row for row in ROWS if not row.differs], ids=lambda row: row.name)
def test_chromadb_refuses_it_with_the_same_class(theirs: Any, row: Row) -> None:
    import chromadb
    import chromadb.errors

    on = place(chromadb, theirs)
    with pytest.raises(Exception) as raised:
        row.call(on)
    wanted = getattr(chromadb.errors, row.error, None) or {"ValueError": ValueError, "TypeError": TypeError}[row.error]
    assert isinstance(raised.value, wanted), repr(raised.value)


def test_rows_that_are_only_ours_say_why() -> None:
    assert all(row.differs for row in ROWS if row.error == "ConflictError")
    assert len({row.name for row in ROWS}) >= len(ROWS) - 1
