"""Filters: the nodes of `where`, their Python operators and their JSON.

One class per operator, upstream's names. Building is lenient, as upstream: `Eq("a", None)` can be written, and is
refused when a search is checked (`validation.py`). What each operator means stands in `model/values.py` and
`docs/language.md`. Operators marked *ours* go beyond upstream and are refused by `strict=True`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from chroma_search.dsl.node import MAX_DEPTH, Node
from chroma_search.errors import InvalidFilterError, WrongTypeError


@dataclass(frozen=True, eq=False, slots=True)
class Where(Node):
    """A condition on records. Combine with `&`, `|` and (ours) `~`.

    >>> from chroma_search import K
    >>> ((K("year") >= 2024) & (K("lang") == "en")).to_dict()
    {'$and': [{'year': {'$gte': 2024}}, {'lang': {'$eq': 'en'}}]}
    """

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; operators are always explicit."""
        raise AssertionError(type(self).__name__)

    @staticmethod
    def from_dict(data: Any) -> Where:
        """Read the JSON form; `{"key": value}` is short for `$eq`.

        Raises:
            WrongTypeError: not a dict, a key that is no string, a list where none may stand.
            InvalidFilterError: empty, two keys in one dict, an unknown operator, nested too deep.
        """
        return _decode(data, "filter", 0)

    def __and__(self, other: Where) -> And:
        return And(_operands(And, self) + _operands(And, _checked(other)))

    def __or__(self, other: Where) -> Or:
        return Or(_operands(Or, self) + _operands(Or, _checked(other)))

    def __invert__(self) -> Where:
        return Not(self)


@dataclass(frozen=True, eq=False, slots=True)
class _Logical(Where):
    """`$and` or `$or` of conditions."""

    conditions: Sequence[Where]
    op: ClassVar[str] = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "conditions", tuple(self.conditions))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {self.op: [each.to_dict() for each in self.conditions]}


@dataclass(frozen=True, eq=False, slots=True)
class And(_Logical):
    """All conditions hold."""

    op: ClassVar[str] = "$and"


@dataclass(frozen=True, eq=False, slots=True)
class Or(_Logical):
    """At least one condition holds."""

    op: ClassVar[str] = "$or"


@dataclass(frozen=True, eq=False, slots=True)
class Not(Where):
    """The condition does not hold, records without the key included (ours)."""

    condition: Where
    op: ClassVar[str] = "$not"

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"$not": self.condition.to_dict()}


@dataclass(frozen=True, eq=False, slots=True)
class Comparison(Where):
    """A test of one key against one operand; `op` is its JSON name."""

    key: str
    value: Any
    op: ClassVar[str] = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {self.key: {self.op: self.value}}


@dataclass(frozen=True, eq=False, slots=True)
class Eq(Comparison):
    """The value equals the operand."""

    op: ClassVar[str] = "$eq"


@dataclass(frozen=True, eq=False, slots=True)
class Ne(Comparison):
    """The value differs from the operand or is missing."""

    op: ClassVar[str] = "$ne"


@dataclass(frozen=True, eq=False, slots=True)
class Gt(Comparison):
    """The value is greater: number with number; ours: string with string."""

    op: ClassVar[str] = "$gt"


@dataclass(frozen=True, eq=False, slots=True)
class Gte(Comparison):
    """The value is greater or equal."""

    op: ClassVar[str] = "$gte"


@dataclass(frozen=True, eq=False, slots=True)
class Lt(Comparison):
    """The value is less."""

    op: ClassVar[str] = "$lt"


@dataclass(frozen=True, eq=False, slots=True)
class Lte(Comparison):
    """The value is less or equal."""

    op: ClassVar[str] = "$lte"


@dataclass(frozen=True, eq=False, slots=True)
class Contains(Comparison):
    """On `#document`: the text contains the string. On metadata: the array holds the value."""

    op: ClassVar[str] = "$contains"


@dataclass(frozen=True, eq=False, slots=True)
class NotContains(Comparison):
    """The complement of `$contains`, records without the key included."""

    op: ClassVar[str] = "$not_contains"


@dataclass(frozen=True, eq=False, slots=True)
class Exists(Comparison):
    """The key is present (`True`) or absent (`False`) (ours)."""

    value: bool = True
    op: ClassVar[str] = "$exists"


