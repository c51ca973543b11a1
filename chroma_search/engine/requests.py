"""What the client layer hands to a collection engine and gets back: plain data, already validated in shape.

The engine checks what only it can know (the dimension of the collection, which ids exist); everything that can be
checked without data is checked before, by `client/inputs.py` and `dsl/validation.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from chroma_search.record import record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from chroma_search.dsl import Where


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
class RunOptions:
    """How a search is to be run.

    Attributes:
        exact: every leaf by the exact path.
        strict: refuse what upstream does not have.
        force: strategy of dense leaves, for tests; a segment without it uses the exact scan.
    """

    exact: bool = False
    strict: bool = False
    force: str | None = None


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
