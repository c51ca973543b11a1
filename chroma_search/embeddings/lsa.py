"""`lsa`: dense vectors without a model file, a network or a GPU: latent semantic analysis of the user's own documents.

The function must see a corpus before it can embed: `fit(documents)`, or `LsaEmbeddingFunction.fitted_on(documents)`.
A collection fits it by itself on the first `add`, as it does for every function that has a method `fit` and an
attribute `is_fitted` that is False. Fit it on a large sample instead if the first batch is small: words that the sample
lacks are unknown for good, and so is every meaning that its documents do not show.

The fitted model is part of the configuration, so a collection that is opened again embeds queries as before. At the
default settings that is up to 7 MB of JSON (10,000 terms x 256 components, float16, base64).

Quality at the defaults, nDCG@10 (all-MiniLM-L6-v2 in brackets): SciFact 0.51 (0.65), MED 0.75 (0.79), CISI 0.40 (0.42),
SQuAD sentences 0.32 (0.73); measured by tests/manual/manual_lsa_quality.py, November 2026. It needs long texts: single
sentences show too little. Text analysis is English (`english_words.py`); other languages lose only the stemming.
"""

from __future__ import annotations

import threading
import warnings
from typing import Any

from chroma_search.embeddings.config_check import check_config
from chroma_search.embeddings.lsa_model import LsaModel, fit_lsa
from chroma_search.embeddings.protocol import EmbeddingFunction
from chroma_search.embeddings.registry import register_embedding_function
from chroma_search.embeddings.vectors import Documents, Embeddings, check_documents
from chroma_search.errors import InvalidConfigError, InvalidInputError
from chroma_search.model.distance import Space

MAX_COMPONENTS = 4096
# Components x terms, the size of the stored model: 20 million numbers are 40 MB.
MAX_NUMBERS = 20_000_000

_SETTINGS: dict[str, tuple[type, ...]] = {
    "n_components": (int,),
    "max_terms": (int,),
    "seed": (int,),
    "model": (str, type(None)),
}


# One lock for all, not one each: functions are copied with the schema that holds them, and a lock cannot be.
_fitting = threading.Lock()


