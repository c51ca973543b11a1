"""The forms in which a search is asked and answered: from a caller's search to clauses, from columns to `SearchResult`.

Not for: checking what a search means (`dsl/validation.py`), embedding its texts (`embedding.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chroma_search.dsl import Search, SearchClauses
from chroma_search.errors import InvalidInputError, WrongTypeError
from chroma_search.front.metadata_input import own_metadatas
from chroma_search.model.results import SearchResult
from chroma_search.requests import Found

SearchForm = Search | str | Mapping[str, Any]
"""A search: a `Search`, or (ours) its text or its JSON."""


def as_clauses(searches: Any, params: Mapping[str, Any] | None) -> list[SearchClauses]:
    """Return one search or a list of them as clauses.

    Args:
        searches: each a `Search`, a text or JSON.
        params: values of the `$name` parameters of texts.

    Raises:
        WrongTypeError: something that is no search.
        InvalidInputError: a text or JSON that is not valid, parameters without a text.
    """
    given: list[Any] = list(searches) if isinstance(searches, (list, tuple)) else [searches]
    if params is not None and not any(isinstance(each, str) for each in given):
        raise InvalidInputError("params= are the values of a text search: there is no text among the searches")
    return [_as_clauses(each, params) for each in given]


def search_result(searches: Sequence[SearchClauses], answers: Sequence[Found]) -> SearchResult:
    """Return the answers in upstream's shape, an entry per search in each column."""
    return SearchResult(
        ids=[each.ids for each in answers],
        documents=[each.documents for each in answers],
        # Lists, not arrays: a search result can be written as JSON.
        embeddings=[None if each.embeddings is None else each.embeddings.tolist() for each in answers],
        metadatas=[own_metadatas(each.metadatas) for each in answers],
        scores=[each.scores for each in answers],
        select=[each.select.echo() for each in searches],
    )


def _as_clauses(search: Any, params: Mapping[str, Any] | None) -> SearchClauses:
    if isinstance(search, Search):
        return search.clauses
    if isinstance(search, str):
        return Search.from_text(search, params).clauses
    if isinstance(search, dict):
        return Search.from_dict(search).clauses
    raise WrongTypeError(f"a search must be a Search, a text or a dict, got {type(search).__name__}")
