"""Routes that read and write the records of a collection."""

from __future__ import annotations

from typing import Any, Literal

from chroma_search.errors import InvalidArgumentError, NotFoundError
from chroma_search.requests import Selection
from chroma_search.server import answers, bodies
from chroma_search.server.access.roles import Role
from chroma_search.server.call import Call, Handler, Route
from chroma_search.server.record_bodies import RecordColumns, batches_of, filter_of, matrix_of
from chroma_search.server.search_cost import check_query_cost
from chroma_search.server.settings import ServerSettings

BASE = "/tenants/{tenant}/databases/{database}/collections/{collection_id}"
DEFAULT_RESULTS = 10
STORED = ("documents", "metadatas", "embeddings", "uris")


def add(call: Call) -> Any:
    """Insert records; ids that exist are skipped, and of an id that stands twice the first counts."""
    engine = call.collection()
    for batch in batches_of(RecordColumns.of(call.body), keeps="first", removes_keys=False):
        engine.add(batch)
    return {}


def update(call: Call) -> Any:
    """Change records; ids that do not exist are ignored."""
    engine = call.collection()
    batches = batches_of(RecordColumns.of(call.body), keeps="last", removes_keys=True)
    if batches:
        engine.update(*batches)
    return {}


def upsert(call: Call) -> Any:
    """Insert or change records; of an id that stands twice the last counts."""
    engine = call.collection()
    for batch in batches_of(RecordColumns.of(call.body), keeps="last", removes_keys=True):
        engine.upsert(batch)
    return {}


def delete(call: Call) -> Any:
    """Delete records by ids, by a filter, or by both together."""
    body: bodies.DeleteRecords = call.body
    engine = call.collection()
    where = filter_of(body.where, body.where_document)
    if where is None and body.limit is not None:
        raise InvalidArgumentError("limit can only be specified when a where or where_document clause is provided")
    if where is None and body.ids is None:
        return {"deleted": 0}
    if where is None and not body.ids:
        raise InvalidArgumentError("Either ids or where must be specified")
    return {"deleted": engine.delete(Selection(body.ids, where, body.limit), call.observe)}


def count(call: Call) -> Any:
    """Return the number of records."""
    return call.collection().count()


def get(call: Call) -> Any:
    """Return records in the order in which they were added."""
    body: bodies.GetRecords = call.body
    engine = call.collection()
    where = filter_of(body.where, body.where_document)
    bounds = [each for each in (body.limit, None if body.ids is None else len(body.ids)) if each is not None]
    _check_results("limit", min(bounds, default=None), call.settings)
    selection = Selection(body.ids, where, body.limit, body.offset or 0)
    found = engine.get(selection, frozenset(name for name in body.include if name in STORED), call.observe)
    call.notes["n_results"] = len(found.ids)
    return {
        "ids": found.ids,
        "embeddings": answers.encoded_vectors(found.embeddings, body.vector_encoding),
        "documents": found.documents,
        "uris": found.uris,
        "metadatas": found.metadatas,
        "include": body.include,
    }


def query(call: Call) -> Any:
    """Return the nearest records to each vector, by ascending distance."""
    body: bodies.QueryRecords = call.body
    engine = call.collection()
    where = filter_of(body.where, body.where_document)
    n_results = DEFAULT_RESULTS if body.n_results is None else body.n_results
    _check_results("n_results", n_results, call.settings)
    columns = frozenset(name for name in body.include if name in STORED)
    answer: dict[str, Any] = dict.fromkeys((*STORED, "distances"))
    answer["include"] = body.include
    if not body.query_embeddings or not n_results:
        answer["ids"] = [[] for _ in body.query_embeddings]
        return {**answer, **{name: [[] for _ in body.query_embeddings] for name in body.include}}
    check_query_cost(len(body.query_embeddings), n_results, engine.count, call.settings)
    vectors = matrix_of(body.query_embeddings)
    if (
        call.settings.single_node_limits
        and body.ids
        and len(engine.get(Selection(body.ids), frozenset()).ids) < len(set(body.ids))
    ):
        raise NotFoundError("Error executing plan: Error finding id", kind="record")
    found = engine.query(vectors, n_results, body.ids, where, columns, call.run_options(exact=body.exact))
    call.notes["n_results"] = sum(len(each.ids) for each in found)
    answer["ids"] = [each.ids for each in found]
    for name in body.include:
        answer[name] = [each.scores if name == "distances" else getattr(each, name) for each in found]
    if answer["embeddings"] is not None:
        answer["embeddings"] = [answers.encoded_vectors(each, body.vector_encoding) for each in answer["embeddings"]]
    return answer


def _check_results(name: str, wanted: int | None, settings: ServerSettings) -> None:
    most = settings.max_results
    if most is not None and (wanted is None or wanted > most):
        got = "none" if wanted is None else wanted
        raise InvalidArgumentError(f"{name} is at most {most} on this server, got {got}")


def _writing(path: str, handler: Handler, summary: str, body: Any, status: Literal[200, 201] = 200) -> Route:
    return Route(
        "POST",
        BASE + path,
        handler,
        Role.WRITER,
        summary,
        body=body,
        answer=answers.Deleted if handler is delete else answers.Nothing,
        status=status,
        writes=True,
    )


RECORD_ROUTES = (
    Route(
        "POST",
        BASE + "/query",
        query,
        Role.READER,
        "The nearest records to each vector",
        body=bodies.QueryRecords,
        answer=answers.QueryAnswer,
    ),
    Route(
        "POST",
        BASE + "/get",
        get,
        Role.READER,
        "Records by ids and filters",
        body=bodies.GetRecords,
        answer=answers.GetAnswer,
    ),
    _writing("/add", add, "Insert records", bodies.AddRecords, 201),
    _writing("/upsert", upsert, "Insert or change records", bodies.AddRecords),
    _writing("/update", update, "Change records", bodies.UpdateRecords),
    _writing("/delete", delete, "Delete records", bodies.DeleteRecords),
    Route("GET", BASE + "/count", count, Role.READER, "The number of records", query=bodies.Level, answer=int),
)
