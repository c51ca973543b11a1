"""Centroids for lists of bounded size, by hierarchical k-means.

Rows are split into a few dozen clusters by k-means (S. Lloyd, Least squares quantization in PCM, 1982), each cluster
again until it is small enough; the hierarchy is that of SPANN (Q. Chen et al., SPANN: highly efficient billion-scale
approximate nearest neighborhood search, 2021, section 3.1), without its balance constraint: the size limit alone bounds
the lists. Each split is scikit-learn's k-means with a fixed start, on one thread.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager

import numpy as np
from numpy.typing import NDArray

from chroma_search.indexes.vector.points import Points
from chroma_search.kernels.blocks import row_blocks
from chroma_search.model.distance import Vectors

Rows = NDArray[np.int64]

SEED = 7
MOST_BRANCHES = 64
"""Clusters of one split."""
ROWS_PER_BRANCH = 256
"""Rows per cluster that one split is learnt from; more do not move the centroids."""
FILL = 0.6
"""Aimed size of a cluster as a share of the largest allowed: sizes vary, and few then need another split."""
EPOCHS = 8
FEW_CENTRES = 256
"""Centres up to which distances are computed without BLAS: its threads cost more than they save on small products."""


def make_centroids(points: Points, list_size: int) -> Vectors:
    """Return centroids of clusters of at most `list_size` rows (more only if the rows are equal).

    Args:
        points: what to cluster, at least one.
        list_size: rows that may share a centroid.

    Returns:
        float32, shape (n_lists, points.dim), in a fixed order.
    """
    origin = mean_point(points, _sample(np.arange(points.n), MOST_BRANCHES * ROWS_PER_BRANCH))
    centroids: list[Vectors] = []
    waiting = [np.arange(points.n)]
    with one_thread():
        while waiting:
            rows = waiting.pop()
            parts = _split(points, rows, origin, list_size) if len(rows) > list_size else [rows]
            if len(parts) == 1:
                centroids.append(mean_point(points, rows))
            else:
                waiting.extend(parts)
    return np.stack(centroids)


def one_thread() -> AbstractContextManager[object]:
    """Return a context in which BLAS and OpenMP use one thread.

    The clusterings are many and small, so that threads make each five times as long (0.39 s for 1000 x 784 into 33,
    2026-11); and the order in which threads add depends on their timing, which one thread's does not.
    """
    from threadpoolctl import threadpool_limits  # comes with scikit-learn

    return threadpool_limits(limits=1)


def mean_point(points: Points, rows: Rows) -> Vectors:
    """Return the mean of the points of `rows`, added up in float64: float32, shape (points.dim,)."""
    total = np.zeros(points.dim, np.float64)
    for block in row_blocks(len(rows), points.dim):
        total += points.at(rows[block]).sum(axis=0, dtype=np.float64)
    return (total / len(rows)).astype(np.float32)


def squared_distances(rows: Vectors, centroids: Vectors, origin: Vectors) -> Vectors:
    """Return the squared distance of each row to each centroid: float32, shape (b, n_lists), rounded, from 0.

    Both are moved by `origin` first: a matrix product loses small differences of large numbers.
    """
    rows, centroids = rows - origin, centroids - origin
    products = np.einsum("ij,kj->ik", rows, centroids) if len(centroids) <= FEW_CENTRES else rows @ centroids.T
    products *= -2.0
    products += np.einsum("ij,ij->i", centroids, centroids)
    products += np.einsum("ij,ij->i", rows, rows)[:, None]
    return np.maximum(products, 0.0, out=products)


def k_means(rows: Vectors, count: int) -> Vectors:
    """Return the centres of `count` clusters of `rows`: float32, shape (count, dim). Deterministic.

    Args:
        rows: float32, shape (n, dim), n >= count, near the origin.
        count: clusters; some may be equal when fewer rows differ.
    """
    import warnings

    from sklearn.cluster import KMeans  # takes a second to import; only building needs it
    from sklearn.exceptions import ConvergenceWarning

    start = rows[np.sort(np.random.default_rng(SEED).choice(len(rows), count, replace=False))]
    # scikit-learn has no types: pyright guesses str from the defaults.
    model = KMeans(count, init=start, max_iter=EPOCHS, algorithm="lloyd", random_state=SEED)  # type: ignore[arg-type]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different rows than clusters
        return np.ascontiguousarray(model.fit(rows).cluster_centers_, np.float32)


def _split(points: Points, rows: Rows, origin: Vectors, list_size: int) -> list[Rows]:
    """Split rows into clusters that are not empty; a single one when the rows cannot be told apart."""
    branches = min(MOST_BRANCHES, max(2, math.ceil(len(rows) / (FILL * list_size))))
    learnt_from = points.at(_sample(rows, branches * ROWS_PER_BRANCH)) - origin
    centres = k_means(learnt_from, branches) + origin
    labels = np.empty(len(rows), np.int64)
    for block in row_blocks(len(rows), max(points.dim, branches)):
        labels[block] = squared_distances(points.at(rows[block]), centres, origin).argmin(axis=1)
    order = np.argsort(labels, kind="stable")
    bounds = np.flatnonzero(np.diff(labels[order])) + 1
    return np.split(rows[order], bounds)


def _sample(rows: Rows, most: int) -> Rows:
    return rows if len(rows) <= most else rows[(np.arange(most) * len(rows)) // most]
