"""A program as Chroma's documentation teaches to write them, in our own words: one block per construct it shows.

Run by `test_drop_in.py` in a process where `chromadb` is this package. Data: five texts with vectors on a line (0, 1,
2, 3, 4), so that distances, and with them every expected answer, can be worked out by hand.

A type checker takes `chromadb` for the installed package: what that lacks, or types more narrowly than its own
documentation uses it, is ignored line by line.
"""

# ruff: noqa: E712 - K("x") == True is how a filter is written

import chromadb
import numpy as np
from chromadb import And, K, Knn, Rrf, Schema, Search, SparseVector, SparseVectorIndexConfig, Val  # type: ignore[attr-defined]  # lacks And, Val
from chromadb.execution.expression import GroupBy, Limit, MaxK, MinK, Select


class Letters(chromadb.SparseEmbeddingFunction):
    """Counts the letters a, b and c."""

    def __init__(self):
        pass

    def __call__(self, input):
        counts = [[float(text.count(letter)) for letter in "abc"] for text in input]
        found = [[at for at in range(3) if row[at]] for row in counts]
        return [
            SparseVector(indices=at, values=[row[each] for each in at]) for at, row in zip(found, counts, strict=True)
        ]

    @staticmethod
    def name():
        return "documented_letters"

    def get_config(self):
        return {}

    @staticmethod
    def build_from_config(config):
        return Letters()


class Line(chromadb.EmbeddingFunction):
    """Places a text by its number of words, minus one."""

    def __init__(self):
        pass

    def __call__(self, input):  # type: ignore[override]  # documented with lists, typed with arrays
        return [[float(len(text.split()) - 1), 0.0] for text in input]

    @staticmethod
    def name():
        return "documented_line"

    def get_config(self):
        return {}

    @staticmethod
    def build_from_config(config):
        return Line()


client = chromadb.EphemeralClient()
schema = Schema().create_index(
    config=SparseVectorIndexConfig(source_key=K.DOCUMENT, embedding_function=Letters()),  # type: ignore[arg-type]  # a Key
    key="letters",
)
collection = client.create_collection(name="texts", schema=schema, embedding_function=Line())
collection.add(
    ids=["one", "two", "three", "four", "five"],
    documents=["a", "b b", "c c c", "a b c a", "ab c API a v1.2"],
    metadatas=[
        {"kind": "x", "year": 2020, "open": True, "tags": ["red", "green"]},
        {"kind": "x", "year": 2021, "open": False, "tags": ["red"]},
        {"kind": "y", "year": 2022, "open": True, "price": 9.5},
        {"kind": "y", "year": 2023, "open": True, "price": 20.0},
        {"year": 2024, "numbers": [1, 2]},
    ],
)


def ids(*searches):
    found = collection.search(list(searches))["ids"]
    return found[0] if len(searches) == 1 else found


def where(condition):
    return ids(Search().where(condition))


# --- filters: comparison, membership, documents, arrays, ids, logic, dicts, missing keys ---
assert where(K("kind") == "x") == ["one", "two"]
assert where(K("kind") != "x") == ["three", "four", "five"]
assert where((K("year") > 2021) & (K("price") <= 9.5)) == ["three"]
assert where((K("open") == True) | (K("year") >= 2024)) == ["one", "three", "four", "five"]
assert where(K("kind").is_in(["y", "z"])) == ["three", "four"]
assert where(K("kind").not_in(["y"])) == ["one", "two", "five"]
assert where(K.ID.is_in(["four", "one", "none"])) == ["one", "four"]
assert where(K.DOCUMENT.contains("API") & K.DOCUMENT.regex(r"v\d\.\d")) == ["five"]
assert where(K.DOCUMENT.not_contains("c")) == ["one", "two"]
assert where(K("tags").contains("green")) == ["one"]
assert where(K("tags").not_contains("red")) == ["three", "four", "five"]
assert where(K("numbers").contains(2)) == ["five"]
assert where({"$or": [{"kind": "y"}, {"$and": [{"year": {"$lt": 2021}}, {"#document": {"$contains": "a"}}]}]}) == [
    "one",
    "three",
    "four",
]
condition = And([])
for part in (K("open") == True, K("year") >= 2021):
    condition &= part
assert where(condition) == ["three", "four"]

