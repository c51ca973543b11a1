"""The embedding functions of upstream that this package does not carry.

They call hosted services or load other packages. Writing one takes ten lines (subclass `EmbeddingFunction`), and an
instance of Chroma's own class works here as it is; so the names are known only to give a helpful error.
"""

from __future__ import annotations

from chroma_search.errors import UnsupportedError

# registered name -> class name
_UPSTREAM_ONLY = {
    "amazon_bedrock": "AmazonBedrockEmbeddingFunction",
    "baseten": "BasetenEmbeddingFunction",
    "bm25": "Bm25EmbeddingFunction",
    "chroma-cloud-qwen": "ChromaCloudQwenEmbeddingFunction",
    "chroma-cloud-splade": "ChromaCloudSpladeEmbeddingFunction",
    "chroma_langchain": "ChromaLangchainEmbeddingFunction",
    "cloudflare_workers_ai": "CloudflareWorkersAIEmbeddingFunction",
    "cohere": "CohereEmbeddingFunction",
    "fastembed_sparse": "FastembedSparseEmbeddingFunction",
    "google_genai": "GoogleGenaiEmbeddingFunction",
    "google_gemini": "GoogleGeminiEmbeddingFunction",
    "google_generative_ai": "GoogleGenerativeAiEmbeddingFunction",
    "google_palm": "GooglePalmEmbeddingFunction",
    "google_vertex": "GoogleVertexEmbeddingFunction",
    "huggingface": "HuggingFaceEmbeddingFunction",
    "huggingface_server": "HuggingFaceEmbeddingServer",
    "huggingface_sparse": "HuggingFaceSparseEmbeddingFunction",
    "instructor": "InstructorEmbeddingFunction",
    "jina": "JinaEmbeddingFunction",
    "mistral": "MistralEmbeddingFunction",
    "morph": "MorphEmbeddingFunction",
    "nomic": "NomicEmbeddingFunction",
    "ollama": "OllamaEmbeddingFunction",
    "open_clip": "OpenCLIPEmbeddingFunction",
    "openai": "OpenAIEmbeddingFunction",
    "perplexity": "PerplexityEmbeddingFunction",
    "roboflow": "RoboflowEmbeddingFunction",
    "text2vec": "Text2VecEmbeddingFunction",
    "together_ai": "TogetherAIEmbeddingFunction",
    "voyageai": "VoyageAIEmbeddingFunction",
}

UNSUPPORTED_FUNCTIONS: frozenset[str] = frozenset(_UPSTREAM_ONLY.values())
UNSUPPORTED_NAMES: frozenset[str] = frozenset(_UPSTREAM_ONLY)


def unsupported_function(name: str) -> UnsupportedError:
    """Return the error for one of upstream's functions, named by its class or its registered name."""
    class_name = _UPSTREAM_ONLY.get(name, name)
    why = "chroma_search carries only functions that run in the user's own process"
    instead = (
        "subclass EmbeddingFunction and register it, or pass an instance of Chroma's own class as "
        "embedding_function=..., or pass embeddings="
    )
    return UnsupportedError(
        f"Embedding function {class_name} is not part of chroma_search: {why}; {instead}",
        feature=class_name,
        why=why,
        instead=instead,
    )
