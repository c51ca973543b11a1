"""Routes of collections. A collection is found only under its own tenant and database, by id as by name.

No embedding function is ever built here: their configurations are stored and given back as JSON.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chroma_search.engine.collection import CollectionEngine
from chroma_search.errors import ForbiddenError, InvalidArgumentError, InvalidInputError, NotFoundError
from chroma_search.schema.collection_metadata import validate_collection_metadata, validate_metadata_update
from chroma_search.schema.configuration import CollectionConfig, updated_configuration
from chroma_search.schema.function_form import checked_function_form
from chroma_search.schema.index_rules import IndexRules
from chroma_search.schema.names import validate_collection_name
from chroma_search.schema.reconcile import resolve_configuration
from chroma_search.schema.schema_form import SchemaForm, complete_form
from chroma_search.schema.schema_validation import checked_form
from chroma_search.server import answers, bodies
from chroma_search.server.access.roles import Role
from chroma_search.server.call import Call, Route, uuid_of

BASE = "/tenants/{tenant}/databases/{database}"


def create_collection(call: Call) -> Any:
    """Create a collection, or return the one of that name unchanged with `get_or_create`."""
    body: bodies.CreateCollection = call.body
    name = _checked_name(body.name)
    metadata = validate_collection_metadata(body.metadata)
    form = None if body.schema_form is None else checked_form(body.schema_form)
    config = resolve_configuration(_known(body.configuration), metadata, form)
    if call.settings.single_node_limits:
        config = _limited(config, form)
    try:
        engine = call.database.create_collection(
            name,
            call.path["tenant"],
            call.path["database"],
            config=config,
            metadata=metadata,
            schema=form,
            get_or_create=body.get_or_create,
        )
    except NotFoundError as error:
        database = call.path["database"]
        raise InvalidArgumentError(f"Database [{database}] does not exist") from error
    return described(engine)


def list_collections(call: Call) -> Any:
    """Return the collections of a database in order of creation; none for an unknown database."""
    page = call.query
    found = call.database.list_collections(call.path["tenant"], call.path["database"], page.limit, page.offset)
    return [described(engine) for engine in found]


def count_collections(call: Call) -> Any:
    """Return how many collections a database has."""
    return call.database.count_collections(call.path["tenant"], call.path["database"])


def get_collection(call: Call) -> Any:
    """Return a collection by name."""
    return described(call.database.get_collection(call.path["name"], call.path["tenant"], call.path["database"]))


def get_collection_by_id(call: Call) -> Any:
    """Return a collection by id."""
    id_ = uuid_of(
        call.path["collection_id"],
        "Validation error: collection_id: Invalid collection ID format, expected UUID",
    )
    return described(call.database.get_collection_by_id(id_, call.path["tenant"], call.path["database"]))


def get_collection_by_crn(call: Call) -> Any:
    """Return a collection by `tenant:database:collection`."""
    parts = call.path["crn"].split(":")
    if len(parts) != 3 or not all(parts):
        raise InvalidArgumentError("Invalid CRN, expected tenant:database:collection")
    tenant, database, name = parts
    if not call.identity.may(Role.READER, tenant, database):
        raise ForbiddenError("Permission denied.")
    return described(call.database.get_collection(name, tenant, database))


def update_collection(call: Call) -> Any:
    """Rename a collection, replace its metadata, or change what may be changed of its configuration."""
    body: bodies.UpdateCollection = call.body
    engine = call.collection()
    name = None if body.new_name is None else _checked_name(body.new_name)
    metadata = None if body.new_metadata is None else validate_metadata_update(body.new_metadata)
    config = None if body.new_configuration is None else _updated(engine.config, body.new_configuration)
    call.database.modify_collection(engine, name=name, metadata=metadata, config=config)
    return {}


def delete_collection(call: Call) -> Any:
    """Delete a collection by name."""
    call.database.delete_collection(call.path["name"], call.path["tenant"], call.path["database"])
    return {}


def fork_collection(call: Call) -> Any:
    """Make a collection with the records of another one, at little cost."""
    name = _checked_name(call.body.new_name)
    return described(call.database.fork_collection(call.collection(), name))


def fork_count(call: Call) -> Any:
    """Return how many forks there are in the lineage of a collection."""
    return {"count": call.database.fork_count(call.collection())}


def indexing_status(call: Call) -> Any:
    """Return how much of what was written is indexed."""
    total, indexed = call.collection().operations()
    return {
        "op_indexing_progress": indexed / total if total else 1.0,
        "num_unindexed_ops": total - indexed,
        "num_indexed_ops": indexed,
        "total_ops": total,
    }


def described(engine: CollectionEngine) -> dict[str, Any]:
    """Return a collection as the API shows it; one that another process has deleted since it was found, as empty."""
    try:
        types, dimension, n_indexed = engine.observed_types(), engine.dimension, engine.operations()[1]
    except NotFoundError:  # a list must not fail for that, nor get_or_create
        types, dimension, n_indexed = {}, None, 0
    return {
        "id": str(engine.id),
        "name": engine.name,
        "configuration_json": engine.config.to_json(),
        "schema": complete_form(engine.schema_form, engine.config, types),
        "metadata": engine.metadata,
        "dimension": dimension,
        "tenant": engine.tenant,
        "database": engine.database,
        "log_position": 0,
        "version": n_indexed,  # grows with what is indexed, as upstream's with each compaction
    }


def _checked_name(name: str) -> str:
    try:
        return validate_collection_name(name)
    except InvalidInputError as error:
        raise InvalidArgumentError(f"Validation error: name: {error}") from error


def _known(configuration: dict[str, Any] | None) -> dict[str, Any] | None:
    """Leave out what is unknown, or said to be nothing."""
    if configuration is None:
        return None
    names = ("hnsw", "spann", "flat", "embedding_function")
    known = {name: configuration[name] for name in names if configuration.get(name) is not None}
    if "hnsw" in known and "spann" in known:
        raise InvalidArgumentError("Multiple vector index configurations provided: keep hnsw, or spann")
    return known or None


def _limited(config: CollectionConfig, form: SchemaForm | None) -> CollectionConfig:
    """Return the index that upstream's single node would make."""
    if IndexRules(form).sparse_keys:
        raise InvalidArgumentError(
            "Failed to reconcile schema: Invalid schema input: Sparse vector indexing is not enabled in local"
        )
    if config.index_kind != "spann":
        return config
    return CollectionConfig(space=config.space, embedding_function=config.embedding_function)


