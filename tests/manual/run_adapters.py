"""LangChain and LlamaIndex against our server, with the official client. Run it after a change of routes or answers:

    python -m venv adapters
    adapters/bin/pip install chromadb==1.5.9 langchain-chroma llama-index-vector-stores-chroma
    chroma-search run --memory --port 8000 --allow-reset
    adapters/bin/python tests/manual/run_adapters.py 8000

It resets the server. langchain-chroma 1.1.0 and llama-index-vector-stores-chroma 0.6.0 were used. pytest does not
collect it.
"""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import chromadb
from chromadb import K, Knn, Search
from langchain_chroma import Chroma
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores.types import MetadataFilter, MetadataFilters, VectorStoreQuery
from llama_index.vector_stores.chroma import ChromaVectorStore

TEXTS = ["the quick brown fox", "lorem ipsum", "quick foxes jump"]


class Letters(Embeddings):
    """Counts letters: an embedding that needs no model."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        counts = [float(text.lower().count(chr(97 + at))) for at in range(26)]
        length = sum(count * count for count in counts) ** 0.5 or 1.0
        return [count / length for count in counts]


def langchain_steps(client: Any) -> dict[str, Callable[[], object]]:
    """Return what to try of LangChain's store; each step says whether it was right."""
    store = Chroma("lang", embedding_function=Letters(), client=client)
    fox = Letters().embed_query("the quick brown fox")
    documents = [Document(page_content=text, metadata={"n": at}) for at, text in enumerate(TEXTS, 1)]
    late = {"n": {"$gte": 2}}
    search = Search().rank(Knn(fox)).limit(2).select(K.DOCUMENT, K.METADATA, K.SCORE)
    return {
        "add": lambda: store.add_documents(documents, ids=["1", "2", "3"]) == ["1", "2", "3"],
        "similarity": lambda: store.similarity_search(TEXTS[0], k=1)[0].metadata == {"n": 1},
        "filter": lambda: {d.metadata["n"] for d in store.similarity_search("fox", filter=late)} == {2, 3},
        "mmr": lambda: len(store.max_marginal_relevance_search("fox", k=2, fetch_k=3)) == 2,
        "hybrid_search": lambda: store.hybrid_search(search)[0].page_content == TEXTS[0],
        "fork": lambda: len(store.fork("lang2").get()["ids"]) == 3,
        "update": lambda: store.update_document("1", Document(page_content="changed", metadata={"n": 9})) is None,
        "delete": lambda: store.delete(ids=["2"]) is None and len(store.get()["ids"]) == 2,
    }


def llama_steps(client: Any) -> dict[str, Callable[[], object]]:
    """Return what to try of LlamaIndex' store."""
    collection = client.get_or_create_collection("llama", embedding_function=None)
    store = ChromaVectorStore(chroma_collection=collection)
    nodes = [
        TextNode(id_=text, text=text, embedding=Letters().embed_query(text), metadata={"k": at})
        for at, text in enumerate(TEXTS)
    ]
    wanted = VectorStoreQuery(query_embedding=Letters().embed_query(TEXTS[0]), similarity_top_k=1)
    second = MetadataFilters(filters=[MetadataFilter(key="k", value=1)])
    filtered = VectorStoreQuery(query_embedding=wanted.query_embedding, similarity_top_k=3, filters=second)
    return {
        "add": lambda: store.add(nodes) == TEXTS,
        "query": lambda: store.query(wanted).ids == TEXTS[:1],
        "filter": lambda: store.query(filtered).ids == TEXTS[1:2],
        "get_nodes": lambda: len(store.get_nodes(node_ids=TEXTS[:1])) == 1,
        "delete_nodes": lambda: store.delete_nodes(node_ids=TEXTS[:1]) is None and collection.count() == 2,
        "clear": lambda: store.clear() is None,
    }


def main(port: int) -> int:
    """Run all steps, print a line for each, and return how many failed."""
    client = chromadb.HttpClient(host="127.0.0.1", port=port)
    client.reset()
    n_failed = n_passed = 0
    for library, steps in (("langchain", langchain_steps(client)), ("llama_index", llama_steps(client))):
        for name, step in steps.items():
            try:
                outcome = "ok" if step() else "wrong"
            except Exception as error:  # whatever a library raises
                outcome = f"{type(error).__name__}: {error}"
            n_failed, n_passed = n_failed + (outcome != "ok"), n_passed + (outcome == "ok")
            print(f"{library} {name}: {outcome}")
    print(f"adapters: {n_passed} passed, {n_failed} failed")
    return n_failed


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
