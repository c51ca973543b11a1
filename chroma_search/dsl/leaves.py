"""Knn, Bm25, Decay: the leaves of a rank that read an index or a field.

`Knn` has upstream's name, arguments and JSON; `Bm25` and `Decay` are ours and refused by `strict=True`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from chroma_search.dsl.node import Named, Node, name_of, tagged
from chroma_search.dsl.rank import Rank, decode_fields
from chroma_search.errors import InvalidInputError, InvalidRankError, WrongTypeError
from chroma_search.model.sparse_vector import SPARSE_VECTOR_TYPE_VALUE, TYPE_KEY, SparseVector

KnnQuery = str | Sequence[float] | NDArray[Any] | SparseVector | dict[str, Any]


@dataclass(frozen=True, eq=False, slots=True)
class Knn(Rank):
    """The `limit` records nearest to `query`, each with its distance or position.

    Args:
        query: a text (embedded with the function of the key), a dense vector (list or ndarray, shape (dim,)), or a
            `SparseVector`.
        key: `#embedding` (`K.EMBEDDING`), or the metadata field that holds sparse vectors.
        limit: candidates, from 1. The filter applies before the limit.
        default: value for records that are no candidates; None leaves such records out.
        return_rank: score by position in the list (0, 1, 2, ...) instead of by distance.
    """

    query: Any
    key: Any = "#embedding"
    limit: int = 16
    default: float | None = None
    return_rank: bool = False
    _dense: NDArray[np.float32] | None = field(default=None, init=False, compare=False, repr=False)
    op: ClassVar[str] = "$knn"

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", name_of(self.key))
        if isinstance(self.query, np.ndarray):
            frozen = self.query.copy()
            frozen.flags.writeable = False
            object.__setattr__(self, "query", frozen)
        elif isinstance(self.query, list):
            object.__setattr__(self, "query", tuple(self.query))

    def identity(self) -> tuple[Any, ...]:
        """Compare dense queries as float32, so that a list equals the array made of it."""
        return ("Knn", self.query_identity(), self.key, self.limit, tagged(self.default), self.return_rank)

    def dense(self) -> NDArray[np.float32]:
        """Return the dense query as float32, shape (dim,), checked once.

        Raises:
            InvalidRankError: see `checked_dense`.
        """
        if self._dense is None:
            object.__setattr__(self, "_dense", checked_dense(self.query))
        assert self._dense is not None
        return self._dense

    def children(self) -> Iterator[Node]:
        """Yield nothing: no node stands below."""
        return iter(())

    def query_identity(self) -> tuple[Any, ...]:
        """Return a hashable form of the query: the same for all ways to write one vector."""
        query = self.query
        if isinstance(query, str):
            return ("text", query)
        if isinstance(query, dict):
            try:
                query = sparse_query(query)
            except InvalidInputError:
                return ("object", tagged(query))
        if isinstance(query, SparseVector):
            return _sparse_identity(query)
        if isinstance(query, (tuple, np.ndarray)):
            try:
                dense = self.dense()
            except InvalidRankError:
                return ("object", tagged(query))
            if np.isnan(dense).any():  # one NaN equals another, whatever its bits
                dense = np.where(np.isnan(dense), np.float32("nan"), dense)
            return ("dense", dense.tobytes())
        return ("object", tagged(query))

    def _body(self, expand_rrf: bool) -> Any:
        query = self.query
        if isinstance(query, SparseVector):
            query = query.to_dict()
        elif isinstance(query, np.ndarray):
            query = query.tolist()
        elif isinstance(query, tuple):
            query = list(query)
        body: dict[str, Any] = {"query": query, "key": self.key, "limit": self.limit}
        if self.default is not None:
            body["default"] = self.default
        if self.return_rank:
            body["return_rank"] = self.return_rank
        return body

    @classmethod
    def decode(cls, body: Any, path: str, depth: int) -> Rank:
        """Read upstream's `$knn` object; unknown fields are ignored as upstream ignores them. Ours: a text as query."""
        if not isinstance(body, dict):
            raise WrongTypeError(f"$knn requires a dict, got {type(body).__name__} (at {path})")
        if "query" not in body:
            raise InvalidRankError("$knn requires 'query' field", path=path)
        key = body.get("key", "#embedding")
        if not isinstance(key, str):
            raise WrongTypeError(f"$knn key must be a string, got {type(key).__name__} (at {path})")
        limit = body.get("limit", 16)
        if not isinstance(limit, int):
            raise WrongTypeError(f"$knn limit must be an integer, got {type(limit).__name__} (at {path})")
        if limit <= 0:
            raise InvalidRankError(f"$knn limit must be positive, got {limit}", path=path)
        return_rank = body.get("return_rank", False)
        if not isinstance(return_rank, bool):
            raise WrongTypeError(f"$knn return_rank must be a boolean, got {type(return_rank).__name__} (at {path})")
        default = body.get("default")
        if default is not None and (not isinstance(default, (int, float)) or isinstance(default, bool)):
            raise WrongTypeError(f"$knn default must be a number, got {type(default).__name__} (at {path})")
        return cls(_decode_query(body["query"], path), key, limit, default, return_rank)


