"""import_chroma: moves the collections of a folder that Chroma wrote into a database of ours.

The folder is only read. All collections come over or none: each is written under a temporary name, and all get their
names in one step when the last one is complete; after an error what is there so far is removed, after a kill at the
next import.
A record whose vector is lost cannot be stored, for nothing could find it: it is in the report with its contents, or
gets a new vector when an embedding function is given.

Not for: what the files mean (`chroma_tables.py`, `chroma_records.py`, `chroma_vectors.py`, `chroma_configuration.py`).
Memory: the ids of one collection and a batch of its records.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from chroma_search.client.embedded import AdminClient, EmbeddedClient
from chroma_search.client.engine_backend import rename_together
from chroma_search.embeddings.protocol import EmbeddingFunction
from chroma_search.errors import ChromaSearchError, ConflictError, InvalidInputError, NotFoundError
from chroma_search.exchange.chroma_collection import CollectionImport, ImportProgress
from chroma_search.exchange.chroma_configuration import Plan, plan_collection
from chroma_search.exchange.chroma_report import ChromaImportReport, CollectionReport
from chroma_search.exchange.chroma_sqlite import checked_file, opened_for_reading
from chroma_search.exchange.chroma_tables import ChromaTables, SourceCollection
from chroma_search.exchange.unfinished import TEMPORARY_NAME, drop_left_over
from chroma_search.front.collection import Collection
from chroma_search.schema.names import validate_collection_name, validate_database_name, validate_tenant_name
from chroma_search.storage.failpoint import reach

Place = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Job:
    """One collection to import: from where, how, and to which tenant and database."""

    source: SourceCollection
    plan: Plan
    place: Place

    @property
    def temporary_name(self) -> str:
        """What the collection is called until the import is complete: after the id that it has in Chroma."""
        return TEMPORARY_NAME + self.source.id


def import_chroma(
    source: str | PathLike[str],
    into: EmbeddedClient,
    *,
    collections: Sequence[str] | None = None,
    tenant: str | None = None,
    database: str | None = None,
    embedding_function: EmbeddingFunction[Any] | None = None,
    progress: Callable[[ImportProgress], object] | None = None,
) -> ChromaImportReport:
    """Import the collections of a folder written by Chroma 0.3 to 1.5.

    That is: configuration, ids, documents, URIs, metadata and vectors, in the order of insertion. The folder is not
    changed. Vectors come from the files of the vector index and from the queue of writes that Chroma
    keeps; where the files are missing or damaged, what the queue still has is recovered.

    Args:
        source: the folder, the one that was given to `chromadb.PersistentClient`. No program should be writing there.
        into: a client of the database that receives them.
        collections: names of those to import; None for all.
        tenant, database: where they go; None for the same names as in the source, created if they do not exist.
        embedding_function: makes new vectors for records whose own are lost and that have a document.
        progress: called after each batch of at most 2,000 records.

    Returns:
        What was read and what could not be recovered. Read it: an import with losses is no error.

    Raises:
        NotFoundError: no such folder, or no collection of a name in `collections`.
        UnsupportedError: no folder of Chroma.
        ConflictError: a collection of the name exists already; nothing was written.
        CorruptionError: the database of the folder is damaged. LockedError: another program is writing there.
        StorageError: a file cannot be read, or changed meanwhile.
        InvalidInputError: `into` keeps its data in the folder itself, or the embedding function does not fit.
    """
    folder = Path(fspath(source)).expanduser()
    checked_file(folder)
    settings = into.get_settings()
    if settings.is_persistent:
        check_apart(folder, Path(settings.persist_directory))
    with opened_for_reading(folder) as opened, ExitStack() as clients:
        tables = ChromaTables(opened.connection, str(opened.path))
        jobs = [
            _Job(each, plan_collection(each), (tenant or each.tenant, database or each.database))
            for each in _chosen(tables.collections(), collections)
        ]
        targets = _Targets(into, clients)
        _check_names(jobs, targets)
        with _undone_on_error(jobs, targets):
            reports: list[CollectionReport] = []
            written: list[tuple[Collection, str]] = []
            for job in jobs:
                collection = targets.create(job)
                work = CollectionImport(tables, folder, job.source, job.plan, embedding_function, progress)
                reports.append(work.run(collection, job.source.name))
                written.append((collection, job.source.name))
            opened.check_unchanged()
            reach("import.before_finish")
            rename_together(written)
            reach("import.after_finish")
    return ChromaImportReport(str(folder), tuple(reports))


class _Targets:
    """Clients of the tenants and databases that collections go to."""

    def __init__(self, into: EmbeddedClient, clients: ExitStack) -> None:
        self._settings = into.get_settings()
        self._stack = clients
        self._admin = clients.enter_context(AdminClient(self._settings))
        self._clients: dict[Place, EmbeddedClient] = {}

    def has(self, name: str, place: Place) -> bool:
        with suppress(NotFoundError):
            self._client(place).get_collection(name, embedding_function=None)
            return True
        return False

    def create(self, job: _Job) -> Collection:
        """Create the place, if need be, and the collection under its temporary name."""
        tenant, database = job.place
        with suppress(ConflictError):
            self._admin.create_tenant(tenant)
        with suppress(ConflictError):
            self._admin.create_database(database, tenant)
        self.drop(job)  # left by an import that was killed
        reach("import.before_collection")
        return self._client(job.place).create_collection(
            job.temporary_name,
            schema=job.plan.schema,
            configuration=job.plan.configuration,  # pyright: ignore[reportArgumentType] a TypedDict, made by hand
            metadata=job.plan.metadata,
            embedding_function=None,
        )

    def drop(self, job: _Job) -> None:
        drop_left_over(self._client(job.place), job.temporary_name)

    def _client(self, place: Place) -> EmbeddedClient:
        if place not in self._clients:
            self._clients[place] = self._stack.enter_context(EmbeddedClient(*place, self._settings))
        return self._clients[place]


def check_apart(folder: Path, database: Path) -> None:
    """Refuse a database that is in the folder to import from.

    Raises:
        InvalidInputError: it is.
    """
    target, origin = database.expanduser().resolve(), folder.expanduser().resolve()
    if target == origin or origin in target.parents:
        raise InvalidInputError(
            f"the database {target} is in the folder to import from, which is never changed: use another folder"
        )


def _chosen(found: list[SourceCollection], names: Sequence[str] | None) -> list[SourceCollection]:
    if names is None:
        return found
    known = {each.name for each in found}
    for name in names:
        if name not in known:
            there = ", ".join(sorted(known)[:10]) or "none"
            raise NotFoundError(
                f"the folder has no collection {name!r}; it has: {there}", kind="collection", name=str(name)
            )
    return [each for each in found if each.name in names]


def _check_names(jobs: Sequence[_Job], targets: _Targets) -> None:
    """Refuse names that are taken or not allowed, before anything is written."""
    seen: set[tuple[str, Place]] = set()
    for job in jobs:
        name, (tenant, database) = job.source.name, job.place
        _check_allowed(name, tenant, database)
        if (name, job.place) in seen:
            raise ConflictError(
                f"two databases of the folder have a collection {name!r}, and both would go to {tenant}/{database}: "
                "import without naming a database, or one collection at a time",
                kind="collection",
                name=name,
            )
        seen.add((name, job.place))
        if targets.has(name, job.place):
            raise ConflictError(
                f"collection {name!r} exists already in {tenant}/{database}: rename or delete it, or name another "
                "database to import into",
                kind="collection",
                name=name,
            )


def _check_allowed(name: str, tenant: str, database: str) -> None:
    """Refuse names that Chroma let pass and no client here could ask for."""
    validate_collection_name(name)
    for what, validate, value in (
        ("tenant", validate_tenant_name, tenant),
        ("database", validate_database_name, database),
    ):
        try:
            validate(value)
        except InvalidInputError as error:
            raise InvalidInputError(
                f"collection {name!r} cannot go to the {what} that it has in Chroma: {error}. Name another {what} to "
                "import into, or only the other collections"
            ) from error


@contextmanager
def _undone_on_error(jobs: Sequence[_Job], targets: _Targets) -> Generator[None]:
    try:
        yield
    except BaseException:
        for job in jobs:
            with suppress(ChromaSearchError):
                targets.drop(job)
        raise
