"""The embedding function of a collection that names none: all-MiniLM-L6-v2 through onnxruntime."""

from __future__ import annotations

from typing import Any

from chroma_search.embeddings.config_check import check_config
from chroma_search.embeddings.protocol import EmbeddingFunction
from chroma_search.embeddings.registry import register_embedding_function
from chroma_search.embeddings.vectors import Documents, Embeddings


@register_embedding_function
class DefaultEmbeddingFunction(EmbeddingFunction[Documents]):
    """Stands for "no function was chosen" and embeds with `ONNXMiniLM_L6_V2`.

    Making one costs nothing: packages and model are looked for when a text is embedded. Its default distance is `l2`,
    as upstream's; on unit vectors that orders records as `cosine` does.
    """

    def __init__(self) -> None: ...

    def __call__(self, input: Documents) -> Embeddings:
        """Return one unit vector of 384 float32 per text; errors as `ONNXMiniLM_L6_V2.__call__`."""
        from chroma_search.embeddings.onnx_mini_lm import (
            ONNXMiniLM_L6_V2,  # 0.03 s, of use only when a text is embedded
        )

        return ONNXMiniLM_L6_V2()(input)

    @staticmethod
    def name() -> str:
        """Return the registered name."""
        return "default"

    def max_tokens(self) -> int:
        """Return the number of tokens after which a text is cut."""
        from chroma_search.embeddings.onnx_mini_lm import MAX_TOKENS  # as above

        return MAX_TOKENS

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> DefaultEmbeddingFunction:
        """Return the default function; it has no settings."""
        DefaultEmbeddingFunction.validate_config(config)
        return DefaultEmbeddingFunction()

    def get_config(self) -> dict[str, Any]:
        """Return no settings."""
        return {}

    @staticmethod
    def validate_config(config: dict[str, Any]) -> None:
        """Raise InvalidConfigError if there is any setting."""
        check_config(config, {}, function_name=DefaultEmbeddingFunction.name())
