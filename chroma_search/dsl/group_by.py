"""GroupBy, MinK, MaxK: keep the k best records of each group (spec 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from chroma_search.dsl.node import Named, Node, name_of
from chroma_search.errors import InvalidArgumentError, WrongTypeError


def as_names(keys: Named | str | Sequence[Named | str]) -> tuple[str, ...]:
    """Return the field names of one key or several."""
    if isinstance(keys, (Named, str)):
        return (name_of(keys),)
    if not isinstance(keys, (list, tuple)):
        raise WrongTypeError(f"keys must be a field or a list of fields, got {type(keys).__name__}")
    return tuple(name_of(key) for key in keys)


@dataclass(frozen=True, eq=False, slots=True)
class Aggregate(Node):
    """Which records of a group stay: the first `k` by `keys`, compared as a tuple.

    Args:
        keys: one field or several, metadata names or `#score`.
        k: records to keep, from 1.
    """

    keys: Named | str | Sequence[Named | str]
    k: int
    op: ClassVar[str] = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "keys", as_names(self.keys))

    @property
    def names(self) -> tuple[str, ...]:
        """The fields, as plain names."""
        return as_names(self.keys)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {self.op: {"keys": list(self.names), "k": self.k}}

    @staticmethod
    def from_dict(data: Any) -> Aggregate:
        """Read the JSON form.

        Raises:
            WrongTypeError, InvalidArgumentError: see spec 4.
        """
        if not isinstance(data, dict):
            raise WrongTypeError(f"Expected dict for Aggregate, got {type(data).__name__}")
        if len(data) != 1:
            raise InvalidArgumentError(f"Aggregate dict must contain exactly one operator, got {len(data)}")
        op, body = next(iter(data.items()))
        if op not in AGGREGATES:
            raise InvalidArgumentError(f"Unknown aggregate operator: {op} (one of {', '.join(AGGREGATES)})")
        if not isinstance(body, dict):
            raise WrongTypeError(f"{op} requires a dict, got {type(body).__name__}")
        for part in ("keys", "k"):
            if part not in body:
                raise InvalidArgumentError(f"{op} requires '{part}' field")
        keys, k = body["keys"], body["k"]
        if not isinstance(k, int) or isinstance(k, bool):
            raise WrongTypeError(f"{op} k must be an integer, got {type(k).__name__}")
        if k <= 0:
            raise InvalidArgumentError(f"{op} k must be positive, got {k}")
        return AGGREGATES[op](checked_names(keys, f"{op} keys"), k)


@dataclass(frozen=True, eq=False, slots=True)
class MinK(Aggregate):
    """Keep the k records with the smallest key values; a missing value comes first."""

    op: ClassVar[str] = "$min_k"


@dataclass(frozen=True, eq=False, slots=True)
class MaxK(Aggregate):
    """Keep the k records with the largest key values; a missing value comes last."""

    op: ClassVar[str] = "$max_k"


AGGREGATES: dict[str, type[Aggregate]] = {each.op: each for each in (MinK, MaxK)}


@dataclass(frozen=True, eq=False, slots=True)
class GroupBy(Node):
    """Group the ranked records by metadata fields; inactive unless both arguments are given.

    Args:
        keys: one field or several; a record without the field falls into a group of its own kind (null).
        aggregate: `MinK` or `MaxK`.

    >>> from chroma_search import GroupBy, K, MinK
    >>> GroupBy(keys=K("area"), aggregate=MinK(keys=K.SCORE, k=2)).to_dict()
    {'keys': ['area'], 'aggregate': {'$min_k': {'keys': ['#score'], 'k': 2}}}
    """

    keys: Named | str | Sequence[Named | str] = ()
    aggregate: Aggregate | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "keys", as_names(self.keys))

    @property
    def names(self) -> tuple[str, ...]:
        """The fields, as plain names."""
        return as_names(self.keys)

    @property
    def is_active(self) -> bool:
        """True when keys and aggregate are both given."""
        return self.aggregate is not None and bool(self.names)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, `{}` when inactive."""
        if not self.names or self.aggregate is None:
            return {}
        return {"keys": list(self.names), "aggregate": self.aggregate.to_dict()}

    @staticmethod
    def from_dict(data: Any) -> GroupBy:
        """Read the JSON form; `{}` is no grouping.

        Raises:
            WrongTypeError, InvalidArgumentError: see spec 4.
        """
        if not isinstance(data, dict):
            raise WrongTypeError(f"Expected dict for GroupBy, got {type(data).__name__}")
        if not data:
            return GroupBy()
        for part in ("keys", "aggregate"):
            if part not in data:
                raise InvalidArgumentError(f"GroupBy requires '{part}' field")
        keys = checked_names(data["keys"], "GroupBy keys")
        if not isinstance(data["aggregate"], dict):
            raise WrongTypeError(f"GroupBy aggregate must be a dict, got {type(data['aggregate']).__name__}")
        return GroupBy(keys, Aggregate.from_dict(data["aggregate"]))


def checked_names(keys: Any, what: str) -> tuple[str, ...]:
    """Return field names from JSON: a non-empty list of strings."""
    if not isinstance(keys, (list, tuple)):
        raise WrongTypeError(f"{what} must be a list, got {type(keys).__name__}")
    if not keys:
        raise InvalidArgumentError(f"{what} cannot be empty")
    for key in keys:
        if not isinstance(key, (str, Named)):
            raise WrongTypeError(f"{what} must be strings, got {type(key).__name__}")
    return as_names(tuple(keys))
