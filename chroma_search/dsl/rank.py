"""Rank expressions: what gives a record its score, lower is better. Arithmetic nodes, Python operators, JSON.

The leaves stand in `leaves.py` and fusion in `rrf.py`. Every expression has a *support* (the records it scores) and
perhaps a *default* (its value for other records); `planner/operators/rank.py` evaluates both, docs/language.md
explains them. A new function of one rank is one class here (`Unary`) and one line in the evaluator's table (and in the
oracle's): JSON, text language and printer find the class in `RANK_NODES` by its `op`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from chroma_search.dsl.checked_value import mending
from chroma_search.dsl.node import MAX_DEPTH, Named, Node
from chroma_search.dsl.where import Where
from chroma_search.errors import InvalidRankError, WrongTypeError

RANK_NODES: dict[str, type[Rank]] = {}
"""Every rank node by its JSON operator."""


@dataclass(frozen=True, eq=False, slots=True)
class Rank(Node):
    """A rank expression. Combine with `+ - * /`, `abs()`, `.exp() .log() .sqrt() .pow() .min() .max()`.

    >>> from chroma_search import Knn
    >>> (Knn([1.0, 2.0]) * 0.5 + 1).to_dict()["$sum"][1]
    {'$val': 1}
    """

    op: ClassVar[str] = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        if cls.op:
            RANK_NODES[cls.op] = cls

    def to_dict(self, *, expand_rrf: bool = True) -> dict[str, Any]:
        """Return the JSON form.

        Args:
            expand_rrf: write `Rrf` as arithmetic, as upstream does; False keeps our `$rrf` node.
        """
        return {self.op: self._body(expand_rrf)}

    def _body(self, expand_rrf: bool) -> Any:
        raise AssertionError(type(self).__name__)

    @classmethod
    def decode(cls, body: Any, path: str, depth: int) -> Rank:
        """Build the node from what stands behind its operator in JSON."""
        raise AssertionError(cls.__name__)

    @staticmethod
    def from_dict(data: Any) -> Rank:
        """Read the JSON form.

        Raises:
            WrongTypeError: a value of the wrong type.
            InvalidRankError: empty, two operators, an unknown one, a missing field, nested too deep.
        """
        return decode_rank(data, "rank", 0)

    def __add__(self, other: Operand) -> Rank:
        return Sum(_flat(Sum, self) + _flat(Sum, as_rank(other)))

    def __radd__(self, other: Operand) -> Rank:
        return as_rank(other) + self

    def __sub__(self, other: Operand) -> Rank:
        return Sub(self, as_rank(other))

    def __rsub__(self, other: Operand) -> Rank:
        return Sub(as_rank(other), self)

    def __mul__(self, other: Operand) -> Rank:
        return Mul(_flat(Mul, self) + _flat(Mul, as_rank(other)))

    def __rmul__(self, other: Operand) -> Rank:
        return as_rank(other) * self

    def __truediv__(self, other: Operand) -> Rank:
        return Div(self, as_rank(other))

    def __rtruediv__(self, other: Operand) -> Rank:
        return Div(as_rank(other), self)

    def __neg__(self) -> Rank:
        return Mul((Val(-1), self))

    def __abs__(self) -> Rank:
        return Abs(self)

    def __pow__(self, other: Operand) -> Rank:
        return Pow(self, as_rank(other))

    def abs(self) -> Rank:
        """Return |rank|."""
        return Abs(self)

    def exp(self) -> Rank:
        """Return e to the rank."""
        return Exp(self)

    def log(self) -> Rank:
        """Return the natural logarithm: -inf at 0, NaN below."""
        return Log(self)

    def sqrt(self) -> Rank:
        """Return the square root, NaN below 0 (ours)."""
        return Sqrt(self)

    def pow(self, exponent: Operand) -> Rank:
        """Return the rank to the power of `exponent` (ours)."""
        return Pow(self, as_rank(exponent))

    def max(self, other: Operand) -> Rank:
        """Return the larger of the two, record by record; a NaN operand is ignored."""
        return Max(_flat(Max, self) + _flat(Max, as_rank(other)))

    def min(self, other: Operand) -> Rank:
        """Return the smaller of the two, record by record; a NaN operand is ignored."""
        return Min(_flat(Min, self) + _flat(Min, as_rank(other)))


Operand = Rank | Named | int | float


@dataclass(frozen=True, eq=False, slots=True)
class Val(Rank):
    """A constant: supports no record, defaults to `value` for all."""

    value: float
    op: ClassVar[str] = "$val"

    def _body(self, expand_rrf: bool) -> Any:
        return self.value

    @classmethod
    def decode(cls, body: Any, path: str, depth: int) -> Rank:
        """Read a number."""
        if not isinstance(body, (int, float)):
            raise WrongTypeError(f"$val requires a number, got {type(body).__name__} (at {path})")
        return cls(body)


@dataclass(frozen=True, eq=False, slots=True)
class Field(Rank):
    """The number under a metadata field as a score; what `K("views")` becomes inside a rank (ours).

    Args:
        key: metadata field; records whose value is a number are supported.
        default: value for other records, or None.
    """

    key: str
    default: float | None = None
    op: ClassVar[str] = "$field"

    def _body(self, expand_rrf: bool) -> Any:
        return {"key": self.key} if self.default is None else {"key": self.key, "default": self.default}

    @classmethod
    def decode(cls, body: Any, path: str, depth: int) -> Rank:
        """Read `{"key": name, "default": number}`."""
        fields = decode_fields(body, cls.op, {"key": str, "default": (int, float)}, ("key",), path)
        return cls(**fields)


@dataclass(frozen=True, eq=False, slots=True)
class _Nary(Rank):
    """A left fold over two or more ranks."""

    ranks: Sequence[Rank]

    def __post_init__(self) -> None:
        object.__setattr__(self, "ranks", tuple(self.ranks))

    def _body(self, expand_rrf: bool) -> Any:
        return [each.to_dict(expand_rrf=expand_rrf) for each in self.ranks]

    @classmethod
    def decode(cls, body: Any, path: str, depth: int) -> Rank:
        """Read a list of two or more ranks; same-kind children are flattened."""
        if not isinstance(body, (list, tuple)):
            raise WrongTypeError(f"{cls.op} requires a list, got {type(body).__name__} (at {path})")
        if len(body) < 2:
            raise InvalidRankError(f"{cls.op} requires at least 2 ranks, got {len(body)}", path=path)
        decoded = [decode_rank(each, f"{path}[{at}]", depth + 1) for at, each in enumerate(body)]
        return cls(tuple(leaf for each in decoded for leaf in _flat(cls, each)))


@dataclass(frozen=True, eq=False, slots=True)
class Sum(_Nary):
    """Sum of ranks."""

    op: ClassVar[str] = "$sum"


@dataclass(frozen=True, eq=False, slots=True)
class Mul(_Nary):
    """Product of ranks."""

    op: ClassVar[str] = "$mul"


@dataclass(frozen=True, eq=False, slots=True)
class Max(_Nary):
    """Largest of ranks, record by record."""

    op: ClassVar[str] = "$max"


@dataclass(frozen=True, eq=False, slots=True)
class Min(_Nary):
    """Smallest of ranks, record by record."""

    op: ClassVar[str] = "$min"


@dataclass(frozen=True, eq=False, slots=True)
class _Binary(Rank):
    """A function of two ranks."""

    left: Rank
    right: Rank

    def _body(self, expand_rrf: bool) -> Any:
        return {"left": self.left.to_dict(expand_rrf=expand_rrf), "right": self.right.to_dict(expand_rrf=expand_rrf)}

    @classmethod
    def decode(cls, body: Any, path: str, depth: int) -> Rank:
        """Read `{"left": rank, "right": rank}`."""
        if not isinstance(body, dict):
            raise WrongTypeError(
                f"{cls.op} requires a dict with 'left' and 'right', got {type(body).__name__} (at {path})"
            )
        if "left" not in body or "right" not in body:
            raise InvalidRankError(f"{cls.op} requires 'left' and 'right' fields", path=path)
        return cls(*(decode_rank(body[side], f"{path}.{side}", depth + 1) for side in ("left", "right")))


@dataclass(frozen=True, eq=False, slots=True)
class Sub(_Binary):
    """Left minus right."""

    op: ClassVar[str] = "$sub"


@dataclass(frozen=True, eq=False, slots=True)
class Div(_Binary):
    """Left over right; by zero gives an infinity or NaN, never an error."""

    op: ClassVar[str] = "$div"


@dataclass(frozen=True, eq=False, slots=True)
class Pow(_Binary):
    """Left to the power of right (ours)."""

    op: ClassVar[str] = "$pow"


@dataclass(frozen=True, eq=False, slots=True)
class Unary(Rank):
    """A function of one rank."""

    rank: Rank

    def _body(self, expand_rrf: bool) -> Any:
        return self.rank.to_dict(expand_rrf=expand_rrf)

    @classmethod
    def decode(cls, body: Any, path: str, depth: int) -> Rank:
        """Read one rank."""
        if not isinstance(body, dict):
            raise WrongTypeError(f"{cls.op} requires a rank dict, got {type(body).__name__} (at {path})")
        return cls(decode_rank(body, path, depth + 1))


@dataclass(frozen=True, eq=False, slots=True)
class Abs(Unary):
    """Absolute value."""

    op: ClassVar[str] = "$abs"


@dataclass(frozen=True, eq=False, slots=True)
class Exp(Unary):
    """e to the rank."""

    op: ClassVar[str] = "$exp"


@dataclass(frozen=True, eq=False, slots=True)
class Log(Unary):
    """Natural logarithm."""

    op: ClassVar[str] = "$log"


@dataclass(frozen=True, eq=False, slots=True)
class Sqrt(Unary):
    """Square root (ours)."""

    op: ClassVar[str] = "$sqrt"


@dataclass(frozen=True, eq=False, slots=True)
class If(Rank):
    """`then` for records that match `condition`, `otherwise` for the rest (ours).

    Supports every record that passes the search's filter and for which the chosen branch has a value; no default.
    """

    condition: Where
    then: Rank
    otherwise: Rank
    op: ClassVar[str] = "$if"

    def __post_init__(self) -> None:
        if not isinstance(self.condition, Where):
            raise WrongTypeError(f"If needs a filter as its condition, got {type(self.condition).__name__}")
        object.__setattr__(self, "then", as_rank(self.then))
        object.__setattr__(self, "otherwise", as_rank(self.otherwise))

    def _body(self, expand_rrf: bool) -> Any:
        return {
            "condition": self.condition.to_dict(),
            "then": self.then.to_dict(expand_rrf=expand_rrf),
            "else": self.otherwise.to_dict(expand_rrf=expand_rrf),
        }

    @classmethod
    def decode(cls, body: Any, path: str, depth: int) -> Rank:
        """Read `{"condition": filter, "then": rank, "else": rank}`."""
        fields = decode_fields(
            body, cls.op, {"condition": dict, "then": dict, "else": dict}, ("condition", "then", "else"), path
        )
        return cls(
            Where.from_dict(fields["condition"]),
            decode_rank(fields["then"], f"{path}.then", depth + 1),
            decode_rank(fields["else"], f"{path}.else", depth + 1),
        )


def as_rank(value: Any) -> Rank:
    """Return a rank for a rank, a number (`Val`) or a `Key` (`Field`).

    Raises:
        WrongTypeError: anything else.
    """
    if isinstance(value, Rank):
        return value
    if isinstance(value, Named):
        return Field(value.name)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return Val(value)
    raise WrongTypeError(f"a rank combines with a rank, a number or K(...), got {type(value).__name__}{mending(value)}")


def _flat(kind: type[_Nary], side: Rank) -> tuple[Rank, ...]:
    return tuple(side.ranks) if isinstance(side, kind) else (side,)


def decode_rank(data: Any, path: str, depth: int) -> Rank:
    """Read a rank at `path`; see `Rank.from_dict`."""
    if not isinstance(data, dict):
        raise WrongTypeError(f"Expected dict for Rank, got {type(data).__name__} (at {path})")
    if depth > MAX_DEPTH:
        raise InvalidRankError(f"the rank is nested more than {MAX_DEPTH} levels deep", path=path[:80])
    if not data:
        raise InvalidRankError("Rank dict cannot be empty", path=path)
    if len(data) != 1:
        raise InvalidRankError(f"Rank dict must contain exactly one operator, got {len(data)}", path=path)
    op, body = next(iter(data.items()))
    kind = RANK_NODES.get(op) if isinstance(op, str) else None
    if kind is None:
        from chroma_search.dsl.suggest import unknown  # loads difflib

        known = sorted(RANK_NODES)
        raise InvalidRankError(f"Unknown rank operator: {unknown(op, known)} (one of {', '.join(known)})", path=path)
    return kind.decode(body, f"{path}.{op}", depth)


def decode_fields(body: Any, op: str, types: dict[str, Any], required: Sequence[str], path: str) -> dict[str, Any]:
    """Return the known fields of a JSON object after checking their types; None counts as absent.

    Raises:
        WrongTypeError, InvalidRankError: no object, a required field missing, a field unknown or of another type.
    """
    if not isinstance(body, dict):
        raise WrongTypeError(f"{op} requires a dict, got {type(body).__name__} (at {path})")
    for name in required:
        if body.get(name) is None:
            raise InvalidRankError(f"{op} requires '{name}' field", path=path)
    unknown = [str(name) for name in body if name not in types]
    if unknown:
        raise InvalidRankError(f"{op} does not know '{unknown[0]}' (it has {', '.join(types)})", path=path)
    fields = {name: value for name, value in body.items() if value is not None}
    for name, value in fields.items():
        allowed = types[name]
        if not isinstance(value, allowed) or (isinstance(value, bool) and allowed is not bool):
            raise WrongTypeError(f"{op} {name} has the wrong type {type(value).__name__} (at {path})")
    return fields
