"""Shapes of the dicts that users pass as `configuration=` and read back: upstream's `TypedDict` names and fields.

`flat` is ours: `{"flat": {"space": "cosine"}}` asks for the exact scan everywhere and builds no graph.
Not for: checking (see `configuration.py`).
"""

from __future__ import annotations

from typing import Any, TypedDict

from chroma_search.model.distance import Space


class CreateHNSWConfiguration(TypedDict, total=False):
    """A graph index; see `index_params.py` for bounds and defaults."""

    space: Space
    ef_construction: int
    max_neighbors: int
    ef_search: int
    num_threads: int
    batch_size: int
    sync_threshold: int
    resize_factor: float


class CreateSpannConfiguration(TypedDict, total=False):
    """An index of posting lists around centroids."""

    space: Space
    search_nprobe: int
    write_nprobe: int
    ef_construction: int
    ef_search: int
    max_neighbors: int
    reassign_neighbor_count: int
    split_threshold: int
    merge_threshold: int


class FlatConfiguration(TypedDict, total=False):
    """No index: every search is exact. Ours."""

    space: Space


HNSWConfiguration = CreateHNSWConfiguration
SpannConfiguration = CreateSpannConfiguration


class UpdateHNSWConfiguration(TypedDict, total=False):
    """What `modify` may change of a graph index."""

    ef_search: int
    max_neighbors: int
    num_threads: int
    batch_size: int
    sync_threshold: int
    resize_factor: float


class UpdateSpannConfiguration(TypedDict, total=False):
    """What `modify` may change of a SPANN index."""

    search_nprobe: int
    ef_search: int


class CreateCollectionConfiguration(TypedDict, total=False):
    """Argument of `create_collection`; at most one of `hnsw`, `spann`, `flat`.

    `embedding_function` is an `EmbeddingFunction` or None.
    """

    hnsw: CreateHNSWConfiguration | None
    spann: CreateSpannConfiguration | None
    flat: FlatConfiguration | None
    embedding_function: Any


class UpdateCollectionConfiguration(TypedDict, total=False):
    """Argument of `modify`."""

    hnsw: UpdateHNSWConfiguration | None
    spann: UpdateSpannConfiguration | None
    embedding_function: Any


class _CollectionConfiguration(TypedDict):
    hnsw: HNSWConfiguration | None
    spann: SpannConfiguration | None
    embedding_function: Any


class CollectionConfiguration(_CollectionConfiguration, total=False):
    """What `collection.configuration` gives; `flat` is there only where it was asked for."""

    flat: FlatConfiguration
