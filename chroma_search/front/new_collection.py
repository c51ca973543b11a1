"""A collection that is to be created: the arguments of `create_collection`, checked and brought into one form.

Not for: creating it; that is the backend's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chroma_search.embeddings.default import DefaultEmbeddingFunction
from chroma_search.embeddings.protocol import validate_embedding_function
from chroma_search.front.function_cache import RememberedFunction
from chroma_search.record import record
from chroma_search.schema.collection_metadata import validate_collection_metadata
from chroma_search.schema.function_conflict import validate_embedding_function_conflict_on_create
from chroma_search.schema.names import validate_collection_name

if TYPE_CHECKING:
    from chroma_search.schema import Schema
    from chroma_search.schema.configuration import CollectionConfig
    from chroma_search.schema.schema_form import SchemaForm

DEFAULT_FUNCTION = DefaultEmbeddingFunction()
"""What `embedding_function=` is when the caller says nothing."""


@record()
class NewCollection:
    """What is to be created.

    Attributes:
        name: checked.
        metadata: a copy, or None.
        config: index, distance and function, every parameter resolved.
        schema: as the caller gave it, or None.
        form: its JSON, checked.
        function: the function of the dense vectors as an object that is worth remembering, or None.
    """

    name: str
    metadata: dict[str, Any] | None
    config: CollectionConfig
    schema: Schema | None
    form: SchemaForm | None
    function: Any | None

    @property
    def remembered(self) -> RememberedFunction | None:
        """The function beside its stored form, for the process that created the collection."""
        return None if self.function is None else RememberedFunction(self.config.embedding_function, self.function)

    @property
    def key_functions(self) -> dict[str, Any]:
        """The functions of single keys as the schema holds them."""
        if self.schema is None:
            return {}
        from chroma_search.schema.index_rules import functions_of  # as below

        return functions_of(self.schema)


def new_collection(
    name: str,
    schema: Schema | None,
    configuration: Mapping[str, Any] | None,
    metadata: Mapping[str, Any] | None,
    embedding_function: Any | None,
) -> NewCollection:
    """Check the arguments of `create_collection`; nothing that the caller passed is changed or kept, but the schema.

    Raises:
        WrongTypeError, InvalidArgumentError: a name, metadata, configuration or schema that is not allowed.
        InvalidConfigError: two functions, or schema and configuration differ.
    """
    # Not above: 0.03 s of modules that a program which opens a collection does not need.
    from chroma_search.schema.reconcile import resolve_configuration
    from chroma_search.schema.schema_validation import checked_form

    validate_collection_name(name)
    wanted = dict(configuration or {})
    validate_embedding_function_conflict_on_create(embedding_function, wanted.get("embedding_function"))
    if embedding_function is not None:
        validate_embedding_function(embedding_function)
        if wanted.get("embedding_function") is None:
            wanted["embedding_function"] = embedding_function
    held_metadata = validate_collection_metadata(metadata)
    form = None if schema is None else checked_form(schema.serialize_to_json())
    config = resolve_configuration(wanted, held_metadata, form)
    function = _chosen(wanted.get("embedding_function"), schema)
    return NewCollection(name, held_metadata, config, schema, form, function)


def _chosen(function: Any | None, schema: Schema | None) -> Any | None:
    from chroma_search.schema.index_rules import functions_of  # as above
    from chroma_search.schema.value_types import EMBEDDING_KEY

    of_schema = {} if schema is None else functions_of(schema)
    chosen = of_schema.get(EMBEDDING_KEY) if function is None or _is_default(function) else function
    # What is written as JSON is built when it is needed.
    return chosen if callable(chosen) and not _is_default(chosen) else None


def _is_default(function: object) -> bool:
    return isinstance(function, DefaultEmbeddingFunction)
