"""The functions that come with the package, registered, and beside them all that the package exports.

Loaded when a public name of `chroma_search.embeddings` is first asked for, or a function by its name: a program that
searches by vectors needs none of them.
"""

from chroma_search.embeddings.bm25 import ChromaBm25EmbeddingFunction
from chroma_search.embeddings.default import DefaultEmbeddingFunction
from chroma_search.embeddings.lsa import LsaEmbeddingFunction
from chroma_search.embeddings.onnx_mini_lm import ONNXMiniLM_L6_V2
from chroma_search.embeddings.protocol import (
    EmbeddingFunction,
    SparseEmbeddingFunction,
    validate_embedding_function,
    validate_sparse_embedding_function,
)
from chroma_search.embeddings.registry import (
    config_to_embedding_function,
    embedding_function_from_config,
    embedding_function_to_config,
    known_embedding_functions,
    register_embedding_function,
    register_sparse_embedding_function,
    sparse_embedding_function_from_config,
    sparse_embedding_function_to_config,
    sparse_known_embedding_functions,
)
from chroma_search.embeddings.sentence_transformer import SentenceTransformerEmbeddingFunction
from chroma_search.embeddings.unsupported import UNSUPPORTED_FUNCTIONS, unsupported_function
from chroma_search.embeddings.vectors import (
    Document,
    Documents,
    Embeddable,
    Embedding,
    Embeddings,
    Image,
    Images,
    OneOrMany,
)
from chroma_search.model.distance import Space

__all__ = [
    "UNSUPPORTED_FUNCTIONS",
    "ChromaBm25EmbeddingFunction",
    "DefaultEmbeddingFunction",
    "Document",
    "Documents",
    "Embeddable",
    "Embedding",
    "EmbeddingFunction",
    "Embeddings",
    "Image",
    "Images",
    "LsaEmbeddingFunction",
    "ONNXMiniLM_L6_V2",
    "OneOrMany",
    "SentenceTransformerEmbeddingFunction",
    "Space",
    "SparseEmbeddingFunction",
    "config_to_embedding_function",
    "embedding_function_from_config",
    "embedding_function_to_config",
    "known_embedding_functions",
    "register_embedding_function",
    "register_sparse_embedding_function",
    "sparse_embedding_function_from_config",
    "sparse_embedding_function_to_config",
    "sparse_known_embedding_functions",
    "unsupported_function",
    "validate_embedding_function",
    "validate_sparse_embedding_function",
]
