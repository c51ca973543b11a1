"""Checks of filters: everything that is refused before a search runs, whichever spelling the filter came in.

Building a filter is lenient, as upstream (`Eq("a", None)` can be written); running it is not. Where upstream's client
and its engine disagree on what is allowed, we take what either takes, and mark the rest as ours (`strict=True` refuses
it). What this file lets pass has a meaning in `model/values.py`.
"""

from __future__ import annotations

from typing import Any

from chroma_search.dsl.checked_value import Place, RegexCheck, Rules, check_flag, check_scalar, check_text
from chroma_search.dsl.node import check_bounds
from chroma_search.dsl.where import (
    STRING_MATCHES,
    And,
    Comparison,
    Contains,
    Eq,
    Exists,
    Gt,
    Gte,
    In,
    Lt,
    Lte,
    Ne,
    Nin,
    Not,
    NotContains,
    NotRegex,
    Or,
    Regex,
    StringMatch,
    Where,
)
from chroma_search.errors import InvalidFilterError, WrongTypeError
from chroma_search.model.values import ValueClass, value_class

DOCUMENT = "#document"
DOCUMENT_TESTS = (Contains, NotContains, Regex, NotRegex, Exists, StringMatch)
"""Nodes that can test `#document`; it has no index of whole values."""


def check_where(where: Any, *, strict: bool = False, regex_check: RegexCheck | None = None) -> None:
    """Refuse a filter that has no meaning.

    Args:
        where: the filter, or None for no filter.
        strict: refuse what goes beyond Chroma's Search API as well.
        regex_check: called with every pattern; raises InvalidArgumentError for one that is no pattern.

    Raises:
        WrongTypeError: no filter; a key, operand or pattern of a wrong type.
        InvalidFilterError: an operand without meaning (NaN, null, an empty list, ...), a test that the key does not
            have, an operator of ours under `strict`, nested too deep.
    """
    if where is None:
        return
    place = Place("filter", InvalidFilterError)
    if not isinstance(where, Where):
        place.refuse_type("the filter", "a Where, its JSON or a text", where)
    check_bounds(where, "filter")
    check_condition(where, place, Rules(strict, regex_check))


def check_where_dict(where: Any, *, strict: bool = False, regex_check: RegexCheck | None = None) -> Where:
    """Return the filter that the JSON `where` of get, query or delete means, checked.

    Takes what upstream's client or its engine takes: one child under `$and` is enough, `$regex` may stand on any key.
    `{}` is refused, as upstream does (in a search it means no filter).

    Raises:
        WrongTypeError: no dict, a wrong type inside. It is a ValueError too, as upstream's client raises.
        InvalidFilterError: empty, an unknown operator, an operand without meaning.
    """
    if not isinstance(where, dict):
        raise WrongTypeError(f"Expected where to be a dict, got {type(where).__name__}")
    node = Where.from_dict(where)
    check_where(node, strict=strict, regex_check=regex_check)
    return node


def check_condition(node: Any, place: Place, rules: Rules) -> None:
    """Refuse a filter node that has no meaning; `place` is where it stands. Depth must have been checked."""
    match node:
        case And() | Or():
            if not node.conditions:
                place.refuse(f"{node.op} requires at least one condition")
            for at, each in enumerate(node.conditions):
                check_condition(each, place.at(f".{node.op}[{at}]"), rules)
        case Not():
            place.refuse_ours("$not", rules)
            check_condition(node.condition, place.at(".$not"), rules)
        case Comparison() | In() | Nin() | Regex() | NotRegex() | StringMatch():
            _check_key(node.key, place)
            _check_test(node, place.at(f".{node.key}"), rules)
        case _:
            place.refuse_type("a condition", "a filter such as K('year') > 2020", node)


def _check_key(key: Any, place: Place) -> None:
    check_text(key, "a field name", place)
    if key.startswith("$"):
        place.refuse(f"a field name cannot begin with '$', got '{key[:40]}' (operators are And, Or and Not nodes)")


def _check_test(node: Any, place: Place, rules: Rules) -> None:
    if node.key == DOCUMENT and not isinstance(node, DOCUMENT_TESTS):
        place.refuse(
            f"{node.op} cannot test #document: it has $contains, $not_contains, $regex, $not_regex and, ours, "
            f"$exists, {', '.join(STRING_MATCHES)}"
        )
    match node:
        case Eq() | Ne():
            if isinstance(node.value, (list, tuple)):
                other = "$in" if isinstance(node, Eq) else "$nin"
                kind = type(node.value).__name__
                raise WrongTypeError(
                    f"the operand of {node.op} must be a str, int, float or bool, got {kind}: use {other} to find "
                    f"{'one' if other == '$in' else 'none'} of several values (at {place.path})"
                )
            check_scalar(node.value, f"the operand of {node.op}", place)
        case Gt() | Gte() | Lt() | Lte():
            _check_bound(node, place, rules)
        case In() | Nin():
            _check_members(node, place, rules)
        case Contains() | NotContains():
            if node.key == DOCUMENT:
                check_text(node.value, f"{node.op} on #document", place)
            check_scalar(node.value, f"the operand of {node.op}", place)
        case Exists():
            check_flag(node.value, "$exists", place)
            place.refuse_ours("$exists", rules)
        case Regex() | NotRegex():
            check_text(node.pattern, f"the pattern of {node.op}", place)
            if node.key != DOCUMENT:
                place.refuse_ours(f"{node.op} on a key other than #document", rules)
            if rules.regex_check is not None:
                rules.regex_check(node.pattern)
        case StringMatch():
            check_text(node.text, f"the text of {node.op}", place)
            place.refuse_ours(node.op, rules)
        case _:
            place.refuse_type("a condition", "one of the package's filters", node)


def _check_bound(node: Gt | Gte | Lt | Lte, place: Place, rules: Rules) -> None:
    check_scalar(node.value, f"the operand of {node.op}", place)
    if isinstance(node.value, bool):
        place.refuse(f"{node.op} needs a number or a string, got a bool: booleans have no order, use $eq")
    if isinstance(node.value, str):
        place.refuse_ours(f"{node.op} with a string", rules)


def _check_members(node: In | Nin, place: Place, rules: Rules) -> None:
    values = node.values
    if not isinstance(values, tuple):
        place.refuse_type(f"the operand of {node.op}", "a list", values)
    if not values:
        place.refuse(f"{node.op} needs at least one value, got an empty list")
    for value in values:
        check_scalar(value, f"a value of {node.op}", place)
    kinds = {value_class(value) for value in values}
    if len(kinds) > 1:
        words = " and ".join(sorted(_WORDS[kind] for kind in kinds))
        place.refuse(f"{node.op} needs values of one type, got {words}: join two tests with $or")
    types = [type(value) for value in values if not isinstance(value, (bool, str))]
    if types and issubclass(types[0], int) and not all(issubclass(each, int) for each in types):
        place.refuse_ours(f"{node.op} with an int first and floats after it", rules)


_WORDS = {ValueClass.BOOL: "booleans", ValueClass.NUMBER: "numbers", ValueClass.STR: "strings"}
