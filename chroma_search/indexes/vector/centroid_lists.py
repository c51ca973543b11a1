"""The lists of a SPANN index: rows by nearby centroid, with replication at the borders.

A row joins the list of its nearest centroid and of others almost as near, so that a query beside a border finds it in
whichever list it reads. The rule is SPANN's (Q. Chen et al. 2021, section 3.2): only centroids within `1 +
write_rng_epsilon` times the nearest (squared distances here, as in Chroma), and none that lies closer to one already
joined than to the row, since a query that reads the one would read the other. Candidates: the `write_nprobe` nearest.

Lists are immutable; more rows give new arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chroma_search.indexes.vector.clustering import make_centroids, squared_distances
from chroma_search.indexes.vector.hnsw import GRAPH, HnswIndex
from chroma_search.indexes.vector.parameters import SpannParameters
from chroma_search.indexes.vector.points import Points
from chroma_search.kernels import centroid_list
from chroma_search.kernels.blocks import row_blocks
from chroma_search.kernels.checked_rows import RowsOf, whole
from chroma_search.model.distance import Vectors

Ints = NDArray[np.int64]

PRODUCT_LISTS = 4096
"""Centroids up to which rows are compared with all of them (one matrix product); beyond, a graph is faster."""


@dataclass(frozen=True, slots=True, eq=False)
class CentroidLists:
    """Lists of rows.

    Attributes:
        centroids: float32, shape (n_lists, dim of the points).
        graph: index over the centroids, or None when they are few enough to compare with all.
        offsets: int64, shape (n_lists + 1,): bounds of each list in `rows`.
        rows: int32, ascending within a list; a row stands in one list or more.
        n_built: rows that the centroids were made for.
    """

    centroids: Vectors
    graph: HnswIndex | None
    offsets: Ints
    rows: NDArray[np.int32]
    n_built: int

    @property
    def n_lists(self) -> int:
        """Number of lists."""
        return len(self.centroids)

    @staticmethod
    def build(points: Points, parameters: SpannParameters) -> CentroidLists:
        """Cluster the points (at least one) and fill the lists."""
        centroids = make_centroids(points, parameters.split_threshold)
        graph = _graph_over(centroids, parameters) if len(centroids) > PRODUCT_LISTS else None
        none = np.zeros(len(centroids) + 1, np.int64)
        empty = CentroidLists(centroids, graph, none, np.empty(0, np.int32), points.n)
        return empty.filled(points, 0, parameters)

    def filled(self, points: Points, first: int, parameters: SpannParameters) -> CentroidLists:
        """Return lists that also hold the points from row `first` on; these lists do not change."""
        owners, members = [np.repeat(np.arange(self.n_lists), np.diff(self.offsets))], [self.rows]
        for block in row_blocks(points.n - first, max(points.dim, min(self.n_lists, PRODUCT_LISTS))):
            rows = np.arange(block.start + first, block.stop + first)
            near, distances = self._nearest(points.at(slice(rows[0], rows[-1] + 1)), parameters.write_nprobe)
            joined = centroid_list.replicas(
                near,
                distances,
                self.centroids,
                parameters.nreplica_count,
                1.0 + parameters.write_rng_epsilon,
                parameters.write_rng_factor,
            )
            which, place = np.nonzero(joined >= 0)
            owners.append(joined[which, place].astype(np.int64))
            members.append(rows[which].astype(np.int32))
        owner, member = np.concatenate(owners), np.concatenate(members)
        order = np.argsort(owner, kind="stable")  # rows were added in ascending order and stay so within a list
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.bincount(owner, minlength=self.n_lists))])
        return CentroidLists(self.centroids, self.graph, offsets, member[order], self.n_built)

    def to_arrays(self) -> dict[str, RowsOf[Any]]:
        """Return the arrays to store."""
        graph = {} if self.graph is None else {f"centroid_{k}": v for k, v in self.graph.to_arrays().items()}
        arrays = {"centroids": self.centroids, "offsets": self.offsets, "rows": self.rows}
        return {**arrays, "n_built": np.array([self.n_built], np.int64), **graph}

    @staticmethod
    def from_arrays(arrays: Mapping[str, RowsOf[Any]], parameters: SpannParameters) -> CentroidLists:
        """Open stored arrays."""
        centroids, of_graph = whole(arrays["centroids"]), "centroid_links" in arrays
        parts = {name.removeprefix("centroid_"): each for name, each in arrays.items() if name.startswith("centroid_")}
        graph = HnswIndex.from_arrays(centroids, "l2", _graph_params(parameters), parts) if of_graph else None
        offsets, rows = whole(arrays["offsets"]), whole(arrays["rows"])
        return CentroidLists(centroids, graph, offsets, rows, int(arrays["n_built"][0]))

    def _nearest(self, rows: Vectors, count: int) -> tuple[Ints, Vectors]:
        """Return the nearest centroids of each row, nearest first, and squared distances to them."""
        count = min(count, self.n_lists)
        if self.graph is None:
            distances = squared_distances(rows, self.centroids, self.centroids[0])
            near = np.argpartition(distances, count - 1, axis=1)[:, :count]
        else:
            found = self.graph.search(rows, count, None, GRAPH)
            shortest = min(count, *(len(each) for each in found))  # a graph search may find too few
            order = [np.argsort(each.distances, kind="stable")[:shortest] for each in found]
            near = np.stack([each.rows[first] for each, first in zip(found, order, strict=True)])
            distances = np.stack([each.distances[first] for each, first in zip(found, order, strict=True)])
            return near, distances.astype(np.float32)
        taken = np.take_along_axis(distances, near, axis=1)
        order = np.lexsort((near, taken), axis=1)
        return np.take_along_axis(near, order, axis=1), np.take_along_axis(taken, order, axis=1)


def _graph_params(parameters: SpannParameters) -> dict[str, int]:
    return {
        "max_neighbors": parameters.max_neighbors,
        "ef_construction": parameters.ef_construction,
        "ef_search": parameters.ef_search,
    }


def _graph_over(centroids: Vectors, parameters: SpannParameters) -> HnswIndex:
    return HnswIndex.build(centroids, "l2", _graph_params(parameters))
