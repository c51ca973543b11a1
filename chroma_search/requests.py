"""What is asked of a collection and what comes back, whoever answers, an engine or a server: plain, checked data.

Who answers checks what only it can know (the dimension of the collection, which ids exist); everything that can be
checked without data is checked before, by `front/inputs.py` and `dsl/validation.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

from chroma_search.record import record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from chroma_search.dsl import Where
    from chroma_search.schema.configuration import CollectionConfig

WriteKind = Literal["add", "update", "upsert"]


@record()
class WriteBatch:
    """Rows of one `add`, `update` or `upsert`.

    Attributes:
        ids: unique, non-empty strings.
        vectors: float32, shape (n, dim), finite, or None (only in updates).
        documents, metadatas, uris: one entry per id, or None for all; an entry None leaves the field as it is. A
            metadata value None deletes the key.
    """

    ids: Sequence[str]
    vectors: NDArray[np.float32] | None = None
    documents: Sequence[str | None] | None = None
    metadatas: Sequence[dict[str, Any] | None] | None = None
    uris: Sequence[str | None] | None = None


@record()
class Selection:
    """Which records `get` and `delete` mean: ids and filter joined by AND; None is no restriction.

    Attributes:
        ids: ids; unknown ones match nothing.
        where: metadata and document filter together.
        limit, offset: slice in insertion order.
    """

    ids: Sequence[str] | None = None
    where: Where | None = None
    limit: int | None = None
    offset: int = 0


@record()
class NearestRequest:
    """The queries of one `query`.

    Attributes:
        vectors: float32, shape (q, dim).
        n_results: records per query, from 1.
        ids: only these records, or None for all; unknown ones match nothing.
        where: metadata and document filter together.
    """

    vectors: NDArray[np.float32]
    n_results: int
    ids: Sequence[str] | None = None
    where: Where | None = None


@record()
class Modification:
    """What `modify` changes; None leaves a part as it is.

    Attributes:
        name: new name.
        metadata: metadata in place of the old.
        config: the whole configuration as it is afterwards.
        changes: of the configuration, what was asked for, as JSON.
    """

    name: str | None = None
    metadata: dict[str, Any] | None = None
    config: CollectionConfig | None = None
    changes: Mapping[str, Any] | None = None


@record()
class RunOptions:
    """How a search is to be run.

    Attributes:
        exact: every leaf by the exact path.
        strict: refuse what upstream does not have.
        force: strategy of dense leaves, for tests; a segment without it uses the exact scan.
        observe: called with each search, or with the query, when it begins to run; None measures nothing.
    """

    exact: bool = False
    strict: bool = False
    force: str | None = None
    observe: Observe | None = None


class Ran(Protocol):
    """One search, query, get or delete that runs or has run: each answer is of what has run so far. Thread-safe."""

    @property
    def elapsed_ms(self) -> float:
        """Wall time of the stages that have run."""
        ...

    def explanation(self) -> object:
        """Return the EXPLAIN ANALYZE of this very run, as something that prints; what has not run has no figures."""
        ...

    def stages(self) -> list[tuple[str, float, dict[str, Any]]]:
        """Return name, milliseconds and facts of each stage that has run, in order."""
        ...


Observe = Callable[[Ran], None]
"""Told of each `Ran` when it begins to run."""


@record()
class Found:
    """Records in result order, column by column; columns that were not asked for are None.

    Attributes:
        ids: one per record.
        scores: score per record, or distance for `query`; None without.
        documents, metadatas, uris: one entry per record, None where the record has none.
        embeddings: float32, shape (n, dim), as stored.
    """

    ids: list[str]
    scores: list[float] | None = None
    documents: list[str | None] | None = None
    metadatas: list[dict[str, Any] | None] | None = None
    uris: list[str | None] | None = None
    embeddings: NDArray[np.float32] | None = None


ExplainMode = Literal["plan", "verbose", "analyze"]
