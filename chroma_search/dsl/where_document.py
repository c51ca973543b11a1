"""`where_document`: filters on the document alone, without a key, as get, query and delete take them.

They become ordinary filters on `#document` here, so that nothing behind this file knows them. `{"$contains": "fox"}`
means `{"#document": {"$contains": "fox"}}`.
"""

from __future__ import annotations

from typing import Any

from chroma_search.dsl.checked_value import RegexCheck
from chroma_search.dsl.node import MAX_DEPTH
from chroma_search.dsl.where import STRING_MATCHES, And, Contains, Exists, Not, NotContains, NotRegex, Or, Regex, Where
from chroma_search.dsl.where_validation import DOCUMENT, check_where
from chroma_search.errors import InvalidFilterError, WrongTypeError

_TEXT_TESTS: dict[str, Any] = {each.op: each for each in (Contains, NotContains, Regex, NotRegex)} | STRING_MATCHES
_OPERATORS = (*_TEXT_TESTS, "$exists", "$and", "$or", "$not")


def where_document_to_where(data: Any) -> Where:
    """Return the filter on `#document` that the JSON of `where_document` means.

    Raises:
        WrongTypeError: no dict, a list where none may stand, an operand that is no string.
        InvalidFilterError: not exactly one operator, an unknown one, an empty operand or list, nested too deep.
    """
    return _decode(data, "where_document", 0)


def check_where_document(where: Any, *, strict: bool = False, regex_check: RegexCheck | None = None) -> None:
    """Refuse a filter that `where_document` cannot be: as `check_where`, and only non-empty tests of `#document`.

    Raises:
        WrongTypeError, InvalidFilterError: see `check_where`.
    """
    check_where(where, strict=strict, regex_check=regex_check)
    stack = [] if where is None else [where]
    while stack:
        node = stack.pop()
        if isinstance(node, (And, Or, Not)):
            stack.extend(node.children())
        elif node.key != DOCUMENT:
            raise InvalidFilterError("where_document tests the document only: move this test to where", path=node.key)
        elif not isinstance(node, Exists) and not _needle(node):
            raise InvalidFilterError(f"{node.op} needs a non-empty string", path="where_document")


def check_where_document_dict(data: Any, *, strict: bool = False, regex_check: RegexCheck | None = None) -> Where:
    """Return the filter that the JSON `where_document` of get, query or delete means, checked.

    Raises:
        WrongTypeError, InvalidFilterError: see `where_document_to_where` and `check_where`. Always a ValueError.
    """
    node = where_document_to_where(data)
    check_where_document(node, strict=strict, regex_check=regex_check)
    return node


def _needle(node: Any) -> str:
    match node:
        case Contains() | NotContains():
            return node.value
        case Regex() | NotRegex():
            return node.pattern
        case _:
            return node.text


def _decode(data: Any, path: str, depth: int) -> Where:
    if not isinstance(data, dict):
        raise WrongTypeError(f"Expected where_document to be a dict, got {type(data).__name__} (at {path})")
    if depth > MAX_DEPTH:
        raise InvalidFilterError(f"where_document is nested more than {MAX_DEPTH} levels deep", path=path[:80])
    if len(data) != 1:
        raise InvalidFilterError(
            f"where_document must contain exactly one operator, got {len(data)}: join two with '$and'", path=path
        )
    op, operand = next(iter(data.items()))
    if op in ("$and", "$or"):
        return _decode_logical(And if op == "$and" else Or, operand, f"{path}.{op}", depth)
    if op == "$not":
        return Not(_decode(operand, f"{path}.$not", depth + 1))
    if op == "$exists":
        return Exists(DOCUMENT, operand)
    if op not in _TEXT_TESTS:
        from chroma_search.dsl.suggest import unknown  # loads difflib

        raise InvalidFilterError(
            f"Unknown operator: {unknown(op, _OPERATORS)} (one of {', '.join(_OPERATORS)})", path=path
        )
    if not isinstance(operand, str):
        raise WrongTypeError(f"{op} requires a string, got {type(operand).__name__} (at {path})")
    if not operand:
        raise InvalidFilterError(f"{op} needs a non-empty string", path=path)
    return _TEXT_TESTS[op](DOCUMENT, operand)


def _decode_logical(kind: type[And | Or], parts: Any, path: str, depth: int) -> Where:
    if not isinstance(parts, list):
        raise WrongTypeError(f"{kind.op} must be a list, got {type(parts).__name__} (at {path})")
    if not parts:
        raise InvalidFilterError(f"{kind.op} requires at least one condition", path=path)
    decoded = [_decode(part, f"{path}[{at}]", depth + 1) for at, part in enumerate(parts)]
    if len(decoded) == 1:
        return decoded[0]
    flat = (leaf for part in decoded for leaf in (part.conditions if isinstance(part, kind) else (part,)))
    return kind(tuple(flat))
