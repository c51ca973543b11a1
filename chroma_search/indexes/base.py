"""The seams between the planner and the index kinds: requests, offers, and one protocol per family.

An index covers the rows 0..n_rows-1 of one segment and never changes them. It knows nothing of ids, tombstones,
filters or expressions: the planner hands it a small request and a `Mask` of the rows that may be answered (live and
matching). What an approximate index could not find, the planner asks of the next access path, ending in the exact scan;
so an index may return too few, but never a row outside the mask and never an exception for lack of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias, runtime_checkable

from chroma_search.record import record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from chroma_search.kernels.checked_rows import RowsOf, VectorRows
    from chroma_search.model.candidates import Candidates
    from chroma_search.model.distance import Space, Vectors
    from chroma_search.model.mask import Mask
    from chroma_search.model.numeric_range import NumericRange
    from chroma_search.model.sparse_vector import SparseVector
    from chroma_search.model.values import Scalar


Within: TypeAlias = "Callable[[int], float]"
"""Per query, by its number: a distance that k rows of other segments are within; infinity when there are none."""


@record()
class Offer:
    """One way in which an index could answer a request.

    Attributes:
        strategy: word that EXPLAIN prints, such as `exact_scan`, `masked_graph`, `graph_then_filter`.
        cost_us: expected time in microseconds on one core (model of the index kind, measured in benchmarks/ann).
        exact: True when the answer is exact.
        reason: the figures behind the cost, in words.
        far_us: what it is worth paying to avoid this path when the filter turns out to avoid the query, because the
            answer would be slow and poor; None for a path that does not mind.
        nearly_exact: True when only chance could keep the answer from being exact, once in 100,000 queries or less.
    """

    strategy: str
    cost_us: float
    exact: bool
    reason: str
    far_us: float | None = None
    nearly_exact: bool = False

    @property
    def is_sure(self) -> bool:
        """Whether no neighbour is missed but by chance."""
        return self.exact or self.nearly_exact


@record()
class VectorRequest:
    """What the planner knows when it asks for offers.

    Attributes:
        k: candidates wanted.
        n_matching: expected number of rows in the mask (of `n_rows`).
        n_rows: rows of the segment.
        is_filtered: False when the mask only hides dead rows.
        beam: smallest beam (HNSW) or 0 for the index's own.
        is_far: True when a probe has shown that hardly any row near the query matches.
    """

    k: int
    n_matching: int
    n_rows: int
    is_filtered: bool
    beam: int = 0
    is_far: bool = False


@record()
class Probe:
    """What a look at the rows near a query showed.

    Attributes:
        pass_rate: share of them that the mask allows, 0..1.
        is_far: True when that is so little, beside the selectivity, that the filter avoids the query.
    """

    pass_rate: float
    is_far: bool


@runtime_checkable
class VectorIndex(Protocol):
    """A dense vector index over the rows of one segment."""

    kind: ClassVar[str]

    @property
    def n_rows(self) -> int:
        """Rows covered."""
        ...

    @classmethod
    def build(cls, vectors: Vectors, space: Space, params: Mapping[str, Any]) -> VectorIndex:
        """Index `vectors` (float32, shape (n, dim), C-contiguous, not normalised, n >= 0; the array is kept).

        `params` holds the fields of the kind's configuration (spec 11.2); absent ones take their defaults.
        Same input, same index: every random choice has a fixed seed.
        """
        ...

    def extended(self, vectors: Vectors) -> VectorIndex | None:
        """Return an index over `vectors`, whose first n_rows rows are those indexed already, or None to rebuild.

        The old index must stay usable by readers that hold it (it may share the structure of the new one).
        """
        ...

    def to_arrays(self) -> dict[str, RowsOf[Any]]:
        """Return what is worth storing beside the vectors; `from_arrays` opens it again."""
        ...

    @classmethod
    def from_arrays(
        cls, vectors: VectorRows, space: Space, params: Mapping[str, Any], arrays: Mapping[str, RowsOf[Any]]
    ) -> VectorIndex:
        """Return the index that `to_arrays` described, over the same vectors, without building it.

        What is large is read, and so checked, when a search needs it, row by row where the search goes by rows.
        Of the parameters, those of the search may differ from those it was built with.
        """
        ...

    def offers(self, request: VectorRequest) -> Sequence[Offer]:
        """Return the strategies this index has for the request, each with its cost."""
        ...

    def probe(self, query: Vectors, mask: Mask) -> Probe:
        """Look at a few rows near the query (float32, shape (dim,)), at a small part of the cost of a search."""
        ...

    def search(
        self,
        queries: Vectors,
        k: int,
        mask: Mask | None,
        strategy: str,
        beam: int = 0,
        within: Within | None = None,
    ) -> list[Candidates]:
        """Return candidates per query.

        Args:
            queries: float32, shape (q, dim); finite or not (a NaN query yields arbitrary but valid rows).
            k: candidates wanted, >= 1; more may be returned, fewer only if the index found no more.
            mask: rows allowed, or None for all.
            strategy: one that `offers` named.
            beam: least breadth of an approximate search, or 0 for the configured one.
            within: rows that are farther may be left out; asked only by who can make use of it, for it takes time.

        Returns:
            per query, rows in the mask with the index's own distances. When `exact` is set, every row that could
            be among the k nearest under `exact_distances`, and within `within`, is there, ties and rounding included.
        """
        ...


@runtime_checkable
class SparseIndex(Protocol):
    """Posting lists per dimension over the sparse vectors of one key."""

    @property
    def n_rows(self) -> int:
        """Rows covered."""
        ...

    @classmethod
    def build(cls, vectors: Sequence[SparseVector | None]) -> SparseIndex:
        """Index one entry per row; None where the row holds no sparse vector under the key."""
        ...

    def document_frequency(self, dimensions: Sequence[int], live: Mask | None) -> NDArray[np.int64]:
        """Return, per dimension, how many live rows hold it (a stored zero counts)."""
        ...

    def search(self, dimensions: Sequence[int], weights: Sequence[float], k: int, mask: Mask | None) -> Candidates:
        """Return the rows in the mask that share a dimension with the query, measure `1 - dot`, exact.

        At least the k smallest measures with all ties of the k-th. dot: products of float64(float32(stored)) and the
        float64 weights, added in float64 in ascending order of dimension, the measure rounded once to float32.
        """
        ...


@record()
class TextStatistics:
    """Collection statistics that BM25 needs, of one segment or summed over all.

    Attributes:
        n_docs: live rows that have a text.
        n_tokens: tokens of those rows, duplicates counted.
        document_frequency: per query term, in the order asked, live rows that hold it.
    """

    n_docs: int
    n_tokens: int
    document_frequency: tuple[int, ...]


# --- scalar requests: what the planner asks a metadata column -------------------------------------------------------


@record()
class Equals:
    """Rows whose value equals `value` (spec 1.3: numbers by value, bool and str apart)."""

    value: Scalar


@record()
class OneOf:
    """Rows whose value equals one of `values`."""

    values: tuple[Scalar, ...]


@record()
class InNumericRange:
    """Rows that hold a number within `bounds`."""

    bounds: NumericRange


@record()
class InStringRange:
    """Rows that hold a string between `lo` and `hi` by code point; None is open."""

    lo: str | None = None
    hi: str | None = None
    includes_lo: bool = True
    includes_hi: bool = True


@record()
class HasElement:
    """Rows that hold an array with an element equal to `value`."""

    value: Scalar


@record()
class IsPresent:
    """Rows that hold any value (None counts as missing)."""


ScalarRequest: TypeAlias = Equals | OneOf | InNumericRange | InStringRange | HasElement | IsPresent


@record()
class Estimate:
    """How many rows a request matches: `least <= true <= most`, `expected` between them."""

    least: int
    expected: int
    most: int

    @staticmethod
    def exactly(n: int) -> Estimate:
        """Return the estimate that is certain."""
        return Estimate(n, n, n)


@runtime_checkable
class ScalarIndex(Protocol):
    """A metadata column of one segment: every value of one key, typed."""

    @property
    def n_rows(self) -> int:
        """Rows covered."""
        ...

    @classmethod
    def build(cls, values: Sequence[Any]) -> ScalarIndex:
        """Index one metadata value per row (None where the key is missing)."""
        ...

    def lookup(self, request: ScalarRequest) -> Mask:
        """Return the exact rows that match."""
        ...

    def numbers(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return every number (bools are none) as float64, shape (m,), and its row, int64, ascending."""
        ...

    def estimate(self, request: ScalarRequest) -> Estimate:
        """Return bounds on the number of matches in microseconds, without making the mask."""
        ...


# --- string tests: substring, prefix and regex on documents and string metadata --------------------------------------


@record()
class StringTest:
    """A test of one string. `op` is `substring`, `starts_with`, `ends_with`, `equals` or `regex`.

    `ignore_case` compares the casefolded forms (not with `regex`, which has `(?i)`).
    """

    op: str
    text: str
    ignore_case: bool = False
