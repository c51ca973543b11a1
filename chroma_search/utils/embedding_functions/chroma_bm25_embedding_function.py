"""Upstream's module `chromadb.utils.embedding_functions.chroma_bm25_embedding_function`."""

from chroma_search.embeddings import ChromaBm25EmbeddingFunction

__all__ = ["ChromaBm25EmbeddingFunction"]
