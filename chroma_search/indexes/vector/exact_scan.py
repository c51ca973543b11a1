"""The exact scan: every row that could be among the k nearest, found by float32 estimates with a proven error bound.

Estimates come from fast float32 arithmetic. For dim terms summed in any order the error of a product is at most
gamma * |x||q| with gamma = dim * u / (1 - dim * u), u = 2^-24 (N. Higham, Accuracy and Stability of Numerical
Algorithms, 2nd ed. 2002, section 3.1). A row stays when its smallest possible distance is no more than the k-th
smallest of the largest possible ones; so ties and roundings never lose a row, and what stays is scored again by
`indexes.vector.exact_distances`. If too many stay (many equal vectors, or vectors far from the origin and close to
each other) they are measured exactly here and cut to the k nearest and their ties.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chroma_search.indexes.vector.exact_distances import exact_distances
from chroma_search.indexes.vector.norms import LARGEST_NORM, RowNorms, norms_of, unit_vectors
from chroma_search.kernels import distance
from chroma_search.kernels.blocks import BLOCK_ELEMENTS, row_blocks
from chroma_search.kernels.checked_rows import VectorRows
from chroma_search.model.candidates import Candidates
from chroma_search.model.distance import Space, Vectors
from chroma_search.record import record

Rows = NDArray[np.int64]
Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

UNIT_ROUNDOFF = 2.0**-24
SMALLEST_NORMAL = 2.0**-126
SPARE_ROUNDINGS = 16
"""Roundings besides those of the sum: of the query, of norms, of the result, and of the exact measure itself."""
REFINED_FROM = 256
"""Rows beyond 4 k that may stay unmeasured. Measuring 256 rows of 784 exactly takes 0.5 ms."""
BATCH_FROM = 8
"""Queries from which one matrix product is faster than one scan each (60,000 x 784: 8 queries 63 ms against 150)."""
QUERIES_TOGETHER = 128
"""Queries of one matrix product: more are not faster, and take more memory."""
BATCH_ELEMENTS = 2**25
"""Multiplications below which a batch is scanned query by query: threads of BLAS cost more than they save."""


@record(eq=False)
class Scanned:
    """A matrix to scan.

    Attributes:
        vectors: float32, shape (n, dim), as stored.
        norms: of the same rows; None allowed in the l2 space for single queries, which need none.
        space: distance space.
    """

    vectors: VectorRows
    norms: RowNorms | None
    space: Space


def is_batch(n_queries: int, n_rows: int, dim: int) -> bool:
    """Tell whether the queries are worth one matrix product (`scan_batch`)."""
    return n_queries >= BATCH_FROM and n_queries * n_rows * dim >= BATCH_ELEMENTS


def scan_one(of: Scanned, query: Floats, k: int, rows: Rows | None) -> Candidates:
    """Scan for one query.

    Args:
        of: what to scan.
        query: float32, shape (dim,). With a NaN in it the first k rows are returned: all distances are NaN.
        k: candidates wanted, >= 1.
        rows: int64, ascending and unique: the rows to look at; None for all.

    Returns:
        candidates in ascending order of row, exact in the sense of `VectorIndex.search`.
    """
    n = len(of.vectors) if rows is None else len(rows)
    if n == 0:
        return Candidates.empty()
    if np.isnan(query).any():
        return _for_nan(n, k, rows)
    if of.space == "l2":
        measured = distance.l2_all(of.vectors, query) if rows is None else distance.l2_rows(of.vectors, rows, query)
        stay = _nearest_relative(measured, k, of.vectors.shape[1])
        left = measured[stay].astype(np.float64)
    else:
        estimates, errors = _product_estimates(of, query, rows)
        stay = _nearest_absolute(estimates, errors, k)
        left = estimates[stay]
    kept = stay if rows is None else rows[stay]
    return refined(of, query, k, kept, left, n)


def scan_batch(of: Scanned, queries: Vectors, k: int, rows: Rows | None) -> list[Candidates]:
    """Scan for many queries by matrix products over blocks of rows; results as of `scan_one`.

    Memory beside the result: a block of rows (when gathered) and two blocks of scores, 8 MB each.
    """
    assert of.norms is not None
    lengths = norms_of(queries)
    found: list[Candidates] = [Candidates.empty()] * len(queries)
    plain = np.flatnonzero(lengths <= LARGEST_NORM) if of.space != "cosine" else np.flatnonzero(np.isfinite(lengths))
    for at in np.setdiff1d(np.arange(len(queries)), plain):
        found[at] = scan_one(of, queries[at], k, rows)
    together = max(1, min(QUERIES_TOGETHER, BLOCK_ELEMENTS // min(k, len(of.vectors))))
    for part in row_blocks(len(plain), 1, together):
        chosen = plain[part]
        for at, one in zip(chosen, _scan_product(of, queries[chosen], k, rows), strict=True):
            found[at] = one
    return found


def error_factor(dim: int) -> float:
    """Return gamma: the relative error bound of a float32 sum of `dim` products, in any order."""
    share = (dim + SPARE_ROUNDINGS) * UNIT_ROUNDOFF
    return 1.01 * share / (1.0 - share) if share < 0.5 else float("inf")


def _for_nan(n: int, k: int, rows: Rows | None) -> Candidates:
    first = np.arange(min(k, n)) if rows is None else rows[:k]
    return Candidates(first, np.full(len(first), np.nan), visited=n)


def _product_estimates(of: Scanned, query: Floats, rows: Rows | None) -> tuple[Doubles, Doubles]:
    """Return estimated distances and the error bound of each; odd rows are measured exactly."""
    assert of.norms is not None
    norms, dim = of.norms, of.vectors.shape[1]
    length = float(norms_of(query[None])[0])
    target = unit_vectors(query[None])[0] if of.space == "cosine" else query
    dots = distance.dot_all(of.vectors, target) if rows is None else distance.dot_rows(of.vectors, rows, target)
    products = dots.astype(np.float64)
    factor = error_factor(dim)
    with np.errstate(over="ignore", invalid="ignore"):
        if of.space == "cosine":
            products *= norms.inverse if rows is None else norms.inverse[rows]
            errors = np.full(len(products), factor)
        else:
            errors = (norms.norms if rows is None else norms.norms[rows]).astype(np.float64) * (factor * length)
            errors += UNIT_ROUNDOFF * np.abs(products) + (UNIT_ROUNDOFF + dim * SMALLEST_NORMAL)
    estimates = 1.0 - products
    unsure = ~np.isfinite(estimates)
    if of.space == "ip" and length > LARGEST_NORM:
        unsure[:] = True
    elif len(norms.odd):
        unsure |= np.isin(np.arange(len(of.vectors)) if rows is None else rows, norms.odd, assume_unique=True)
    at = np.flatnonzero(unsure)
    if len(at):
        estimates[at] = _measured(of, query, at if rows is None else rows[at])
        errors[at] = 0.0
    return estimates, errors


def _nearest_relative(measured: Floats, k: int, dim: int) -> Rows:
    """Return the positions that may be among the k nearest, for squared distances with a relative error."""
    factor = error_factor(dim)
    if k >= len(measured) or factor >= 1.0:
        return np.arange(len(measured))
    kth = float(np.partition(measured, k - 1)[k - 1])
    if np.isnan(kth):
        return np.arange(len(measured))
    vanished = dim * SMALLEST_NORMAL  # squares of tiny differences fall out of float32
    limit = (kth * (1.0 + factor) + 2 * vanished) / (1.0 - factor)
    if limit >= 1e38:
        return np.flatnonzero(~np.isnan(measured))
    return np.flatnonzero(measured <= np.nextafter(np.float32(limit), np.float32(np.inf)))


def _nearest_absolute(estimates: Doubles, errors: Doubles, k: int) -> Rows:
    """Return the positions that may be among the k nearest, for estimates with an absolute error each (NaN: none)."""
    if k >= len(estimates):
        return np.arange(len(estimates))
    limit = np.partition(estimates + errors, k - 1)[k - 1]
    if np.isnan(limit):
        return np.arange(len(estimates))
    with np.errstate(invalid="ignore"):
        return np.flatnonzero(estimates - errors <= limit)


def _measured(of: Scanned, query: Floats, rows: Rows) -> Doubles:
    """Return the exact distances of `rows`."""
    distances = np.empty(len(rows), np.float64)
    for block in row_blocks(len(rows), of.vectors.shape[1]):
        distances[block] = exact_distances(query, of.vectors[rows[block]], of.space)
    return distances


def refined(of: Scanned, query: Floats, k: int, rows: Rows, estimates: Doubles, visited: int) -> Candidates:
    """Return the rows that stayed; measured, if they are many, and cut to the k nearest with ties."""
    if len(rows) <= 4 * k + REFINED_FROM:
        return Candidates(rows, estimates, visited=visited)
    distances = _measured(of, query, rows)
    kth = np.partition(distances, k - 1)[k - 1]
    near = slice(None) if np.isnan(kth) else np.flatnonzero(distances <= kth)
    return Candidates(rows[near], distances[near], visited=visited)


def _scan_product(of: Scanned, queries: Vectors, k: int, rows: Rows | None) -> list[Candidates]:
    """Scan for a few finite queries of ordinary length; odd rows are added to each answer at the end."""
    assert of.norms is not None
    product = _Product.of(queries, of.space)
    regular = rows
    if len(of.norms.odd):
        regular = np.setdiff1d(np.arange(len(of.vectors)) if rows is None else rows, of.norms.odd, assume_unique=True)
    n = len(of.vectors) if regular is None else len(regular)
    width = len(queries) if regular is None else max(len(queries), of.vectors.shape[1])  # gathered rows are copied
    best = np.empty((len(queries), 0), np.float64)
    limits = np.full(len(queries), np.inf)
    kept: list[tuple[Rows, Rows, Doubles]] = []
    for block in row_blocks(n, width):
        scores, errors = product.scores(of, block if regular is None else regular[block])
        lowest = np.partition(scores, k - 1, axis=1)[:, :k] if scores.shape[1] > k else scores
        best = np.concatenate([best, lowest + errors[:, None]], axis=1)
        if best.shape[1] >= k:
            best = np.partition(best, k - 1, axis=1)[:, :k]
            limits = best.max(axis=1)
        cut = np.nextafter((limits + errors).astype(np.float32), np.float32(np.inf))
        which, where = np.nonzero(scores <= cut[:, None])
        numbers = where + block.start if regular is None else regular[where + block.start]
        kept.append((which, numbers, scores[which, where] - errors[which]))
    odd = of.norms.odd if rows is None else np.intersect1d(of.norms.odd, rows, assume_unique=True)
    return _per_query(of, queries, k, kept, limits, product.constants, odd, n)


@record(eq=False)
class _Product:
    """Queries prepared so that one float32 matrix product gives their distances up to a constant each.

    Attributes:
        targets: float32, shape (q, dim): -2 q (l2), -q (ip), -q/|q| (cosine).
        lengths: float64, shape (q,): norms of the queries.
        constants: float64, shape (q,): what to add to a score: |q|^2, 1, 1.
        space: distance space.
    """

    targets: Vectors
    lengths: Doubles
    constants: Doubles
    space: Space

    @staticmethod
    def of(queries: Vectors, space: Space) -> _Product:
        lengths = norms_of(queries)
        if space == "l2":
            return _Product(queries * np.float32(-2.0), lengths, lengths**2, space)
        targets = unit_vectors(queries) if space == "cosine" else queries
        return _Product(-targets, lengths, np.ones(len(queries)), space)

    def scores(self, of: Scanned, at: slice | Rows) -> tuple[Floats, Doubles]:
        """Return scores, shape (q, b), and per query an error bound that holds for all rows of the block."""
        assert of.norms is not None
        dim = of.vectors.shape[1]
        scores = self.targets @ of.vectors[at].T
        factor, vanished = error_factor(dim), dim * SMALLEST_NORMAL
        if self.space == "cosine":
            scores *= of.norms.inverse[at]
            return scores, np.full(len(scores), factor)
        lengths = of.norms.norms[at]
        longest = float(lengths.max(initial=0.0))
        if self.space == "ip":
            return scores, factor * longest * self.lengths + UNIT_ROUNDOFF + vanished
        scores += lengths * lengths
        return scores, 2.0 * factor * (longest + self.lengths) ** 2 + vanished


def _per_query(
    of: Scanned,
    queries: Vectors,
    k: int,
    kept: list[tuple[Rows, Rows, Doubles]],
    limits: Doubles,
    constants: Doubles,
    odd: Rows,
    n: int,
) -> list[Candidates]:
    """Sort what stayed by query, drop what the final limits exclude, and measure the rest where it is too much."""
    which = np.concatenate([each[0] for each in kept]) if kept else np.empty(0, np.int64)
    numbers = np.concatenate([each[1] for each in kept]) if kept else np.empty(0, np.int64)
    lowest = np.concatenate([each[2] for each in kept]) if kept else np.empty(0, np.float64)
    stays = lowest <= limits[which]
    which, numbers, lowest = which[stays], numbers[stays], lowest[stays]
    order = np.argsort(which, kind="stable")
    bounds = np.searchsorted(which[order], np.arange(len(queries) + 1))
    found: list[Candidates] = []
    for i, query in enumerate(queries):
        mine = order[bounds[i] : bounds[i + 1]]
        rows, estimates = numbers[mine], lowest[mine] + constants[i]
        if len(odd):
            rows, estimates = np.concatenate([rows, odd]), np.concatenate([estimates, _measured(of, query, odd)])
        if of.space == "l2" and len(rows) > 4 * k + REFINED_FROM:
            # Far from the origin the matrix product loses what small differences tell: measure those directly first.
            found.append(scan_one(of, query, k, np.sort(rows)))
        else:
            found.append(refined(of, query, k, rows, estimates, n + len(odd)))
    return found