def _updated(config: CollectionConfig, update: bodies.ConfigurationUpdate) -> CollectionConfig:
    """Return a configuration with what the update says; one for another kind of index has no effect, as upstream."""
    own = getattr(update, config.index_kind, None)
    if own is not None:
        changes = own.model_dump(exclude_none=True)
        if changes:
            config = updated_configuration(config, {config.index_kind: changes})
    if update.embedding_function is not None:
        form = checked_function_form(update.embedding_function, "new_configuration.embedding_function")
        config = replace(config, embedding_function=form)
    return config


COLLECTION_ROUTES = (
    Route(
        "GET",
        BASE + "/collections/{name}",
        get_collection,
        Role.READER,
        "A collection by name",
        answer=answers.CollectionAnswer,
    ),
    Route(
        "POST",
        BASE + "/collections",
        create_collection,
        Role.WRITER,
        "Create a collection",
        body=bodies.CreateCollection,
        answer=answers.CollectionAnswer,
        writes=True,
    ),
    Route(
        "GET",
        BASE + "/collections",
        list_collections,
        Role.READER,
        "The collections of a database, in order of creation",
        query=bodies.Page,
        answer=list[answers.CollectionAnswer],
    ),
    Route(
        "GET",
        BASE + "/collections_count",
        count_collections,
        Role.READER,
        "How many collections a database has",
        answer=int,
    ),
    Route(
        "GET",
        BASE + "/collections/by-id/{collection_id}",
        get_collection_by_id,
        Role.READER,
        "A collection by id",
        answer=answers.CollectionAnswer,
    ),
    Route(
        "GET",
        "/collections/{crn}",
        get_collection_by_crn,
        Role.READER,
        "A collection by tenant:database:collection",
        answer=answers.CollectionAnswer,
        any_user=True,
    ),
    Route(
        "PUT",
        BASE + "/collections/{collection_id}",
        update_collection,
        Role.WRITER,
        "Change a collection",
        body=bodies.UpdateCollection,
        answer=answers.Nothing,
        writes=True,
    ),
    Route(
        "POST",
        BASE + "/collections/{collection_id}/fork",
        fork_collection,
        Role.WRITER,
        "A second collection with the same records",
        body=bodies.ForkCollection,
        answer=answers.CollectionAnswer,
        writes=True,
    ),
    Route(
        "GET",
        BASE + "/collections/{collection_id}/fork_count",
        fork_count,
        Role.READER,
        "How many forks there are in its lineage",
        answer=answers.ForkCount,
    ),
    Route(
        "GET",
        BASE + "/collections/{collection_id}/indexing_status",
        indexing_status,
        Role.READER,
        "How much of what was written is indexed",
        answer=answers.IndexingStatus,
    ),
    Route(
        "DELETE",
        BASE + "/collections/{name}",
        delete_collection,
        Role.WRITER,
        "Delete a collection by name",
        answer=answers.Nothing,
        writes=True,
    ),
)
