"""Parameters of the approximate kinds: names, defaults and bounds (spec 11.2).

Names are Chroma's. A value of None counts as absent, a name that is not listed is ignored (the schema layer has already
refused what no kind knows; a collection's configuration holds fields of other layers too, such as `space`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from chroma_search.errors import InvalidConfigError
from chroma_search.record import record


@record()
class HnswParameters:
    """How an HNSW graph is built and searched.

    Attributes:
        max_neighbors: links per row and upper layer (M); twice as many on the lowest layer.
        ef_construction: beam of the insertion.
        ef_search: beam of a search; a search for more than that takes a beam of k.
    """

    max_neighbors: int = 16
    ef_construction: int = 100
    ef_search: int = 100

    @staticmethod
    def of(params: Mapping[str, Any]) -> HnswParameters:
        """Read the fields of the `hnsw` configuration.

        `num_threads`, `batch_size`, `sync_threshold` and `resize_factor` are accepted and have no effect here: rows are
        inserted by one thread, because insertion by several would give another graph each time.

        Raises:
            InvalidConfigError: a field out of its bounds.
        """
        read = _Reader(params, "hnsw")
        read.whole("num_threads", 1, low=1)
        read.whole("batch_size", 100, low=2)
        read.whole("sync_threshold", 1000, low=2)
        read.number("resize_factor", 1.2)
        return HnswParameters(
            # With 1, every row would be on infinitely many layers.
            max_neighbors=max(2, read.whole("max_neighbors", 16, low=1, high=10_000)),
            ef_construction=read.whole("ef_construction", 100, low=1),
            ef_search=read.whole("ef_search", 100, low=1),
        )


@record()
class SpannParameters:
    """How SPANN lists are built and searched.

    Attributes:
        search_nprobe: lists read per query.
        write_nprobe: nearest centroids among which the lists of a row are chosen.
        split_threshold: rows nearest to one centroid above which its list is split.
        nreplica_count: lists that may hold one row.
        write_rng_epsilon: a row joins lists whose centroid is at most 1 + this times as far as the nearest one.
        write_rng_factor: a list is skipped when a centroid already chosen is closer to its centroid than the row is,
            times this factor.
        ef_search: beam of the search among the centroids.
        ef_construction, max_neighbors: of the graph over the centroids.
    """

    search_nprobe: int = 64
    write_nprobe: int = 32
    split_threshold: int = 50
    nreplica_count: int = 8
    write_rng_epsilon: float = 5.0
    write_rng_factor: float = 1.0
    ef_search: int = 200
    ef_construction: int = 200
    max_neighbors: int = 64

    @staticmethod
    def of(params: Mapping[str, Any]) -> SpannParameters:
        """Read the fields of the `spann` configuration.

        `reassign_neighbor_count` and `merge_threshold` are checked and have no effect here: segments
        are immutable, so lists are made once and neither reassigned nor merged.

        Raises:
            InvalidConfigError: a field out of its bounds.
        """
        read = _Reader(params, "spann")
        read.whole("reassign_neighbor_count", 64, low=1, high=64)
        read.whole("merge_threshold", 25, low=12, high=100)
        return SpannParameters(
            search_nprobe=read.whole("search_nprobe", 64, low=1, high=128),
            write_nprobe=read.whole("write_nprobe", 32, low=1, high=64),
            split_threshold=read.whole("split_threshold", 50, low=25, high=200),
            nreplica_count=read.whole("nreplica_count", 8, low=1, high=8),
            write_rng_epsilon=read.number("write_rng_epsilon", 5.0),
            write_rng_factor=read.number("write_rng_factor", 1.0),
            ef_search=read.whole("ef_search", 200, low=1, high=200),
            ef_construction=read.whole("ef_construction", 200, low=1, high=200),
            max_neighbors=max(2, read.whole("max_neighbors", 64, low=1, high=64)),
        )


class _Reader:
    """Reads fields of one configuration and checks them."""

    def __init__(self, params: Mapping[str, Any], path: str) -> None:
        self._params = params
        self._path = path

    def whole(self, field: str, default: int, *, low: int, high: int | None = None) -> int:
        value = self._params.get(field)
        if value is None:
            return default
        if not isinstance(value, int) or isinstance(value, bool) or value < low or (high is not None and value > high):
            allowed = f"from {low} to {high}" if high is not None else f"of at least {low}"
            raise InvalidConfigError(
                f"{field} must be an integer {allowed}, got {value!r}; leave it out for {default}",
                path=f"{self._path}.{field}",
            )
        return value

    def number(self, field: str, default: float) -> float:
        value = self._params.get(field)
        if value is None:
            return default
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value) or value < 0:
            raise InvalidConfigError(
                f"{field} must be a finite number of at least 0, got {value!r}; leave it out for {default}",
                path=f"{self._path}.{field}",
            )
        return float(value)
