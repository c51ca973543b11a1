"""Segment: an immutable run of rows with the indexes over them, each made when first asked for.

A segment never changes what it answers; deletes live beside it, in the snapshot (`snapshot.py`). Scalar columns,
string columns, posting lists and the flat index are cheap enough to be made on first use and are kept; the approximate
vector index is made when the segment is sealed (`compaction.py`). Small segments, not yet sealed, are the *tail*.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from chroma_search.indexes.registry import vector_index
from chroma_search.model.sparse_vector import SparseVector
from chroma_search.record import record
from chroma_search.storage.id_index import SoughtIds
from chroma_search.storage.rows import Rows

if TYPE_CHECKING:
    from chroma_search.indexes.base import ScalarIndex, SparseIndex, VectorIndex
    from chroma_search.indexes.text.analyzer import Analyzer
    from chroma_search.indexes.text.inverted import InvertedIndex
    from chroma_search.indexes.text.string_column import StringColumn
    from chroma_search.model.distance import Space
    from chroma_search.model.mask import Mask
    from chroma_search.schema.observed_types import ObservedTypes
    from chroma_search.storage.postings_files import PostingsFiles

T = TypeVar("T")
EXACT_KINDS = frozenset({"flat", "coded"})
"""Kinds that are no approximate index."""
FindIds = Callable[[Sequence[str]], Sequence[Sequence[int]]]

POSTINGS = "postings"
"""Under what full-text indexes are remembered."""
CACHE_ENTRIES = 64
"""Masks (and choices) kept per segment, the most recently used ones; a dense mask of a million rows is 1 MB."""


@record()
class IndexSpec:
    """How the vectors of a collection are indexed.

    Attributes:
        space: distance.
        kind: approximate index of sealed segments: a name of `indexes/registry.py`; `flat` for none.
        params: parameters of that kind.
    """

    space: Space = "l2"
    kind: str = "hnsw"
    params: Mapping[str, Any] = field(default_factory=dict)


class Segment:
    """Rows and their indexes.

    Args:
        name: unique in the collection; `tail...` for unsealed ones.
        rows: the records.
        spec: how vectors are indexed.
        graph: the approximate index over all rows, or None; or a function that opens it when it is first asked for.
        find_ids: gives, per id, the rows that hold it; by default a table made at the first look-up.
        kind: of the index that `graph` opens, which is told without opening it.
        postings_files: where its full-text indexes are kept, if they are.
    """

    def __init__(
        self,
        name: str,
        rows: Rows,
        spec: IndexSpec,
        graph: VectorIndex | Callable[[], VectorIndex | None] | None = None,
        *,
        find_ids: FindIds | None = None,
        kind: str | None = None,
        postings_files: PostingsFiles | None = None,
    ) -> None:
        self.name = name
        self.rows = rows
        self.spec = spec
        self.find_ids = find_ids
        self.postings_files = postings_files
        self._graph = graph
        self.n_rows = len(rows)
        """Number of rows, dead ones included."""
        self.is_sealed = not name.startswith("tail")
        """False for a segment of the tail."""
        held = kind if graph is None or callable(graph) else graph.kind
        is_wanted = self.is_sealed and spec.kind not in EXACT_KINDS
        self.is_indexed = not is_wanted or (held is not None and held not in EXACT_KINDS)
        """False for a sealed segment that waits for the approximate index that the collection wants."""
        self._lock = threading.RLock()
        self._made: dict[Hashable, Any] = {}
        self._masks: OrderedDict[Hashable, Mask] = OrderedDict()
        self._recent: OrderedDict[Hashable, Any] = OrderedDict()

    @property
    def graph(self) -> VectorIndex | None:
        """The index besides the flat one (approximate; `coded` until that is built), or None where there is none."""
        held = self._graph
        if callable(held):
            with self._lock:
                held = self._graph
                if callable(held):
                    held = self._graph = held()
        return held

    def vector_indexes(self) -> Sequence[VectorIndex]:
        """Return the flat index and, if there is one, the other."""
        flat = self.remembered(
            "flat", lambda: vector_index("flat").from_arrays(self.rows.vectors, self.spec.space, {}, {})
        )
        graph = self.graph
        return (flat,) if graph is None else (flat, graph)

    def column(self, key: str) -> ScalarIndex:
        """Return the column of `#id` or a metadata key (every row missing when the key is unknown)."""
        # Here and below: 0.05 s of modules that a search by vectors alone, the first of a process, does not need.
        from chroma_search.indexes.scalar.column import ScalarColumn

        return self.remembered(("column", key), lambda: ScalarColumn.build(self._values(key)))

    def strings(self, key: str) -> StringColumn:
        """Return the strings of `#document`, `#id` or a metadata key, None where the value is no string."""
        from chroma_search.indexes.text.string_column import StringColumn  # as above

        return self.remembered(("strings", key), lambda: StringColumn(self.texts(key)))

    def texts(self, key: str) -> Sequence[str | None]:
        """Return one string or None per row."""
        if key == "#document":
            return self.rows.documents
        if key == "#id":
            return self.rows.ids
        return [value if isinstance(value, str) else None for value in self._values(key)]

    def postings(self, key: str, analyzer: Analyzer) -> InvertedIndex:
        """Return the full-text index of a key under an analyzer."""
        return self.remembered((POSTINGS, key, analyzer), lambda: self._made_postings(key, analyzer))

    def _made_postings(self, key: str, analyzer: Analyzer) -> InvertedIndex:
        from chroma_search.indexes.text.inverted import InvertedIndex  # as above

        kept = None if self.postings_files is None else self.postings_files.load(key, analyzer)
        if kept is not None:
            return kept
        made = InvertedIndex.build(self.texts(key), analyzer)
        if self.postings_files is not None:
            self.postings_files.keep(key, made)
        return made

    def postings_made(self) -> dict[tuple[str, Analyzer], InvertedIndex]:
        """Return the full-text indexes that were asked for so far, by key and analyzer."""
        made = dict(self._made)  # in one step: other threads may be adding to it
        return {name[1:]: each for name, each in made.items() if isinstance(name, tuple) and name[0] == POSTINGS}

    def take_postings(self, made: Mapping[tuple[str, Analyzer], InvertedIndex]) -> None:
        """Take full-text indexes of these rows that others have made."""
        for name, index in made.items():
            self._made.setdefault((POSTINGS, *name), index)

    def keep_postings(self) -> None:
        """Write down, where the segment lies in a file, the full-text indexes that were made."""
        if self.postings_files is not None:
            for (key, _), index in self.postings_made().items():
                self.postings_files.keep(key, index)

    def sparse(self, key: str) -> SparseIndex:
        """Return the posting lists of the sparse vectors under a key."""
        from chroma_search.indexes.vector.sparse import SparsePostings  # as above

        return self.remembered(("sparse", key), lambda: SparsePostings.build(self._sparse_vectors(key)))

    def has_values(self, key: str) -> bool:
        """Tell whether any row holds the metadata key."""
        return key in self.metadata_types()

    def metadata_types(self) -> ObservedTypes:
        """Return every metadata key of the segment with the types of its values, dead rows included."""
        from chroma_search.schema.observed_types import observed_types  # as above

        return self.remembered("types", lambda: observed_types(self.rows.metadatas))

    def rows_of_ids(self, ids: Iterable[str]) -> NDArray[np.int64]:
        """Return the rows that hold the ids, ascending; unknown ids are left out, dead rows are not."""
        return np.array(sorted({row for rows in self.rows_by_id(list(ids)) for row in rows}), np.int64)

    def has_none_of(self, ids: Collection[str]) -> bool:
        """Tell whether it is known at once that no row holds any of the ids."""
        return self.find_ids is None and self.remembered("id rows", self._rows_by_id)[0].keys().isdisjoint(ids)

    def rows_by_id(self, ids: Collection[str]) -> Sequence[Sequence[int]]:
        """Return, per id, the rows that hold it; dead rows too."""
        if self.find_ids is not None:
            return self.find_ids(ids if isinstance(ids, SoughtIds) else SoughtIds(ids))
        known, repeated = self.remembered("id rows", self._rows_by_id)
        if not known.keys().isdisjoint(ids):
            return [() if each not in known else repeated.get(each) or (known[each],) for each in ids]
        return [()] * len(ids)

    def rows_of_offsets(self, offset_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the row of each offset id, -1 where the segment does not hold it. Rows may be dead.

        Of several rows with one offset id (a segment that grew over an update of its own record) it is the last: all
        before it are dead.
        """
        order, ascending = self.remembered("offsets", self._sorted_offsets)
        if not len(ascending):
            return np.full(len(offset_ids), -1, np.int64)
        at = np.maximum(np.searchsorted(ascending, offset_ids, side="right") - 1, 0)
        rows = at if order is None else order[at]
        return np.where(ascending[at] == offset_ids, rows, -1)

    def remembered(self, name: Hashable, make: Callable[[], T]) -> T:
        """Return what was made under a name, made once; callers name few things, for all of them are kept."""
        made = self._made.get(name)
        if made is None:
            with self._lock:
                made = self._made.get(name)
                if made is None:
                    made = self._made[name] = make()
        return made

    def cached_mask(self, predicate: Hashable, make: Callable[[], Mask]) -> Mask:
        """Return the mask of a predicate, made once and kept while it is in use (exact masks only)."""
        return self._kept(self._masks, predicate, make)

    def recently(self, name: Hashable, make: Callable[[], T]) -> T:
        """Return what was made under a name, made once and kept while it is in use."""
        return self._kept(self._recent, name, make)

    def _kept(self, kept: OrderedDict[Hashable, T], name: Hashable, make: Callable[[], T]) -> T:
        with self._lock:
            known = kept.get(name)
            if known is not None:
                kept.move_to_end(name)
                return known
        made = make()
        with self._lock:
            kept[name] = made
            while len(kept) > CACHE_ENTRIES:
                kept.popitem(last=False)
        return made

    def _values(self, key: str) -> list[Any]:
        if key == "#id":
            return list(self.rows.ids)
        return [None if each is None else each.get(key) for each in self.rows.metadatas]

    def _sparse_vectors(self, key: str) -> list[SparseVector | None]:
        return [value if isinstance(value, SparseVector) else None for value in self._values(key)]

    def _rows_by_id(self) -> tuple[dict[str, int], dict[str, list[int]]]:
        """Return a row per id, and all rows of ids that stand in several: those that were updated."""
        ids = self.rows.ids
        last = dict(zip(ids, range(len(ids)), strict=True))
        repeated: dict[str, list[int]] = {}
        if len(last) < len(ids):
            counts = Counter(ids)
            for row, each in enumerate(ids):
                if counts[each] > 1:
                    repeated.setdefault(each, []).append(row)
        return last, repeated

    def _sorted_offsets(self) -> tuple[NDArray[np.int64] | None, NDArray[np.int64]]:
        offsets = self.rows.offset_ids
        if bool(np.all(offsets[1:] > offsets[:-1])):
            return None, offsets
        order = np.argsort(offsets, kind="stable")
        return order, offsets[order]
