"""`sentence_transformer`: any model of the sentence-transformers package, run by PyTorch in this process.

The package (extra `sentence-transformers`, about 1 GB with PyTorch) is imported and the model loaded on the first text,
so a collection that uses it opens in no time and answers filters without it.
"""

from __future__ import annotations

import json
import threading
from typing import Any, ClassVar

import numpy as np

from chroma_search.embeddings.config_check import check_config
from chroma_search.embeddings.optional_package import load_optional
from chroma_search.embeddings.protocol import EmbeddingFunction
from chroma_search.embeddings.registry import register_embedding_function
from chroma_search.embeddings.vectors import Documents, Embeddings, check_documents
from chroma_search.errors import InvalidInputError, UnsupportedError, WrongTypeError
from chroma_search.model.distance import Space

_REQUIRED = ("model_name", "device", "normalize_embeddings")
_SETTINGS: dict[str, tuple[type, ...]] = {
    "model_name": (str,),
    "device": (str,),
    "normalize_embeddings": (bool,),
    "kwargs": (dict,),
}
_loading = threading.Lock()


@register_embedding_function
class SentenceTransformerEmbeddingFunction(EmbeddingFunction[Documents]):
    """Embeds texts with a SentenceTransformer model.

    Args:
        model_name: name on the Hugging Face hub, or path of a local folder.
        device: PyTorch device, such as `cpu` or `cuda`.
        normalize_embeddings: scale every vector to length 1.
        kwargs: further arguments of `SentenceTransformer`; JSON values only, since they are stored.

    Raises:
        WrongTypeError: an argument in `kwargs` that is no JSON value.
    """

    # Loaded models by name, device and arguments. Upstream's key is the name alone, which gives a second function with
    # another device the first one's model.
    models: ClassVar[dict[tuple[str, str, str], Any]] = {}

    def __init__(
        self,
        model_name: str = "all-MiniLM-L6-v2",
        device: str = "cpu",
        normalize_embeddings: bool = False,
        **kwargs: Any,
    ) -> None:
        for key, value in kwargs.items():
            if not isinstance(value, (str, int, float, bool, list, dict, tuple)):
                raise WrongTypeError(
                    f"Keyword argument {key} is not a primitive type, but {type(value).__name__}: "
                    "it could not be stored with the collection"
                )
        self.model_name = model_name
        self.device = device
        self.normalize_embeddings = normalize_embeddings
        self.kwargs = kwargs

    def __call__(self, input: Documents) -> Embeddings:
        """Return one vector per text, float32, of the dimension of the model.

        Raises:
            UnsupportedError: sentence-transformers is not installed, or the model cannot be found or loaded.
            InvalidInputError: not a list of at least one valid string.
        """
        documents = check_documents(input, type(self).__name__)
        if not documents:
            raise InvalidInputError("Expected at least one text to embed, got an empty list")
        vectors = self._model().encode(documents, convert_to_numpy=True, normalize_embeddings=self.normalize_embeddings)
        return list(np.asarray(vectors, np.float32))

    def _model(self) -> Any:
        key = (self.model_name, self.device, json.dumps(self.kwargs, sort_keys=True, default=str))
        with _loading:
            if key not in self.models:
                package = load_optional(
                    "sentence_transformers", extra="sentence-transformers", feature=f"Embedding with {self.model_name}"
                )
                self.models[key] = self._loaded(package)
            return self.models[key]

    def _loaded(self, package: Any) -> Any:
        try:
            return package.SentenceTransformer(self.model_name, device=self.device, **self.kwargs)
        except Exception as error:  # hub, network, file and PyTorch errors of many classes
            instead = "pass the path of a folder with the model, or use LsaEmbeddingFunction, which needs none"
            raise UnsupportedError(
                f"The model {self.model_name!r} cannot be loaded on device {self.device!r}: {error}; {instead}",
                feature=f"embedding with {self.model_name}",
                why=str(error),
                instead=instead,
            ) from error

    @staticmethod
    def name() -> str:
        """Return the registered name."""
        return "sentence_transformer"

    def default_space(self) -> Space:
        """Return cosine, which these models are trained for."""
        return "cosine"

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> SentenceTransformerEmbeddingFunction:
        """Return the function that `get_config` described.

        Raises:
            InvalidConfigError: a setting is missing, unknown or of a wrong type.
        """
        SentenceTransformerEmbeddingFunction.validate_config(config)
        kwargs: dict[str, Any] = config.get("kwargs", {})
        return SentenceTransformerEmbeddingFunction(**{key: config[key] for key in _REQUIRED}, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """Return the settings."""
        return {
            "model_name": self.model_name,
            "device": self.device,
            "normalize_embeddings": self.normalize_embeddings,
            "kwargs": self.kwargs,
        }

    @staticmethod
    def validate_config(config: dict[str, Any]) -> None:
        """Raise InvalidConfigError for an unknown or missing key or a wrong type."""
        check_config(config, _SETTINGS, function_name=SentenceTransformerEmbeddingFunction.name(), required=_REQUIRED)