@dataclass(frozen=True, eq=False, slots=True)
class _Membership(Where):
    """A test of one key against a list of operands."""

    key: str
    values: Sequence[Any]
    op: ClassVar[str] = ""

    def __post_init__(self) -> None:
        if isinstance(self.values, (list, tuple, set, frozenset)):
            object.__setattr__(self, "values", tuple(self.values))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {self.key: {self.op: list(self.values)}}


@dataclass(frozen=True, eq=False, slots=True)
class In(_Membership):
    """The value equals one of the operands."""

    op: ClassVar[str] = "$in"


@dataclass(frozen=True, eq=False, slots=True)
class Nin(_Membership):
    """The value equals none of the operands or is missing."""

    op: ClassVar[str] = "$nin"


@dataclass(frozen=True, eq=False, slots=True)
class _Pattern(Where):
    """A regular expression on a document or a string value."""

    key: str
    pattern: str
    op: ClassVar[str] = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {self.key: {self.op: self.pattern}}


@dataclass(frozen=True, eq=False, slots=True)
class Regex(_Pattern):
    """The pattern is found somewhere in the string (dialect: docs/regex.md)."""

    op: ClassVar[str] = "$regex"


@dataclass(frozen=True, eq=False, slots=True)
class NotRegex(_Pattern):
    """The complement of `$regex`, records without the key included."""

    op: ClassVar[str] = "$not_regex"


@dataclass(frozen=True, eq=False, slots=True)
class StringMatch(Where):
    """A test of a document, an id or a string value (ours)."""

    key: str
    text: str
    op: ClassVar[str] = ""
    test: ClassVar[str] = ""
    ignore_case: ClassVar[bool] = False

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {self.key: {self.op: self.text}}


@dataclass(frozen=True, eq=False, slots=True)
class Substring(StringMatch):
    """The string contains the text (ours; on metadata, where `$contains` is array membership)."""

    op: ClassVar[str] = "$substring"
    test: ClassVar[str] = "substring"


@dataclass(frozen=True, eq=False, slots=True)
class StartsWith(StringMatch):
    """The string begins with the text (ours)."""

    op: ClassVar[str] = "$starts_with"
    test: ClassVar[str] = "starts_with"


@dataclass(frozen=True, eq=False, slots=True)
class EndsWith(StringMatch):
    """The string ends with the text (ours)."""

    op: ClassVar[str] = "$ends_with"
    test: ClassVar[str] = "ends_with"


@dataclass(frozen=True, eq=False, slots=True)
class ISubstring(StringMatch):
    """As `$substring`, case ignored (Unicode case folding; ours)."""

    op: ClassVar[str] = "$isubstring"
    test: ClassVar[str] = "substring"
    ignore_case: ClassVar[bool] = True


@dataclass(frozen=True, eq=False, slots=True)
class IStartsWith(StringMatch):
    """As `$starts_with`, case ignored (ours)."""

    op: ClassVar[str] = "$istarts_with"
    test: ClassVar[str] = "starts_with"
    ignore_case: ClassVar[bool] = True


@dataclass(frozen=True, eq=False, slots=True)
class IEndsWith(StringMatch):
    """As `$ends_with`, case ignored (ours)."""

    op: ClassVar[str] = "$iends_with"
    test: ClassVar[str] = "ends_with"
    ignore_case: ClassVar[bool] = True


@dataclass(frozen=True, eq=False, slots=True)
class IEquals(StringMatch):
    """The string equals the text, case ignored (ours)."""

    op: ClassVar[str] = "$ieq"
    test: ClassVar[str] = "equals"
    ignore_case: ClassVar[bool] = True


_COMPARISONS: dict[str, type[Comparison]] = {each.op: each for each in (Eq, Ne, Gt, Gte, Lt, Lte)}
_MEMBERSHIPS: dict[str, type[_Membership]] = {each.op: each for each in (In, Nin)}
_ELEMENTS: dict[str, type[Comparison]] = {each.op: each for each in (Contains, NotContains)}
_PATTERNS: dict[str, type[_Pattern]] = {each.op: each for each in (Regex, NotRegex)}
STRING_MATCHES: dict[str, type[StringMatch]] = {
    each.op: each for each in (Substring, StartsWith, EndsWith, ISubstring, IStartsWith, IEndsWith, IEquals)
}
FILTER_OPERATORS = (*_COMPARISONS, *_MEMBERSHIPS, *_ELEMENTS, *_PATTERNS, "$exists", *STRING_MATCHES)
OURS = (Not, Exists, StringMatch)
"""Filter nodes that upstream does not have."""


