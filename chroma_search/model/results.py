"""What `get`, `query`, `search` and `delete` return: upstream's keys and shapes, plus a table to look at (spec 7-9).

The results are dicts, so `result["ids"]`, `json.dumps` and `dict(result)` work as with Chroma. Ours: the columns are
attributes too (`result.ids`), printing gives a table, and `SearchResult` becomes an Arrow, pandas or polars table.

Not for: computing anything; columns come from the engine as they are. Invariant: a result that lacks columns, or holds
other things, is still a dict that prints.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, overload

if TYPE_CHECKING:
    import pandas
    import polars

    from chroma_search.model.result_table import Table


Shown: TypeAlias = tuple[list[str], dict[str, Any]]
"""The ids and the columns of a table to look at."""


class DeleteResult(TypedDict):
    """Answer of `delete`: the number of deleted records."""

    deleted: int


class SearchResultRow(TypedDict, total=False):
    """One record of a search; only `id` is always there."""

    id: str
    document: str | None
    embedding: list[float] | None
    metadata: dict[str, Any] | None
    score: float | None


@dataclass
class IndexingStatus:
    """How much of what was written has reached the indexes; the rest is scanned.

    Attributes:
        num_indexed_ops, num_unindexed_ops, total_ops: counts of operations.
        op_indexing_progress: share of them that is indexed, 0..1.
    """

    num_indexed_ops: int
    num_unindexed_ops: int
    total_ops: int
    op_indexing_progress: float


class _Result(dict[str, Any]):
    """A dict whose known columns are attributes, and which prints as a table."""

    _columns: tuple[str, ...] = ()

    def __getattr__(self, name: str) -> Any:
        if name in self._columns:
            try:
                return self[name]
            except KeyError:
                pass
        raise AttributeError(f"{type(self).__name__} has no column '{name}' (it has {', '.join(self) or 'none'})")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(name for name in self._columns if name in self)]

    def _tables(self) -> list[Shown]:
        """Return what to show, one table per search or query; empty when this is no such result."""
        raise AssertionError(type(self).__name__)

    def _made_tables(self) -> list[Table]:
        from chroma_search.model.result_table import Table  # most results are read by programs, never shown

        return [Table(ids=ids, columns=columns) for ids, columns in self._tables()]

    def __repr__(self) -> str:
        return self._shown() or f"{type(self).__name__}({dict.__repr__(self)})"

    def __str__(self) -> str:
        return repr(self)

    def _shown(self) -> str | None:
        from chroma_search.model.result_table import as_text  # as above

        try:
            return as_text(type(self).__name__, self._made_tables())
        except (TypeError, ValueError, KeyError, IndexError, AttributeError):
            return None  # made by hand, in another shape: show the dict

    def _repr_html_(self) -> str | None:
        """Return the table for notebooks, everything escaped."""
        from chroma_search.model.result_table import as_html  # as above

        try:
            return as_html(self._made_tables()) or None
        except (TypeError, ValueError, KeyError, IndexError, AttributeError):
            return None


# For type checkers and editors. Columns that may be None are Any: each reader of one that was asked for would have to
# assert that it is there.


class GetResult(_Result):
    """Answer of `get` and `peek`: one entry per record in each column; columns not asked for are None.

    Keys: `ids embeddings documents uris data metadatas included`. `embeddings` is an array, shape (n, dim).
    """

    _columns = ("ids", "embeddings", "documents", "uris", "data", "metadatas", "included")

    if TYPE_CHECKING:
        ids: list[str]
        embeddings: Any
        documents: Any
        uris: Any
        data: Any
        metadatas: Any
        included: list[str]

        @overload
        def __getitem__(self, key: Literal["ids", "included"], /) -> list[str]: ...
        @overload
        def __getitem__(self, key: str, /) -> Any: ...
        def __getitem__(self, key: str, /) -> Any: ...

    def _tables(self) -> list[Shown]:
        return [(self["ids"], {name: self.get(name) for name in _SHOWN})]


class QueryResult(_Result):
    """Answer of `query`: each column holds a list per query; columns not asked for are None.

    Keys: `ids embeddings documents uris included data metadatas distances`. `embeddings` holds an array per query,
    shape (n, dim). Records stand by ascending distance.
    """

    _columns = ("ids", "embeddings", "documents", "uris", "included", "data", "metadatas", "distances")

    if TYPE_CHECKING:
        ids: list[list[str]]
        embeddings: Any
        documents: Any
        uris: Any
        included: list[str]
        data: Any
        metadatas: Any
        distances: Any

        @overload
        def __getitem__(self, key: Literal["ids"], /) -> list[list[str]]: ...
        @overload
        def __getitem__(self, key: Literal["included"], /) -> list[str]: ...
        @overload
        def __getitem__(self, key: str, /) -> Any: ...
        def __getitem__(self, key: str, /) -> Any: ...

    def _tables(self) -> list[Shown]:
        return _one_per_search(self, ("distances", *_SHOWN))


class SearchResult(_Result):
    """Answer of `search`: each column holds an entry per search, in the order of the searches.

    Keys: `ids documents embeddings metadatas scores select`. `ids[i]` is the list of ids of search i; the other columns
    hold a list as long, or None where the search did not select it. `select[i]` names what it selected.

    >>> result = SearchResult(ids=[["a", "b"]], documents=[["x", None]], scores=[[0.1, 0.2]])
    >>> result.rows()[0]
    [{'id': 'a', 'document': 'x', 'score': 0.1}, {'id': 'b', 'score': 0.2}]
    >>> result.ids == result["ids"]
    True
    """

    _columns = ("ids", "documents", "embeddings", "metadatas", "scores", "select")

    if TYPE_CHECKING:
        ids: list[list[str]]
        documents: list[Any]
        embeddings: list[Any]
        metadatas: list[Any]
        scores: list[Any]
        select: list[list[str]]

        @overload
        def __getitem__(self, key: Literal["ids", "select"], /) -> list[list[str]]: ...
        @overload
        def __getitem__(self, key: Literal["documents", "embeddings", "metadatas", "scores"], /) -> list[Any]: ...
        @overload
        def __getitem__(self, key: str, /) -> Any: ...
        def __getitem__(self, key: str, /) -> Any: ...

    def rows(self) -> list[list[SearchResultRow]]:
        """Return one list per search with a dict per record: `id`, and what else the record has of the selected."""
        return [
            [_row(*values) for values in zip(ids, *columns, strict=True)]
            for ids, *columns in self._by_search(("documents", "embeddings", "metadatas", "scores"))
        ]

    def to_arrow(self) -> Any:
        """Return the records as an Arrow table: `id`, then `score document embedding` as far as selected, then a column
        per metadata field.

        With more or fewer searches than one, a first column `search` says which one (0, 1, ...). A metadata field of
        such a name becomes `metadata.<name>`; a field with values of several types holds them as JSON text.
        """
        from chroma_search.model.result_arrow import arrow_table  # loads pyarrow

        return arrow_table(self._by_search(("scores", "documents", "embeddings", "metadatas")))

    def to_pandas(self) -> pandas.DataFrame:
        """Return the table of `to_arrow` as a DataFrame; ints and bools keep their type where values are missing."""
        from chroma_search.model.result_arrow import pandas_frame  # loads pyarrow and pandas

        return pandas_frame(self.to_arrow())

    def to_polars(self) -> polars.DataFrame:
        """Return the table of `to_arrow` as a polars DataFrame."""
        from chroma_search.model.result_arrow import polars_frame  # loads pyarrow and polars

        return polars_frame(self.to_arrow())

    def _by_search(self, names: tuple[str, ...]) -> list[tuple[list[Any], ...]]:
        """Return, per search, the ids and the named columns; a column that is not there is a list of None."""
        searches: list[list[str]] = self.get("ids") or []
        return [
            (ids, *(_filled(_column(self.get(name), at), len(ids)) for name in names))
            for at, ids in enumerate(searches)
        ]

    def _tables(self) -> list[Shown]:
        return _one_per_search(self, ("scores", "documents", "metadatas", "embeddings"))


_SHOWN = ("documents", "metadatas", "uris", "embeddings")


def _one_per_search(result: _Result, names: tuple[str, ...]) -> list[Shown]:
    return [(ids, {name: _column(result.get(name), at) for name in names}) for at, ids in enumerate(result["ids"])]


def _column(column: Any, at: int) -> Any:
    """Return the part of a column that belongs to one search, or None."""
    return None if column is None or not len(column) else column[at]


def _filled(column: Any, n: int) -> Any:
    return [None] * n if column is None else column


def _row(id: str, document: Any, embedding: Any, metadata: Any, score: Any) -> SearchResultRow:
    row: SearchResultRow = {"id": id}
    if document is not None:
        row["document"] = document
    if embedding is not None:
        row["embedding"] = embedding
    if metadata is not None:
        row["metadata"] = metadata
    if score is not None:
        row["score"] = score
    return row
