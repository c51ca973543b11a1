"""Upstream's module `chromadb.utils.embedding_functions.onnx_mini_lm_l6_v2`."""

from chroma_search.embeddings import ONNXMiniLM_L6_V2

__all__ = ["ONNXMiniLM_L6_V2"]