@dataclass(frozen=True, eq=False, slots=True)
class Bm25(Rank):
    """The `limit` records that match the words of `query` best, measure = minus the BM25 score (ours).

    Statistics (number of documents, document frequencies, mean length) are those of the whole collection, not of the
    filtered part. Records that share no word with the query are no candidates.

    Args:
        query: text; analysed as the documents are (lower-case, stop words dropped, stemmed).
        key: `#document`, or a metadata field that holds strings.
        k1: saturation of repeated words, >= 0. b: weight of the document's length, 0..1.
        limit, default, return_rank: as in `Knn`.
        idf: `lucene`, ln(1 + (N - n + 0.5) / (n + 0.5)), never negative; or `okapi`, as the package rank-bm25.

    Source: Robertson, Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), section 3.
    """

    query: str
    key: Any = "#document"
    k1: float = 1.2
    b: float = 0.75
    limit: int = 16
    default: float | None = None
    return_rank: bool = False
    idf: Literal["lucene", "okapi"] = "lucene"
    op: ClassVar[str] = "$bm25"

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", name_of(self.key))

    def _body(self, expand_rrf: bool) -> Any:
        body: dict[str, Any] = {"query": self.query, "key": self.key, "k1": self.k1, "b": self.b, "limit": self.limit}
        if self.default is not None:
            body["default"] = self.default
        if self.return_rank:
            body["return_rank"] = True
        if self.idf != "lucene":
            body["idf"] = self.idf
        return body

    @classmethod
    def decode(cls, body: Any, path: str, depth: int) -> Rank:
        """Read `{"query": text, ...}` with the arguments' names."""
        number = (int, float)
        types = {"query": str, "key": str, "k1": number, "b": number, "limit": int, "default": number}
        fields = decode_fields(body, cls.op, {**types, "return_rank": bool, "idf": str}, ("query",), path)
        return cls(**fields)


@dataclass(frozen=True, eq=False, slots=True)
class Decay(Rank):
    """How near a numeric field is to `origin`, 1 at the origin and falling towards 0 (ours).

    With d = max(0, |value - origin| - offset), the value is `factor` where d = scale: `exp` factor^(d/scale),
    `gauss` factor^((d/scale)^2), `linear` max(0, 1 - (1 - factor) * d / scale). Lower scores are better, so
    subtract it, as in
    `Knn(q) - 0.3 * Decay(K("ts"), now, 7 * 86400)`.

    Args:
        key: metadata field with numbers; other records have no value unless `default` is given.
        origin, scale, offset: in the units of the field; scale > 0, offset >= 0.
        factor: value at distance `scale`, between 0 and 1, both excluded.
        kind: shape of the fall.
        default: value for records without a number under the field.
    """

    key: Any
    origin: float
    scale: float
    offset: float = 0.0
    factor: float = 0.5
    kind: Literal["exp", "gauss", "linear"] = "exp"
    default: float | None = None
    op: ClassVar[str] = "$decay"

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", name_of(self.key))

    def _body(self, expand_rrf: bool) -> Any:
        body: dict[str, Any] = {"key": self.key, "origin": self.origin, "scale": self.scale}
        for name, usual in (("offset", 0.0), ("factor", 0.5), ("kind", "exp"), ("default", None)):
            if getattr(self, name) != usual:
                body[name] = getattr(self, name)
        return body

    @classmethod
    def decode(cls, body: Any, path: str, depth: int) -> Rank:
        """Read `{"key": name, "origin": number, "scale": number, ...}`."""
        number = (int, float)
        types: dict[str, Any] = {"key": str, "origin": number, "scale": number, "offset": number, "factor": number}
        fields = decode_fields(
            body, cls.op, {**types, "kind": str, "default": number}, ("key", "origin", "scale"), path
        )
        return cls(**fields)


