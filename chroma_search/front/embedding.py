"""How a collection turns texts, images and URIs into vectors: which function, when it is fitted, what it fills in.

Dense vectors come from the one function of the collection (`embeddings/resolve.py` says which). A function that must
first see a corpus (`fit`, and `is_fitted` false) is fitted on the documents of the first write, and its fitted form is
stored with the collection. Sparse keys of the schema with a `source_key` are filled from that source (spec 9).

Invariant: nothing here writes records; when a function raises, the collection is as before, apart from a fit.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from chroma_search.embeddings.apply import (
    embed_documents,
    embed_queries,
    embed_sparse_documents,
    embed_sparse_queries,
)
from chroma_search.embeddings.resolve import (
    EMBEDDING_KEY,
    EmbeddingSources,
    KeyFunctions,
    resolve_dense_function,
    resolve_query_function,
)
from chroma_search.errors import InvalidArgumentError, InvalidInputError
from chroma_search.front.backend import CollectionFacts
from chroma_search.front.function_cache import RememberedFunction, current_function
from chroma_search.front.progress import in_steps
from chroma_search.front.vector_input import Vectors, check_finite
from chroma_search.schema.configuration import updated_configuration

if TYPE_CHECKING:
    from chroma_search.dsl import SearchClauses

_fitting = threading.Lock()  # one fit at a time in this process: a second thread must find the function fitted


class DataLoader(Protocol):
    """Loads what URIs point to, one entry per URI."""

    def __call__(self, uris: list[str | None]) -> Any:
        """Return the loaded things in order."""
        ...


class Embedder:
    """Embeds for one handle on a collection.

    Args:
        facts: what is known of the collection: its functions, and what its schema says of them.
        given: function passed by the caller who opened the collection.
        data_loader: loads URIs, or None.
    """

    def __init__(self, facts: CollectionFacts, given: Any | None, data_loader: DataLoader | None) -> None:
        self._facts = facts
        self.given = given
        self.loader = data_loader

    @property
    def configured(self) -> Any | None:
        """The function of the collection's configuration as an object, or None."""
        facts = self._facts
        found = current_function(facts.functions.get(facts.id), facts.config.embedding_function)
        facts.functions[facts.id] = found
        return found.function

    def check_loader(self) -> DataLoader:
        """Return the data loader.

        Raises:
            InvalidInputError: the collection was opened without one.
        """
        if self.loader is None:
            raise InvalidInputError("You must set a data loader on the collection if loading from URIs.")
        return self.loader

    def load(self, uris: Any) -> Any:
        """Return what the data loader makes of URIs."""
        return self.check_loader()(uris)

    def embed_records(self, kind: str, values: Sequence[Any]) -> Vectors:
        """Return one vector per record, float32, shape (n, dim).

        Args:
            kind: what `values` are: `documents`, `images` or `uris`.
            values: one per record.

        Raises:
            InvalidInputError: no function, or one that returns something else than one finite vector per record.
            Exception: whatever the function raises.
        """
        inputs: Sequence[Any] = self.load(list(values)) if kind == "uris" else values
        function = resolve_dense_function(self._sources())
        if kind == "documents":
            self._fit(function, values)
        steps = in_steps(list(inputs), f"Embedding {len(values):,} {kind}")
        return self._matrix([vector for step in steps for vector in embed_documents(function, step)])

    def embed_queries(self, kind: str, values: Sequence[Any]) -> Vectors:
        """Return one vector per query, as `embed_records` does for records."""
        inputs = self.load(list(values)) if kind == "uris" else values
        return self._matrix(embed_queries(resolve_dense_function(self._sources()), inputs), is_finite=False)

    def fill_sparse(
        self, metadatas: list[dict[str, Any] | None] | None, documents: Sequence[str | None] | None
    ) -> list[dict[str, Any] | None] | None:
        """Return the metadata with the sparse vectors that the schema derives from documents or other fields.

        Rows that have the key already, or no text under its source, are left alone; an empty text gives an empty
        vector. Given dicts are not changed.

        Raises:
            InvalidInputError: a function returned something else than one sparse vector per text.
            Exception: whatever the function raises.
        """
        targets = [each for each in self._facts.rules().sparse_keys.values() if each.source_key is not None]
        if not targets or (metadatas is None and documents is None):
            return metadatas
        from chroma_search.schema.value_types import DOCUMENT_KEY  # loaded already, with the rules

        n_rows = len(metadatas) if metadatas is not None else len(documents or ())
        filled = [dict(each or {}) for each in metadatas or [None] * n_rows]
        for target in targets:
            function = self._facts.rules().function_of(target.key)
            if function is None:
                continue
            source = target.source_key or ""
            sources = documents if source == DOCUMENT_KEY else [row.get(source) for row in filled]
            texts = {
                at: text
                for at, text in enumerate(sources or ())
                if isinstance(text, str) and target.key not in filled[at]
            }
            if texts:
                vectors = embed_sparse_documents(function, list(texts.values()))
                for at, vector in zip(texts, vectors, strict=True):
                    filled[at][target.key] = vector
        return [row or None for row in filled]

    def embed_searches(self, searches: Sequence[SearchClauses], *, strict: bool = False) -> list[SearchClauses]:
        """Return searches whose text queries are replaced by vectors (spec 3.9); each text is embedded once.

        With a text among them, all are checked first: a search that is refused anyway should not cost an embedding.

        Raises:
            InvalidInputError: a key without a function, or a function that returns no vector per text.
            Exception: whatever the function raises.
        """
        from chroma_search.dsl.validation import check_search
        from chroma_search.front.text_queries import embedded, text_queries  # the language: 0.06 s

        texts: dict[str, dict[str, None]] = {}
        for search in searches:
            for knn in text_queries(search.rank):
                texts.setdefault(knn.key, {})[knn.query] = None
        if not texts:
            return list(searches)
        for search in searches:
            check_search(search, strict=strict)
        vectors = {key: self._query_vectors(key, list(queries)) for key, queries in texts.items()}
        return [replace(each, rank=None if each.rank is None else embedded(each.rank, vectors)) for each in searches]

    def _query_vectors(self, key: str, texts: list[str]) -> dict[str, Any]:
        sources = self._sources()
        function: Any = resolve_query_function(key, sources)
        named = None if key == EMBEDDING_KEY else sources.of_key(key)
        is_sparse = named is not None and function is named.sparse
        vectors: Sequence[Any] = embed_sparse_queries(function, texts) if is_sparse else embed_queries(function, texts)
        return dict(zip(texts, vectors, strict=True))

    def _sources(self) -> EmbeddingSources:
        return EmbeddingSources(given=self.given, configured=self.configured, of_key=self._of_key)

    def _of_key(self, key: str) -> KeyFunctions | None:
        rules = self._facts.rules()
        if not rules.has_key(key):
            return None
        if key in rules.sparse_keys:
            return KeyFunctions(sparse=rules.function_of(key))
        return KeyFunctions(dense=rules.function_of(key))

    def _fit(self, function: Any, documents: Sequence[Any]) -> None:
        """Fit a function that has not seen a corpus, and store its fitted form with the collection."""
        if getattr(function, "is_fitted", True) or not callable(getattr(function, "fit", None)):
            return
        with _fitting:
            if function.is_fitted:
                return
            function.fit(list(documents))
            facts = self._facts
            fitted = updated_configuration(facts.config, {"embedding_function": function})
            facts.store_function(fitted)
            facts.functions[facts.id] = RememberedFunction(fitted.embedding_function, function)

    def _matrix(self, vectors: Sequence[Any], *, is_finite: bool = True) -> Vectors:
        lengths = {len(vector) for vector in vectors}
        if len(lengths) > 1:
            raise InvalidArgumentError(
                f"Inconsistent dimensions: the embedding function returned vectors of {sorted(lengths)} numbers"
            )
        matrix = np.stack(list(vectors), dtype=np.float32)
        if is_finite:
            check_finite(matrix)
        return matrix
