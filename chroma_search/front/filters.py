"""The filters of `get`, `query` and `delete`: `where` and `where_document` become one condition.

A filter is a dict, as with Chroma, or (ours) a text such as `"year >= 2024"` or a `Where`. What the operators may be
compared with is checked by the engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chroma_search.errors import InvalidInputError

if TYPE_CHECKING:
    from chroma_search.dsl import Where


def read_filter(where: Any, where_document: Any) -> Where | None:
    """Return both filters, joined by AND, as one condition; None when neither is given.

    Raises:
        WrongTypeError, InvalidInputError: a filter that is none. Always a ValueError.
    """
    if where is None and where_document is None:
        return None
    from chroma_search.dsl import And  # the language takes 0.06 s, which a query without a filter does not need
    from chroma_search.dsl.search import as_where

    found = as_where(where)
    if where_document is None:
        return found
    on_document = _document_filter(where_document)
    return on_document if found is None else And((found, on_document))


def _document_filter(where_document: Any) -> Where:
    if isinstance(where_document, str):
        from chroma_search.dsl.parser import parse_where_document  # loads lark

        return parse_where_document(where_document)
    from chroma_search.dsl import Where  # loaded already
    from chroma_search.dsl.where_document import where_document_to_where

    if isinstance(where_document, Where):
        raise InvalidInputError("where_document is a dict or a text: pass a Where as where=")
    return where_document_to_where(where_document)
