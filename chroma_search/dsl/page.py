"""Limit, Select, OrderBy: which of the ranked records come back, in which order, with which columns (spec 5, 6)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, cast

from chroma_search.dsl.node import Named, Node, name_of
from chroma_search.errors import InvalidArgumentError, WrongTypeError

COLUMNS = ("#document", "#embedding", "#metadata", "#score")
"""Names in `select` that are whole columns, in the order in which results echo them; all others are metadata fields."""


@dataclass(frozen=True, eq=False, slots=True)
class Limit(Node):
    """A slice of the ranked records.

    Args:
        offset: records to leave out at the start, from 0.
        limit: records to return at most, or None for all.
    """

    offset: int = 0
    limit: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"offset": self.offset} if self.limit is None else {"offset": self.offset, "limit": self.limit}

    @staticmethod
    def from_dict(data: Any) -> Limit:
        """Read the JSON form.

        Raises:
            WrongTypeError: not a dict, not ints.
            InvalidArgumentError: a negative offset, a limit below 1, an unknown key.
        """
        if not isinstance(data, dict):
            raise WrongTypeError(f"Expected dict for Limit, got {type(data).__name__}")
        offset, limit = data.get("offset", 0), data.get("limit")
        for name, value in (("offset", offset), ("limit", limit)):
            if not isinstance(value, int) and not (name == "limit" and value is None):
                raise WrongTypeError(f"Limit {name} must be an integer, got {type(value).__name__}")
        if offset < 0:
            raise InvalidArgumentError(f"Limit offset must be non-negative, got {offset}")
        if limit is not None and limit <= 0:
            raise InvalidArgumentError(f"Limit limit must be positive, got {limit}")
        unexpected = set(data) - {"offset", "limit"}
        if unexpected:
            raise InvalidArgumentError(f"Unexpected keys in Limit dict: {sorted(map(str, unexpected))}")
        return Limit(offset, limit)


@dataclass(frozen=True, eq=False, slots=True)
class Select(Node):
    """Columns and metadata fields to return; ids always come.

    Args:
        keys: names out of `#document #embedding #metadata #score`, or metadata fields; duplicates are dropped.
    """

    keys: Collection[Named | str] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "keys", tuple(dict.fromkeys(name_of(key) for key in self.keys)))

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in the order given."""
        return cast("tuple[str, ...]", self.keys)  # since `__post_init__`

    def echo(self) -> list[str]:
        """Return the names as results echo them: whole columns first, then fields by name."""
        names = self.names
        return [name for name in COLUMNS if name in names] + sorted(name for name in names if name not in COLUMNS)

    def identity(self) -> tuple[Any, ...]:
        """Compare as a set: the order of keys has no meaning."""
        return ("Select", *self.echo())

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"keys": list(self.names)}

    @staticmethod
    def from_dict(data: Any) -> Select:
        """Read the JSON form.

        Raises:
            WrongTypeError: not a dict, keys no list, a key no string.
            InvalidArgumentError: an unknown key.
        """
        if not isinstance(data, dict):
            raise WrongTypeError(f"Expected dict for Select, got {type(data).__name__}")
        keys = data.get("keys", ())
        if not isinstance(keys, (list, tuple, set, frozenset)):
            raise WrongTypeError(f"Select keys must be a list/tuple/set, got {type(keys).__name__}")
        for key in keys:
            if not isinstance(key, (str, Named)):
                raise WrongTypeError(f"Select key must be a string, got {type(key).__name__}")
        unexpected = set(data) - {"keys"}
        if unexpected:
            raise InvalidArgumentError(f"Unexpected keys in Select dict: {sorted(map(str, unexpected))}")
        return Select(tuple(keys))


@dataclass(frozen=True, eq=False, slots=True)
class SortKey(Node):
    """One key of an ordering.

    Args:
        key: a metadata field, `#score` or `#id`.
        descending: largest first; a missing value comes last either way.
    """

    key: str
    descending: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"key": self.key, "descending": True} if self.descending else {"key": self.key}


@dataclass(frozen=True, eq=False, slots=True)
class OrderBy(Node):
    """Order the results by fields instead of by score, after grouping and before the limit (ours).

    Ties fall by score, then by insertion. Values of several classes order as null last, bool < number < string.

    Args:
        keys: the sort keys, the most important first; empty is no ordering.
    """

    keys: Sequence[SortKey] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "keys", tuple(self.keys))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"keys": [key.to_dict() for key in self.keys]}

    @staticmethod
    def from_dict(data: Any) -> OrderBy:
        """Read the JSON form: `{"keys": ["year", {"key": "price", "descending": true}]}`.

        Raises:
            WrongTypeError, InvalidArgumentError: not of that shape.
        """
        if not isinstance(data, dict):
            raise WrongTypeError(f"Expected dict for OrderBy, got {type(data).__name__}")
        unexpected = set(data) - {"keys"}
        if unexpected:
            raise InvalidArgumentError(f"Unexpected keys in OrderBy dict: {sorted(map(str, unexpected))}")
        keys = data.get("keys", [])
        if not isinstance(keys, (list, tuple)):
            raise WrongTypeError(f"OrderBy keys must be a list, got {type(keys).__name__}")
        return OrderBy(tuple(_sort_key(each) for each in keys))


def _sort_key(data: Any) -> SortKey:
    if isinstance(data, (str, Named)):
        return SortKey(name_of(data))
    if isinstance(data, dict) and set(data) <= {"key", "descending"} and isinstance(data.get("key"), str):
        descending = data.get("descending", False)
        if isinstance(descending, bool):
            return SortKey(data["key"], descending)
    raise InvalidArgumentError('an OrderBy key is a field name or {"key": "name", "descending": true|false}')