def decay(key: Named | str, origin: float, scale: float, **options: Any) -> Decay:
    """Return `Decay(key, origin, scale, ...)`; reads better in an expression."""
    return Decay(key, origin, scale, **options)


def sparse_query(query: Mapping[str, Any], path: str = "rank.$knn") -> SparseVector:
    """Return the sparse vector that a dict means; upstream's engine takes it with or without the `#type` tag.

    Raises:
        InvalidRankError: another tag, no indices or values, or no valid vector.
    """
    tag = query.get(TYPE_KEY, SPARSE_VECTOR_TYPE_VALUE)
    try:
        if tag == SPARSE_VECTOR_TYPE_VALUE:
            return SparseVector.from_dict({**query, TYPE_KEY: tag})
    except InvalidInputError as error:
        raise InvalidRankError(str(error), path=path) from None
    raise InvalidRankError(
        f"Expected dict with {TYPE_KEY}='{SPARSE_VECTOR_TYPE_VALUE}', got {str(tag)[:40]!r}", path=path
    )


def _sparse_identity(query: SparseVector) -> tuple[Any, ...]:
    return ("sparse", tuple(query.indices), tagged(query.values), tagged(query.labels))


def _decode_query(query: Any, path: str) -> Any:
    if isinstance(query, dict):
        if query.get(TYPE_KEY) != SPARSE_VECTOR_TYPE_VALUE:
            raise InvalidRankError(
                f"Expected dict with {TYPE_KEY}='{SPARSE_VECTOR_TYPE_VALUE}', got {TYPE_KEY}={query.get(TYPE_KEY)!r}",
                path=path,
            )
        return sparse_query(query, path)
    if isinstance(query, str):
        return query  # upstream's documentation writes texts here, and its code refuses them
    if isinstance(query, (list, tuple, np.ndarray)):
        return checked_dense(query, path)
    raise WrongTypeError(
        f"$knn query must be a text, list, numpy array, or SparseVector dict, got {type(query).__name__} (at {path})"
    )


def checked_dense(query: Any, path: str = "rank.$knn") -> NDArray[np.float32]:
    """Return a dense query as float32, shape (dim,); a 2-D array of one row is unpacked.

    Raises:
        InvalidRankError: no numbers, empty, ragged, more than one row.
    """
    if isinstance(query, (list, tuple)) and any(isinstance(each, (bool, str)) or each is None for each in query):
        raise InvalidRankError("$knn query must be a list of floats or ints", path=path)
    try:
        array = np.asarray(query)
        if array.dtype.kind not in "iuf":
            raise InvalidRankError(f"$knn query must be numbers, got dtype {array.dtype}", path=path)
        with np.errstate(over="ignore"):
            dense = array.astype(np.float32)
    except InvalidRankError:
        raise
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidRankError(f"$knn query is no vector: {error}", path=path) from error
    if dense.ndim == 2 and len(dense) == 1:
        dense = dense[0]
    if dense.ndim != 1 or not len(dense):
        raise InvalidRankError(f"$knn requires exactly one query embedding, got shape {dense.shape}", path=path)
    return dense