@register_embedding_function
class LsaEmbeddingFunction(EmbeddingFunction[Documents]):
    """Embeds texts by the singular vectors of a corpus.

    Args:
        n_components: dimensions, 1..4096; a small corpus gives fewer (at most its documents and its terms).
        max_terms: most frequent word stems that the model knows; more cost configuration size and gain quality
            (SciFact nDCG@10: 0.48 with 5,000, 0.51 with 10,000, 0.53 with 20,000).
        seed: of the randomised decomposition, 0..2^32-1.

    Raises:
        InvalidConfigError: a setting out of its range.

    >>> function = LsaEmbeddingFunction.fitted_on(["red apples", "green apples", "fast cars"], n_components=2)
    >>> red, green, car = function(["a red apple", "a green apple", "a car"])
    >>> bool(red @ green > red @ car)
    True
    """

    def __init__(self, n_components: int = 256, *, max_terms: int = 10_000, seed: int = 0) -> None:
        self.n_components = _integer_in("n_components", n_components, 1, MAX_COMPONENTS)
        self.max_terms = _integer_in("max_terms", max_terms, 1, MAX_NUMBERS)
        self.seed = _integer_in("seed", seed, 0, 2**32 - 1)
        if n_components * max_terms > MAX_NUMBERS:
            raise InvalidConfigError(
                f"n_components x max_terms must be at most {MAX_NUMBERS:,}, got {n_components * max_terms:,}; "
                "the fitted model is stored in the configuration of the collection",
                path="config.max_terms",
            )
        self._model: LsaModel | None = None
        self._stored: str | None = None

    @classmethod
    def fitted_on(
        cls, documents: Documents, n_components: int = 256, *, max_terms: int = 10_000, seed: int = 0
    ) -> LsaEmbeddingFunction:
        """Return a new function fitted on `documents`; see `fit`."""
        function = cls(n_components, max_terms=max_terms, seed=seed)
        function.fit(documents)
        return function

    @property
    def is_fitted(self) -> bool:
        """True once the function can embed."""
        return self._model is not None

    @property
    def dim(self) -> int | None:
        """Length of the vectors, or None before `fit`."""
        return None if self._model is None else self._model.dim

    def fit(self, documents: Documents) -> None:
        """Learn terms and components from a corpus. May be called once: vectors of two fits do not compare.

        Warns:
            UserWarning: fewer documents than components, so the vectors are shorter than asked for.

        Raises:
            InvalidInputError: fitted already, no documents, or none with a word.
        """
        corpus = check_documents(documents, "LsaEmbeddingFunction.fit")
        with _fitting:
            if self._model is not None:
                raise InvalidInputError(
                    "LsaEmbeddingFunction is fitted already, and stored vectors belong to that fit; "
                    "make a new function and a new collection"
                )
            model = fit_lsa(corpus, self.n_components, self.max_terms, self.seed)
            if model is None:
                raise InvalidInputError(
                    f"LsaEmbeddingFunction cannot be fitted: none of {len(corpus)} documents has a word besides stop "
                    "words; fit it on documents with text"
                )
            self._stored = model.to_text()
            self._model = model
        if len(corpus) < self.n_components:
            warnings.warn(
                f"LsaEmbeddingFunction was fitted on {len(corpus)} documents, fewer than its {self.n_components} "
                f"components: its vectors have {model.dim} dimensions, and words outside these documents are unknown "
                "to it. Fit it on a larger sample before the first add",
                UserWarning,
                stacklevel=2,
            )

    def __call__(self, input: Documents) -> Embeddings:
        """Return one unit vector per text, float32, shape (dim,); zeros for a text without a known word.

        Raises:
            InvalidInputError: not fitted yet, or not a list of at least one valid string.
        """
        model = self._model
        if model is None:
            raise InvalidInputError(
                "LsaEmbeddingFunction is not fitted: call fit(documents) with a sample of your texts, "
                "or add documents to a collection, which fits it"
            )
        return [model.embed(text) for text in check_documents(input, type(self).__name__)]

    @staticmethod
    def name() -> str:
        """Return the registered name."""
        return "lsa"

    def default_space(self) -> Space:
        """Return cosine: the vectors have length 1 (or 0)."""
        return "cosine"

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> LsaEmbeddingFunction:
        """Return the function that `get_config` described, fitted if that one was.

        Raises:
            InvalidConfigError: an unknown or wrong setting, or a damaged model.
        """
        LsaEmbeddingFunction.validate_config(config)
        settings = {key: value for key, value in config.items() if key != "model"}
        function = LsaEmbeddingFunction(**settings)
        stored: str | None = config.get("model")
        if stored is not None:
            function._model, function._stored = LsaModel.from_text(stored), stored
        return function

    def get_config(self) -> dict[str, Any]:
        """Return the settings, and under `model` the fitted parameters as base64 text, or None."""
        return {
            "n_components": self.n_components,
            "max_terms": self.max_terms,
            "seed": self.seed,
            "model": self._stored,
        }

    def validate_config_update(self, old_config: dict[str, Any], new_config: dict[str, Any]) -> None:
        """Raise InvalidConfigError if a fitted model would change: the stored vectors belong to it."""
        self.validate_config(new_config)
        if old_config.get("model") not in (None, new_config.get("model")):
            raise InvalidConfigError(
                "The fitted LSA model of a collection cannot change: its vectors belong to it; make a new collection",
                path="config.model",
            )

    @staticmethod
    def validate_config(config: dict[str, Any]) -> None:
        """Raise InvalidConfigError for an unknown key or a wrong type."""
        check_config(config, _SETTINGS, function_name=LsaEmbeddingFunction.name())


def _integer_in(name: str, value: object, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InvalidConfigError(f"{name} must be an integer in {low}..{high}, got {value!r}", path=f"config.{name}")
    return value
