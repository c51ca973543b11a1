"""Upstream's module `chromadb.utils.embedding_functions.sentence_transformer_embedding_function`."""

from chroma_search.embeddings import SentenceTransformerEmbeddingFunction

__all__ = ["SentenceTransformerEmbeddingFunction"]
