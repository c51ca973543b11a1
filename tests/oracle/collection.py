"""OracleCollection: records in a dict, and the calls of a collection on them (5, 7-9).

Arguments have the collection's names, so that one history can be replayed here and elsewhere. `get` and `query` return
every column; `search` returns the inner columns of one search.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from chroma_search.dsl import Knn, Search, SearchClauses
from chroma_search.dsl.search import as_where
from chroma_search.errors import DuplicateIDError
from tests.oracle.filter import document_filter, matches
from tests.oracle.page import best_of_groups, by_score, columns, in_order
from tests.oracle.rank import evaluate
from tests.oracle.record import Record, to_float32


class OracleCollection:
    """A collection; `tokenizer` cuts texts for `Bm25`, `idf_keys` are sparse keys with the `bm25` flag (3.8)."""

    def __init__(
        self, space: str = "l2", *, tokenizer: Callable[[str], list[str]] = str.split, idf_keys: Collection[str] = ()
    ) -> None:
        self.space, self.tokenizer, self.idf_keys = space, tokenizer, idf_keys
        self.records: dict[str, Record] = {}  # live ones, in insertion order: a change does not move a dict key
        self.next_offset = 0

    def add(self, ids: Sequence[str], **fields: Any) -> None:
        """Insert; known ids are skipped (9)."""
        self._write(ids, **fields, insert=True, change=False)

    def update(self, ids: Sequence[str], **fields: Any) -> None:
        """Change; unknown ids are skipped."""
        self._write(ids, **fields, insert=False, change=True)

    def upsert(self, ids: Sequence[str], **fields: Any) -> None:
        """Insert or change."""
        self._write(ids, **fields, insert=True, change=True)

    def _write(self, ids: Sequence[str], *, insert: bool, change: bool, **fields: Any) -> None:
        check_unique(ids)
        assert fields.keys() <= {"embeddings", "documents", "metadatas", "uris"}
        for at, id_ in enumerate(ids):
            if not (change if id_ in self.records else insert):
                continue
            if id_ not in self.records:
                self.records[id_] = Record(id_, self.next_offset)
                self.next_offset += 1  # never given again: a deleted id that returns goes to the end
            record, row = self.records[id_], {name: column[at] for name, column in fields.items() if column is not None}
            if row.get("embeddings") is not None:
                record.embedding = [to_float32(each) for each in row["embeddings"]]
            if row.get("documents") is not None:
                record.document = row["documents"]
            if row.get("uris") is not None:
                record.uri = row["uris"]
            merged = {**(record.metadata or {}), **(row.get("metadatas") or {})}
            record.metadata = {key: value for key, value in merged.items() if value is not None} or None

    def delete(
        self, ids: Any = None, where: Any = None, where_document: Any = None, limit: int | None = None
    ) -> dict[str, int]:
        """Delete the first matching records; by ids alone, the ids are counted, known or not (9)."""
        check_unique(ids)
        found = self.matching(ids, where, where_document)[:limit]
        for record in found:
            del self.records[record.id]
        by_ids_alone = where is None and where_document is None
        return {"deleted": len(ids if by_ids_alone else found)}

    def count(self) -> int:
        return len(self.records)

    def matching(self, ids: Any = None, where: Any = None, where_document: Any = None) -> list[Record]:
        """Return the records that pass all that is given, in insertion order."""
        conditions = [as_where(where), None if where_document is None else document_filter(where_document)]
        allowed = [each for each in self.records.values() if ids is None or each.id in ids]
        return [each for each in allowed if all(matches(each, one) for one in conditions if one is not None)]

    def get(
        self, ids: Any = None, where: Any = None, limit: Any = None, offset: Any = None, where_document: Any = None
    ) -> dict[str, list[Any]]:
        """Return records in insertion order, whatever the order of `ids`; unknown ids are skipped (9)."""
        check_unique(ids)
        return every_column(self.matching(ids, where, where_document)[offset or 0 :][:limit])

    def query(
        self, query_embeddings: Any, ids: Any = None, n_results: int = 10, where: Any = None, where_document: Any = None
    ) -> dict[str, list[Any]]:
        """Return the nearest records of each query, nearest first, ties by insertion (8)."""
        records = self.matching(ids, where, where_document)
        answers: dict[str, list[Any]] = {name: [] for name in (*every_column([]), "distances")}
        for query in query_embeddings:
            distances, _ = evaluate(Knn(query, limit=n_results), records, self)
            nearest = by_score([each for each in records if each.offset in distances], distances)
            for name, column in every_column(nearest).items():
                answers[name].append(column)
            answers["distances"].append([distances[each.offset] for each in nearest])
        return answers

    def search(self, search: Search | SearchClauses) -> dict[str, Any]:
        """Answer one search: filter, rank, groups, order, page, columns (7).

        Without a rank the score is the place in insertion order, after the filter and before all else (6 T).
        """
        clauses = search.clauses if isinstance(search, Search) else search
        passing = self.matching(where=clauses.where)
        scores = {record.offset: float(place) for place, record in enumerate(passing)}
        if clauses.rank is not None:
            scores, _ = evaluate(clauses.rank, passing, self)  # the default of the root gives no records (3.4)
        ranked = by_score([record for record in passing if record.offset in scores], scores)
        if clauses.group_by.is_active:
            ranked = best_of_groups(ranked, scores, clauses.group_by)
        ranked = in_order(ranked, scores, clauses.order_by)
        return columns(ranked[clauses.limit.offset :][: clauses.limit.limit], scores, clauses.select)


def check_unique(ids: Sequence[str] | None) -> None:
    """Refuse an id that stands twice in one call (10)."""
    given = list(ids or ())
    repeated = tuple(each for at, each in enumerate(given) if each in given[:at])
    if repeated:
        raise DuplicateIDError(f"ids must be unique, got {repeated[:10]} again", ids=repeated[:10])


def every_column(records: list[Record]) -> dict[str, list[Any]]:
    return {
        "ids": [each.id for each in records],
        "embeddings": [each.embedding for each in records],
        "documents": [each.document for each in records],
        "metadatas": [each.metadata and dict(each.metadata) for each in records],
        "uris": [each.uri for each in records],
    }
