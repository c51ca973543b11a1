"""Upstream's module `chromadb.api.collection_configuration`: what `configuration=` takes and gives."""

from chroma_search.schema.configuration import (
    load_collection_configuration_from_json,
    load_collection_configuration_from_json_str,
)
from chroma_search.schema.configuration_types import (
    CollectionConfiguration,
    CreateCollectionConfiguration,
    CreateHNSWConfiguration,
    CreateSpannConfiguration,
    HNSWConfiguration,
    SpannConfiguration,
    UpdateCollectionConfiguration,
    UpdateHNSWConfiguration,
    UpdateSpannConfiguration,
)
from chroma_search.schema.function_conflict import (
    validate_embedding_function_conflict_on_create,
    validate_embedding_function_conflict_on_get,
)

__all__ = [
    "CollectionConfiguration",
    "CreateCollectionConfiguration",
    "CreateHNSWConfiguration",
    "CreateSpannConfiguration",
    "HNSWConfiguration",
    "SpannConfiguration",
    "UpdateCollectionConfiguration",
    "UpdateHNSWConfiguration",
    "UpdateSpannConfiguration",
    "load_collection_configuration_from_json",
    "load_collection_configuration_from_json_str",
    "validate_embedding_function_conflict_on_create",
    "validate_embedding_function_conflict_on_get",
]
