"""Which filters a collection allows: well-formed ones, each test with its index switched on (spec 1.6, 2)."""

from __future__ import annotations

from typing import Any

from chroma_search.dsl import Where
from chroma_search.dsl.validation import check_where
from chroma_search.dsl.where import Comparison
from chroma_search.indexes.text.regex import check_regex
from chroma_search.planner.logical import walk
from chroma_search.schema.index_rules import IndexRules

MOST_KEPT = 64
"""Filters that a gate remembers."""
PLAIN = (str, int, float, bool)
"""Types of operands whose hash is sure to be known."""


class FilterGate:
    """Lets filters of one collection through, and remembers the commonest: one test, asked again by every search.

    Args:
        rules: which indexes are on.
    """

    def __init__(self, rules: IndexRules) -> None:
        self._rules = rules
        self._passed: dict[Where, None] = {}  # a search hashes its filter anyway, for its mask; a check takes 7 us

    def check(self, where: Where) -> None:
        """Refuse a filter that is not well-formed, or that `check_filterable` refuses.

        Raises:
            InvalidFilterError: what is wrong, and where.
        """
        is_plain = isinstance(where, Comparison) and type(where.key) is str and type(where.value) in PLAIN
        if is_plain and where in self._passed:
            return
        check_where(where, regex_check=check_regex)
        check_filterable(self._rules, where)
        if is_plain:
            if len(self._passed) >= MOST_KEPT:
                self._passed.clear()
            self._passed[where] = None


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
