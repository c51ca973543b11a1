"""Schema, configuration, names and metadata of collections: what users may ask for and what the engine then knows."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chroma_search.schema.cmek import Cmek, CmekProvider
    from chroma_search.schema.configuration_types import (
        CollectionConfiguration,
        CreateCollectionConfiguration,
        CreateHNSWConfiguration,
        CreateSpannConfiguration,
        FlatConfiguration,
        HNSWConfiguration,
        SpannConfiguration,
        UpdateCollectionConfiguration,
        UpdateHNSWConfiguration,
        UpdateSpannConfiguration,
    )
    from chroma_search.schema.index_configs import (
        BoolInvertedIndexConfig,
        FloatInvertedIndexConfig,
        FtsIndexConfig,
        HnswIndexConfig,
        IndexConfig,
        IntInvertedIndexConfig,
        SpannIndexConfig,
        SparseVectorIndexConfig,
        StringInvertedIndexConfig,
        VectorIndexConfig,
    )
    from chroma_search.schema.schema import Schema
    from chroma_search.schema.value_types import (
        BoolInvertedIndexType,
        BoolValueType,
        FloatInvertedIndexType,
        FloatListValueType,
        FloatValueType,
        FtsIndexType,
        IntInvertedIndexType,
        IntValueType,
        SparseVectorIndexType,
        SparseVectorValueType,
        StringInvertedIndexType,
        StringValueType,
        ValueTypes,
        VectorIndexType,
    )

_HOMES = ("configuration_types", "cmek", "schema", "value_types", "index_configs")
"""Where the public names are defined: what is cheap to load first, the models of pydantic (0.1 s) last."""

__all__ = [
    "BoolInvertedIndexConfig",
    "BoolInvertedIndexType",
    "BoolValueType",
    "Cmek",
    "CmekProvider",
    "CollectionConfiguration",
    "CreateCollectionConfiguration",
    "CreateHNSWConfiguration",
    "CreateSpannConfiguration",
    "FlatConfiguration",
    "FloatInvertedIndexConfig",
    "FloatInvertedIndexType",
    "FloatListValueType",
    "FloatValueType",
    "FtsIndexConfig",
    "FtsIndexType",
    "HNSWConfiguration",
    "HnswIndexConfig",
    "IndexConfig",
    "IntInvertedIndexConfig",
    "IntInvertedIndexType",
    "IntValueType",
    "Schema",
    "SpannConfiguration",
    "SpannIndexConfig",
    "SparseVectorIndexConfig",
    "SparseVectorIndexType",
    "SparseVectorValueType",
    "StringInvertedIndexConfig",
    "StringInvertedIndexType",
    "StringValueType",
    "UpdateCollectionConfiguration",
    "UpdateHNSWConfiguration",
    "UpdateSpannConfiguration",
    "ValueTypes",
    "VectorIndexConfig",
    "VectorIndexType",
]


def __getattr__(name: str) -> Any:
    """Load a name when it is first asked for: a plain query needs none of them."""
    if name in __all__:
        for home in _HOMES:
            found = getattr(import_module(f"{__name__}.{home}"), name, None)
            if found is not None:
                return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
