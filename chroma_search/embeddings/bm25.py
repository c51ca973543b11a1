"""`chroma_bm25`: documents as sparse vectors of BM25 term weights, number for number as upstream's function.

Dimension of a term: absolute value of the signed 32-bit MurmurHash3 (A. Appleby; seed 0) of its UTF-8 bytes. Weight:
tf (k + 1) / (tf + k (1 - b + b len / avg_doc_length)), the document part of BM25 (S. Robertson and H. Zaragoza, "The
Probabilistic Relevance Framework: BM25 and Beyond", 2009, section 3). Terms whose hashes collide count as one.

Not for: inverse document frequency. That depends on the collection, and the sparse index multiplies it into the query
(`SparseVectorIndexConfig(bm25=True)`). Exact BM25 over the real document lengths is the `Bm25` rank of the Search API.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from chroma_search.embeddings.config_check import NUMBER, check_config
from chroma_search.embeddings.english_words import DEFAULT_STOP_WORDS, english_stems, lower_words
from chroma_search.embeddings.protocol import SparseEmbeddingFunction
from chroma_search.embeddings.registry import register_sparse_embedding_function
from chroma_search.embeddings.vectors import Documents, check_documents
from chroma_search.errors import InvalidConfigError, WrongTypeError
from chroma_search.model.sparse_vector import SparseVector, SparseVectors

DEFAULT_CHROMA_BM25_STOPWORDS: list[str] = list(DEFAULT_STOP_WORDS)

_SETTINGS: dict[str, tuple[type, ...]] = {
    "k": NUMBER,
    "b": NUMBER,
    "avg_doc_length": NUMBER,
    "token_max_length": NUMBER,
    "stopwords": (list, tuple),
    "include_tokens": (bool,),
}


@register_sparse_embedding_function
class ChromaBm25EmbeddingFunction(SparseEmbeddingFunction[Documents]):
    """BM25 term weights of English texts.

    Args:
        k: how fast repetitions of a term saturate, 0..1e9.
        b: how much long documents are held back, 0..1.
        avg_doc_length: assumed mean length of a document in kept words, >= 0.001.
        token_max_length: longer words are dropped, in characters.
        stopwords: words to drop instead of the built-in 179; an empty list keeps every word.
        include_tokens: give each dimension its stem as label.

    Raises:
        InvalidConfigError: a number out of its range.
        WrongTypeError: stopwords is no collection of strings.

    >>> vector = ChromaBm25EmbeddingFunction()(["the quick fox"])[0]
    >>> vector.indices
    [771291085, 1621867415]
    """

    def __init__(
        self,
        k: float = 1.2,
        b: float = 0.75,
        avg_doc_length: float = 256.0,
        token_max_length: int = 40,
        stopwords: Iterable[str] | None = None,
        include_tokens: bool = False,
    ) -> None:
        self.k = _number_in("k", k, 0.0, 1e9)
        self.b = _number_in("b", b, 0.0, 1.0)
        self.avg_doc_length = _number_in("avg_doc_length", avg_doc_length, 0.001)
        self.token_max_length = int(_number_in("token_max_length", token_max_length, 0))
        self.include_tokens = bool(include_tokens)
        if isinstance(stopwords, str):
            raise WrongTypeError(f"stopwords must be a list of words, got the string {stopwords!r}")
        self.stopwords = None if stopwords is None else [str(word) for word in stopwords]
        self._dropped = lower_words(DEFAULT_STOP_WORDS if self.stopwords is None else self.stopwords)

    def __call__(self, input: Documents) -> SparseVectors:
        """Return one sparse vector per text; a text without kept words gives an empty one.

        Raises:
            WrongTypeError, InvalidInputError: not a list of at least one valid Unicode string.
        """
        return [self._encode(text) for text in check_documents(input, type(self).__name__)]

    def _encode(self, text: str) -> SparseVector:
        stems = english_stems(text, self._dropped, self.token_max_length)
        if not stems:
            return SparseVector(indices=[], values=[])
        counts: dict[int, int] = {}
        labels: dict[int, str] = {}
        for each in stems:
            dimension = term_dimension(each)
            counts[dimension] = counts.get(dimension, 0) + 1
            labels.setdefault(dimension, each)
        indices = sorted(counts)
        # The order of these operations is upstream's, so that every bit of the weights is.
        held_back = self.k * (1 - self.b + (self.b * float(len(stems))) / self.avg_doc_length)
        values = [counts[each] * (self.k + 1) / (counts[each] + held_back) for each in indices]
        return SparseVector(indices, values, [labels[each] for each in indices] if self.include_tokens else None)

    @staticmethod
    def name() -> str:
        """Return the registered name."""
        return "chroma_bm25"

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> ChromaBm25EmbeddingFunction:
        """Return the function that `get_config` described; absent settings take their defaults."""
        ChromaBm25EmbeddingFunction.validate_config(config)
        return ChromaBm25EmbeddingFunction(**config)

    def get_config(self) -> dict[str, Any]:
        """Return the settings; `stopwords` only if given."""
        config: dict[str, Any] = {
            "k": self.k,
            "b": self.b,
            "avg_doc_length": self.avg_doc_length,
            "token_max_length": self.token_max_length,
            "include_tokens": self.include_tokens,
        }
        return config if self.stopwords is None else {**config, "stopwords": list(self.stopwords)}

    def validate_config_update(self, old_config: dict[str, Any], new_config: dict[str, Any]) -> None:
        """Allow every known setting to change, as upstream; stored vectors keep the weights they have."""
        check_config(new_config, _SETTINGS, function_name=self.name())

    @staticmethod
    def validate_config(config: dict[str, Any]) -> None:
        """Raise InvalidConfigError for an unknown key or a wrong type."""
        check_config(config, _SETTINGS, function_name=ChromaBm25EmbeddingFunction.name())


def term_dimension(term: str) -> int:
    """Return the dimension of a term, 0..2^31.

    The UTF-8 bytes go to the hash, not the string: mmh3 5.3 crashes the process on a string with a lone surrogate.

    Raises:
        UnicodeEncodeError: the term has a lone surrogate.
    """
    import mmh3  # lazily, with the other packages that only this function needs

    return abs(mmh3.hash(term.encode("utf-8"), 0, True))


def _number_in(name: str, value: object, low: float, high: float = sys.float_info.max) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        allowed = f"a number in {low:g}..{high:g}" if high < sys.float_info.max else f"a number of at least {low:g}"
        raise InvalidConfigError(f"{name} must be {allowed}, got {value!r}", path=f"config.{name}")
    return float(value)
