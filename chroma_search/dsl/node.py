"""What all nodes of the query language share: value semantics, source spans, bounds.

A node is a frozen dataclass. Two nodes are equal when they would print the same: `1`, `1.0` and `True` are three
different operands although Python calls them equal, and a NaN equals itself. Nodes are hashable, so that a plan can
find equal leaves and a mask can be cached per predicate. The span (where the node stood in a text) takes no part in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, ClassVar

from chroma_search.errors import InvalidArgumentError

MAX_DEPTH = 100
"""Deepest nesting of a filter or a rank; far above what people write, below Python's own recursion limit."""

MAX_NODES = 10_000
"""Most nodes in one search; lists of `$in` count as one."""


MAX_VALUE_DEPTH = 4
"""Deepest nesting of one value: lists of lists are queries of one row, deeper ones have no meaning."""


@dataclass(frozen=True, slots=True)
class Span:
    """Characters `start..end` of the text a node came from (0-based, end exclusive)."""

    start: int
    end: int


@dataclass(frozen=True, eq=False, slots=True)
class Node:
    """Base of filter, rank, group, limit, select and order nodes."""

    span: Span | None = field(default=None, kw_only=True, compare=False, repr=False)
    _identity: tuple[Any, ...] | None = field(default=None, init=False, compare=False, repr=False)
    levels: ClassVar[int] = 1
    """Levels that the node takes up in a tree of plain JSON; more than 1 where one node is written as several."""

    def identity(self) -> tuple[Any, ...]:
        """Return what makes the node equal to another: its class and its tagged field values."""
        kind = type(self)
        return (kind.__name__, *[tagged(getattr(self, name)) for name in field_names(kind)])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Node):
            return NotImplemented
        return self is other or (type(self) is type(other) and self._known_identity() == other._known_identity())

    def __hash__(self) -> int:
        return hash(self._known_identity())

    def _known_identity(self) -> tuple[Any, ...]:
        if self._identity is None:  # a search hashes its filter once per cache it looks into
            object.__setattr__(self, "_identity", self.identity())
        assert self._identity is not None
        return self._identity

    def children(self) -> Iterator[Node]:
        """Yield the nodes directly below this one, left to right."""
        for name in field_names(type(self)):
            value = getattr(self, name)
            if isinstance(value, Node):
                yield value
            elif isinstance(value, tuple):
                yield from (item for item in value if isinstance(item, Node))


@cache
def field_names(kind: type[Node]) -> tuple[str, ...]:
    """Return the names of the fields that make up a node's value (`dataclasses.fields` costs microseconds)."""
    return tuple(each.name for each in fields(kind) if each.compare)


class Named:
    """Anything that names a field: the base of `Key`, so that nodes can take one without knowing it."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


def name_of(key: Named | str) -> str:
    """Return the name behind a `Key` or a plain string."""
    return key.name if isinstance(key, Named) else key


def tagged(value: Any, depth: int = 0) -> Any:
    """Return a hashable stand-in that tells 1, 1.0 and True apart, 0.0 and -0.0 as well, and equals itself for NaN.

    Raises:
        InvalidArgumentError: lists in lists in lists ...; no value of a search is like that.
    """
    if isinstance(value, Node):
        return value  # to hash it here, and again as part of its parent, would take time exponential in the depth
    if depth > MAX_VALUE_DEPTH:
        raise InvalidArgumentError(f"a value of a search is nested more than {MAX_VALUE_DEPTH} levels deep")
    if isinstance(value, (tuple, list)):
        return tuple(tagged(each, depth + 1) for each in value)
    if isinstance(value, (bool, int)):
        return ("bool" if isinstance(value, bool) else "int", value)
    if isinstance(value, float):
        return ("float", float.hex(value))
    if isinstance(value, dict):
        return tuple((key, tagged(each, depth + 1)) for key, each in value.items())
    try:
        hash(value)
    except TypeError:
        return ("object", repr(value))
    return value


def check_bounds(root: Node, what: str) -> None:
    """Refuse a tree that is too deep or too wide, without recursion.

    Raises:
        InvalidArgumentError: more than MAX_DEPTH levels or MAX_NODES nodes.
    """
    stack: list[tuple[Node, int]] = [(root, 0)]
    seen = 0
    while stack:
        node, above = stack.pop()
        seen += 1
        depth = above + node.levels
        if depth > MAX_DEPTH:
            raise InvalidArgumentError(f"the {what} is nested more than {MAX_DEPTH} levels deep: flatten it")
        if seen > MAX_NODES:
            raise InvalidArgumentError(f"the {what} has more than {MAX_NODES} parts: split the search")
        stack.extend((child, depth) for child in node.children())