def _checked(other: object) -> Where:
    if not isinstance(other, Where):
        raise WrongTypeError(
            f"a filter combines with another filter, got {type(other).__name__}: put comparisons in parentheses, "
            'as in (K("a") == 1) & (K("b") > 2)'
        )
    return other


def _operands(kind: type[_Logical], side: Where) -> tuple[Where, ...]:
    return tuple(side.conditions) if isinstance(side, kind) else (side,)


def _decode(data: Any, path: str, depth: int) -> Where:
    if not isinstance(data, dict):
        raise WrongTypeError(f"Expected dict for Where, got {type(data).__name__} (at {path})")
    if depth > MAX_DEPTH:
        raise InvalidFilterError(f"the filter is nested more than {MAX_DEPTH} levels deep: flatten it", path=path[:80])
    if not data:
        raise InvalidFilterError("Where dict cannot be empty", path=path)
    for op, kind in (("$and", And), ("$or", Or)):
        if op in data:
            return _decode_logical(data, kind, path, depth)
    if len(data) != 1:
        names = ", ".join(sorted(map(repr, data))[:3])
        raise InvalidFilterError(
            f"Where dict must contain exactly one field, got {len(data)} ({names}): join them with '$and'", path=path
        )
    key, condition = next(iter(data.items()))
    if not isinstance(key, str):
        raise WrongTypeError(f"Field name must be a string, got {type(key).__name__} (at {path})")
    if key == "$not":
        return Not(_decode(condition, f"{path}.$not", depth + 1))
    if key.startswith("$"):
        from chroma_search.dsl.suggest import unknown  # loads difflib

        shown = unknown(key, ("$and", "$or", "$not"))
        raise InvalidFilterError(f"Unknown operator: {shown} (a field, '$and', '$or' or '$not' stands here)", path=path)
    if not isinstance(condition, dict):
        return Eq(key, condition)
    return _decode_test(key, condition, f"{path}.{key}")


def _decode_logical(data: dict[Any, Any], kind: type[_Logical], path: str, depth: int) -> Where:
    op = kind.op
    parts = data[op]
    if not isinstance(parts, list):
        raise WrongTypeError(f"{op} must be a list, got {type(parts).__name__} (at {path})")
    if not parts:
        raise InvalidFilterError(f"{op} requires at least one condition", path=path)
    if len(data) > 1:
        raise InvalidFilterError(f"{op} cannot be combined with other fields in the same dict", path=path)
    decoded = [_decode(part, f"{path}.{op}[{at}]", depth + 1) for at, part in enumerate(parts)]
    if len(decoded) == 1:
        return decoded[0]
    return kind(tuple(leaf for part in decoded for leaf in _operands(kind, part)))


def _decode_test(key: str, condition: dict[Any, Any], path: str) -> Where:
    if not condition:
        raise InvalidFilterError(f"Operator dict for field '{key}' cannot be empty", path=path)
    if len(condition) != 1:
        raise InvalidFilterError(
            f"Operator dict for field '{key}' must contain exactly one operator: join two tests with '$and'", path=path
        )
    op, value = next(iter(condition.items()))
    if op in _COMPARISONS:
        return _COMPARISONS[op](key, value)
    if op in _MEMBERSHIPS:
        if not isinstance(value, list):
            raise WrongTypeError(f"{op} requires a list, got {type(value).__name__} (at {path})")
        return _MEMBERSHIPS[op](key, tuple(value))
    if op in _ELEMENTS:
        if not isinstance(value, (str, int, float, bool)):
            raise WrongTypeError(f"{op} requires a str, int, float, or bool, got {type(value).__name__} (at {path})")
        if key == "#document" and not isinstance(value, str):
            raise WrongTypeError(f"{op} on #document requires a string pattern, got {type(value).__name__}")
        return _ELEMENTS[op](key, value)
    if op == "$exists":
        if not isinstance(value, bool):
            raise WrongTypeError(f"$exists requires true or false, got {type(value).__name__} (at {path})")
        return Exists(key, value)
    if op in _PATTERNS or op in STRING_MATCHES:
        if not isinstance(value, str):
            raise WrongTypeError(f"{op} requires a string pattern, got {type(value).__name__} (at {path})")
        return _PATTERNS[op](key, value) if op in _PATTERNS else STRING_MATCHES[op](key, value)
    from chroma_search.dsl.suggest import unknown  # loads difflib

    shown = unknown(op, FILTER_OPERATORS)
    raise InvalidFilterError(f"Unknown operator: {shown} (one of {', '.join(FILTER_OPERATORS)})", path=path)
