"""Which records pass a filter (1, 2, with the T lines). How two values compare stands in `model/values.py`.

A positive test is false for a record without the key; its negative twin is the plain complement, so true (1.4).
"""

from __future__ import annotations

import re
from typing import Any

from chroma_search.dsl import where as w
from chroma_search.model.values import compares, equals, holds
from tests.oracle.record import Record


def matches(record: Record, where: w.Where) -> bool:
    """Tell whether a record passes."""
    match where:
        case w.And():
            return all(matches(record, each) for each in where.conditions)
        case w.Or():
            return any(matches(record, each) for each in where.conditions)
        case w.Not():  # ours
            return not matches(record, where.condition)
        case w.Exists():  # ours; a stored None is a missing key (1.4)
            return (record.value(where.key) is not None) is where.value
        case w.Contains(key="#document"):  # a part of the text, code point for code point (2)
            return record.document is not None and where.value in record.document
        case w.Contains(key="#id"):  # the whole id (1.6)
            return equals(record.id, where.value)
        case w.Contains():  # an element of a metadata array (1.5)
            return holds(record.value(where.key), where.value)
        case w.NotContains():
            return not matches(record, w.Contains(where.key, where.value))
        case w.Comparison():  # $eq $ne $gt $gte $lt $lte (1.3; ours: strings have an order)
            return compares(where.op, record.value(where.key), where.value)
        case w.In():
            return any(equals(record.value(where.key), each) for each in where.values)
        case w.Nin():
            return not matches(record, w.In(where.key, where.values))
        case w.Regex():  # ours: also on ids and metadata strings
            return is_found(where.pattern, record.value(where.key))
        case w.NotRegex():
            return not matches(record, w.Regex(where.key, where.pattern))
        case w.StringMatch():  # ours: false for arrays and all else that is no string
            stored, text = record.value(where.key), where.text
            if not isinstance(stored, str):
                return False
            if where.ignore_case:
                stored, text = stored.casefold(), text.casefold()
            ends = {"starts_with": stored.startswith(text), "ends_with": stored.endswith(text)}
            return {**ends, "substring": text in stored, "equals": text == stored}[where.test]
        case _:
            raise AssertionError(type(where).__name__)


FOREIGN = re.compile(r"\(\?(?:[=!>(]|<[=!]|P=)|.\(\?[a-z]*m|\\[1-9Z]|[*+?}]\+|\{,|\[\[|&&", re.DOTALL)
"""Spellings that Python's `re` reads in another way than our dialect (2), where it does not refuse them itself."""


def is_found(pattern: str, stored: Any) -> bool:
    """`$regex`: the pattern is found somewhere in a string (2); false for anything else."""
    if FOREIGN.search(pattern):
        raise ValueError(f"the oracle judges only patterns that mean the same in Python's re, not {pattern!r}")
    multiline, in_class, translated = re.match(r"\(\?[a-z]*m", pattern), False, ""
    for token in re.findall(r"\\.|.", pattern, re.DOTALL):
        in_class = token != "]" if in_class else token == "["
        # `$` and `\z` are the very end of the text; the `$` of `re` would also stop before a last line break.
        is_end = token == "\\z" or (token == "$" and not in_class and not multiline)
        translated += "\\Z" if is_end else token
    return isinstance(stored, str) and re.search(translated, stored) is not None


def document_filter(where_document: dict[str, Any]) -> w.Where:
    """Return the filter on `#document` that means the same as a `where_document` (2)."""
    ((op, operand),) = where_document.items()
    if op in ("$and", "$or"):
        return {"$and": w.And, "$or": w.Or}[op]([document_filter(each) for each in operand])
    return w.Where.from_dict({"#document": {op: operand}})
