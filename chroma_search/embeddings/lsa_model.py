"""The fitted parameters of latent semantic analysis: how a text becomes a vector, and how the parameters are stored.

S. Deerwester et al., "Indexing by Latent Semantic Analysis" (1990): term weights (1 + ln tf) idf, projected on the
first singular vectors of the corpus. The vector of a text depends on the text and the model alone, not on the batch.

Stored form: SHA-256 in hex, a colon, base64 of a compressed npz; text, so that it fits into a collection's JSON
configuration. The projection is float16, and the model computes with just these rounded numbers, so a rebuilt model
gives the same bits as the fitted one. (Retrieval does not notice: nDCG@10 on SciFact and MED is the same to four digits
with float16 and float32.)

Invariant: a stored form is used only if its checksum matches; reading it runs no code from it (no pickle).
"""

from __future__ import annotations

import base64
import io
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from chroma_search.embeddings.english_words import DEFAULT_STOP_WORDS, english_stems
from chroma_search.errors import InvalidConfigError, UnsupportedError

_STOP_WORDS = frozenset(DEFAULT_STOP_WORDS)
_MAX_WORD_LENGTH = 40
# A stored model of the largest settings (20 million numbers) takes 40 MB; ten times that is no model of ours.
_MAX_UNPACKED_BYTES = 400 << 20


@dataclass(frozen=True, slots=True, eq=False)
class LsaModel:
    """A fitted projection.

    Attributes:
        terms: word stems, in order of column.
        weights: float32, shape (n_terms,), inverse document frequencies.
        projection: float16, shape (n_terms, dim), the singular vectors as columns.
    """

    terms: tuple[str, ...]
    weights: NDArray[np.float32]
    projection: NDArray[np.float16]
    _column: dict[str, int] = field(init=False, repr=False)
    _wide: NDArray[np.float32] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_column", {term: at for at, term in enumerate(self.terms)})
        object.__setattr__(self, "_wide", self.projection.astype(np.float32))

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        return self.projection.shape[1]

    def embed(self, text: str) -> NDArray[np.float32]:
        """Return the unit vector of a text, float32, shape (dim,); zeros if it has no known word."""
        counts = Counter(column for each in words_of(text) if (column := self._column.get(each)) is not None)
        if not counts:
            return np.zeros(self.dim, np.float32)
        columns = np.fromiter(sorted(counts), np.int64, len(counts))
        frequencies = np.array([counts[column] for column in columns.tolist()], np.float32)
        weights = (1 + np.log(frequencies)) * self.weights[columns]
        # einsum, not @: starting BLAS threads costs more than this product (100 words x 256), and its sums vary
        vector = np.einsum("t,td->d", weights, self._wide[columns])
        length = np.sqrt(np.einsum("d,d->", vector, vector))
        return vector / length if length > 0 else np.zeros(self.dim, np.float32)

    def to_text(self) -> str:
        """Return the stored form: same model, same text."""
        packed = io.BytesIO()
        np.savez_compressed(
            packed,
            terms=np.frombuffer("\n".join(self.terms).encode("utf-8"), np.uint8),
            weights=self.weights,
            projection=self.projection,
        )
        return f"{sha256(packed.getvalue()).hexdigest()}:{base64.b64encode(packed.getvalue()).decode('ascii')}"

    @staticmethod
    def from_text(text: str) -> LsaModel:
        """Read the stored form.

        Raises:
            InvalidConfigError: the text is damaged or holds something else.
        """
        try:
            digest, _, encoded = text.partition(":")
            raw = base64.b64decode(encoded, validate=True)
            if sha256(raw).hexdigest() != digest:
                raise ValueError("its checksum does not match")
            packed = io.BytesIO(raw)
            with zipfile.ZipFile(packed) as members:
                n_bytes = sum(member.file_size for member in members.infolist())
            if n_bytes > _MAX_UNPACKED_BYTES:
                raise ValueError(f"{n_bytes} bytes unpacked, more than {_MAX_UNPACKED_BYTES}")
            with np.load(packed, allow_pickle=False) as arrays:
                terms = tuple(arrays["terms"].tobytes().decode("utf-8").split("\n"))
                weights, projection = arrays["weights"], arrays["projection"]
        except Exception as error:  # on damaged data base64, zipfile, zlib and numpy raise a dozen classes
            raise InvalidConfigError(
                f"The stored LSA model cannot be read: {error}; fit it again and embed the documents again",
                path="config.model",
            ) from error
        if weights.shape != (len(terms),) or projection.shape[:1] != (len(terms),) or projection.ndim != 2:
            raise InvalidConfigError(
                f"The stored LSA model has {len(terms)} terms but arrays of shape {weights.shape} and "
                f"{projection.shape}; fit it again and embed the documents again",
                path="config.model",
            )
        return LsaModel(terms, weights.astype(np.float32), projection.astype(np.float16))


def words_of(text: str) -> list[str]:
    """Return the word stems that LSA counts, in order."""
    return english_stems(text, _STOP_WORDS, _MAX_WORD_LENGTH)


def fit_lsa(documents: Sequence[str], n_components: int, max_terms: int, seed: int) -> LsaModel | None:
    """Fit a model to a corpus with scikit-learn; None if no document has a word.

    Args:
        documents: the corpus; time grows with its number of words.
        n_components: dimensions wanted; fewer if the corpus has fewer documents or terms.
        max_terms: most frequent terms kept.
        seed: of the randomised singular value decomposition. Same input and seed, same model on one machine.

    Raises:
        UnsupportedError: scikit-learn is missing.
    """
    try:  # lazily: scikit-learn costs a second and is needed to fit, not to embed
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer
    except ImportError as error:  # chroma-search-client does not bring it
        instead = "pip install scikit-learn"
        why = "scikit-learn cannot be imported"
        raise UnsupportedError(
            f"LSA cannot be fitted: {why} ({error}): {instead}", feature="fitting LSA", why=why, instead=instead
        ) from error

    if not any(words_of(document) for document in documents):
        return None
    # Any: the annotations that pyright infers for scikit-learn deny a callable analyzer
    vectorizer: Any = cast(Any, TfidfVectorizer)(analyzer=words_of, sublinear_tf=True, max_features=max_terms)
    weighted = vectorizer.fit_transform(documents)
    terms: list[str] = vectorizer.get_feature_names_out().tolist()
    dim = min(n_components, len(documents), len(terms))
    components = np.ones((1, 1))
    if len(terms) > 1:  # scikit-learn refuses a single term, for which there is nothing to decompose
        svd: Any = TruncatedSVD(n_components=dim, random_state=seed)
        # a corpus of one document has no variance, which only the figures that we do not read divide by
        with np.errstate(divide="ignore", invalid="ignore"):
            components = svd.fit(weighted).components_
    return LsaModel(
        terms=tuple(terms),
        weights=np.asarray(vectorizer.idf_, np.float32),
        projection=np.asarray(components.T, np.float16),
    )