# --- ranks: arithmetic, functions, constants, candidates, defaults, positions ---
near_two = Knn(query="1 2 3")  # a text of three words: distances 4, 1, 0, 1, 4
assert ids(Search().rank(near_two).limit(2)) == ["three", "two"]
assert ids(Search().rank(-near_two).limit(2)) == ["one", "five"]
scores = collection.search(Search().rank((near_two + 1).log() * 2 / Val(2)).select(K.SCORE))["scores"][0]
assert np.allclose(scores, np.log([1, 2, 2, 5, 5]))
assert collection.search(Search().rank(abs(near_two - 1).min(2.0).max(0.5)).select(K.SCORE))["scores"] == [
    [0.5, 0.5, 1.0, 2.0, 2.0]
]
first, last = Knn(query=[0.0, 0.0], limit=2), Knn(query=np.array([4.0, 0.0]), limit=2, default=100.0)
assert ids(Search().rank(first + last)) == ["one", "two"]
assert ids(Search().rank(first * 0.5 + Knn(query=[4.0, 0.0], limit=2))) == []
assert collection.search(Search().rank(Knn(query="1", return_rank=True)).select(K.SCORE))["scores"] == [[0, 1, 2, 3, 4]]
assert Search(rank={"$knn": {"query": [2.0, 0.0], "limit": 1}}, limit=5).to_dict()["rank"]["$knn"]["limit"] == 1

# --- sparse and hybrid: letters counted in "c c": c is dimension 2 ---
sparse = Knn(query="c c", key="letters")
assert ids(Search().rank(sparse)) == ["three", "four", "five"]
by_hand = Knn(query={"indices": [1], "values": [1.0]}, key="letters")  # type: ignore[arg-type]  # a dict
assert ids(Search().rank(by_hand)) == ["two", "four", "five"]
fused = Rrf(
    ranks=[
        Knn(query="1 2 3", return_rank=True, default=99),
        Knn(query="c c", key="letters", return_rank=True, default=99),
    ],
    weights=[3, 1],
    k=60,
    normalize=True,
)
found = collection.search(Search().rank(fused).limit(1).select(K.SCORE))
assert found["ids"] == [["three"]]
assert np.allclose(found["scores"], [[-1 / 60]])

# --- groups ---
best_of_each = GroupBy(keys=K("kind"), aggregate=MinK(keys=K.SCORE, k=1))
assert ids(Search().rank(Knn(query="1")).group_by(best_of_each)) == ["one", "three", "five"]
newest = GroupBy(keys=[K("kind"), K("open")], aggregate=MaxK(keys=[K("year"), K.SCORE], k=1))
assert ids(Search(rank=Knn(query="1"), group_by=newest)) == ["one", "two", "four", "five"]

# --- pages and columns ---
assert ids(*(Search().limit(2, offset=2 * page) for page in range(4))) == [
    ["one", "two"],
    ["three", "four"],
    ["five"],
    [],
]
result = collection.search(Search(limit=Limit(limit=1), select=Select(keys={K.DOCUMENT, "kind", "missing"})))
assert result.rows() == [[{"id": "one", "document": "a", "metadata": {"kind": "x"}}]]
everything = collection.search(Search().rank(near_two).limit(1).select_all()).rows()[0][0]
assert sorted(everything) == ["document", "embedding", "id", "metadata", "score"]
assert everything.get("embedding") == [2.0, 0.0]

# --- batches: each search selects for itself, and columns are attributes ---
batch = collection.search([Search().limit(1).select(K.DOCUMENT), Search().limit(2).select("year"), Search().limit(1)])
assert batch.ids == [["one"], ["one", "two"], ["one"]]
assert batch.documents == [["a"], None, None]
assert batch.metadatas == [None, [{"year": 2020}, {"year": 2021}], None]

# --- the same questions in the older calls ---
assert collection.query(query_texts=["1 2 3"], n_results=1, where={"kind": "y"})["ids"] == [["three"]]
assert collection.get(where={"kind": "y"}, limit=1, offset=1)["ids"] == ids(
    Search(where={"kind": "y"}, limit={"limit": 1, "offset": 1})
)

# --- a schema that switches filters off ---
from chromadb import IntInvertedIndexConfig, StringInvertedIndexConfig, VectorIndexConfig  # noqa: E402

closed = (
    Schema()
    .delete_index(config=StringInvertedIndexConfig())
    .create_index(config=StringInvertedIndexConfig(), key="kind")
    .delete_index(config=IntInvertedIndexConfig(), key="year")
    .create_index(config=VectorIndexConfig(space="cosine", embedding_function=Line()))
)
other = client.get_or_create_collection(name="closed", schema=closed)
other.add(ids=["a"], documents=["1 2"], metadatas=[{"kind": "x", "name": "y", "year": 1, "size": 2}])
assert other.get(where={"kind": "x"})["ids"] == other.get(where={"size": 2})["ids"] == ["a"]
for refused in ({"name": "y"}, {"year": 1}):
    try:
        other.get(where=refused)  # type: ignore[arg-type]  # a dict[str, int] is no Where to a type checker
    except ValueError as error:
        message = str(error)
    else:
        message = "not refused"
    assert "indexing is disabled" in message
assert other.configuration_json["hnsw"]["space"] == "cosine"

print("all blocks ran")
