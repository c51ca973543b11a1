"""Which filters a collection allows: well-formed ones, each test with its index switched on (spec 1.6, 2)."""

from __future__ import annotations

from typing import Any

from chroma_search.dsl import Where
from chroma_search.dsl.validation import check_where
from chroma_search.indexes.text.regex import check_regex
from chroma_search.planner.logical import walk
from chroma_search.schema.index_rules import IndexRules


def check_filter(rules: IndexRules, where: Where) -> None:
    """Refuse a filter that is not well-formed, or that `check_filterable` refuses.

    Raises:
        InvalidFilterError: what is wrong, and where.
    """
    check_where(where, regex_check=check_regex)
    check_filterable(rules, where)


def check_filterable(rules: IndexRules, where: Where) -> None:
    """Refuse a filter that names a key whose index is switched off for the operand's type, at any depth.

    Raises:
        InvalidFilterError: names key and type.
    """
    for node in walk(where):
        key: str | None = getattr(node, "key", None)
        if key is None:
            continue
        if key == "#document":
            rules.check_text_filter()
        else:
            rules.check_filter(key, _operand(node))


def _operand(node: Any) -> object:
    for name in ("value", "values", "pattern", "text"):
        if hasattr(node, name):
            return getattr(node, name)
    return None
