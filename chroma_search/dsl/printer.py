"""Nodes written as text of the query language, in one canonical form.

Parsing what was printed gives an equal node, for every node that `validation.py` accepts and for most that it does
not; what has no spelling (an operand that is a dict) is refused. The infix operators join with neighbours of their own
kind when parsed, so a node that holds a child of its own kind, or fewer than two children, is printed as a call:
`all(...)`, `any(...)`, `sum(...)`, `mul(...)`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from enum import IntEnum
from typing import Any

import numpy as np

from chroma_search.dsl import where as w
from chroma_search.dsl.group_by import Aggregate, GroupBy, MaxK, MinK
from chroma_search.dsl.leaves import sparse_query
from chroma_search.dsl.literals import (
    write_list,
    write_name,
    write_number,
    write_sparse,
    write_string,
    write_value,
    write_vector,
)
from chroma_search.dsl.node import check_bounds, tagged
from chroma_search.dsl.page import SortKey
from chroma_search.dsl.rank import RANK_NODES, Div, Field, If, Mul, Pow, Rank, Sub, Sum, Val
from chroma_search.dsl.rrf import Rrf
from chroma_search.dsl.search import SearchClauses
from chroma_search.errors import InvalidArgumentError
from chroma_search.model.sparse_vector import SparseVector


class Binding(IntEnum):
    """How closely the outermost operator of a printed expression binds; a looser one inside needs parentheses."""

    OR = 0
    AND = 1
    NOT = 2
    SUM = 3
    PRODUCT = 4
    SIGN = 5
    POWER = 6
    ATOM = 7


def print_search(clauses: SearchClauses) -> str:
    """Return a search as text: its clauses in the order WHERE, RANK, GROUP BY, ORDER BY, LIMIT, OFFSET, SELECT.

    Raises:
        InvalidArgumentError: nested too deep, or a value that has no spelling.
    """
    return " ".join(_clauses(clauses))


def print_where(where: w.Where) -> str:
    """Return a filter as text; see `print_search`."""
    check_bounds(where, "filter")
    return _where(where, Binding.OR)


def print_rank(rank: Rank) -> str:
    """Return a rank as text; see `print_search`."""
    check_bounds(rank, "rank")
    return _rank(rank, Binding.SUM)


def print_group_by(group_by: GroupBy) -> str:
    """Return a grouping as text, `""` for none; see `print_search`."""
    parts = [_names(group_by.names)] if group_by.names else []
    if group_by.aggregate is not None:
        parts.append(_keep(group_by.aggregate))
    return " ".join(parts)


def _clauses(clauses: SearchClauses) -> Iterator[str]:
    if clauses.where is not None:
        yield f"WHERE {print_where(clauses.where)}"
    if clauses.rank is not None:
        yield f"RANK {print_rank(clauses.rank)}"
    if group_by := print_group_by(clauses.group_by):
        yield f"GROUP BY {group_by}"
    if clauses.order_by.keys:
        yield f"ORDER BY {', '.join(map(_sort_key, clauses.order_by.keys))}"
    if clauses.limit.limit is not None:
        yield f"LIMIT {_whole(clauses.limit.limit)}"
    if _whole(clauses.limit.offset) != "0":
        yield f"OFFSET {_whole(clauses.limit.offset)}"
    if clauses.select.names:
        yield f"SELECT {_names(clauses.select.names)}"


def _keep(aggregate: Aggregate) -> str:
    words: dict[type[Aggregate], str] = {MinK: "MIN", MaxK: "MAX"}
    if type(aggregate) not in words or not aggregate.names:
        raise _unspeakable(aggregate)
    return f"KEEP {_whole(aggregate.k)} {words[type(aggregate)]} {_names(aggregate.names)}"


def _sort_key(key: SortKey) -> str:
    return f"{write_name(key.key)} DESC" if key.descending else write_name(key.key)


def _names(names: Sequence[str]) -> str:
    return ", ".join(map(write_name, names))


def _whole(value: Any) -> str:
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidArgumentError(f"a count must be a whole number to be written as text, got {type(value).__name__}")
    return write_number(value)


def _enclosed(text: str, binding: Binding, least: Binding) -> str:
    return text if binding >= least else f"({text})"


def _unspeakable(node: object) -> InvalidArgumentError:
    return InvalidArgumentError(f"a {type(node).__name__} of this kind cannot be written as text")


# --- filters ---

_COMPARISONS: dict[type[w.Where], str] = {
    w.Eq: "=", w.Ne: "!=", w.Gt: ">", w.Gte: ">=", w.Lt: "<", w.Lte: "<=",
    w.Contains: "CONTAINS", w.NotContains: "NOT CONTAINS",
}  # fmt: skip
_STRING_TESTS: dict[type[w.Where], str] = {
    w.Substring: "SUBSTRING",
    w.StartsWith: "STARTS WITH",
    w.EndsWith: "ENDS WITH",
    w.ISubstring: "ISUBSTRING",
    w.IStartsWith: "ISTARTS WITH",
    w.IEndsWith: "IENDS WITH",
    w.IEquals: "I=",
}


def _where(node: Any, least: Binding) -> str:
    match node:
        case w.And():
            return _logical(node, "AND", "all", Binding.AND, least)
        case w.Or():
            return _logical(node, "OR", "any", Binding.OR, least)
        case w.Not():
            return f"NOT {_where(node.condition, Binding.NOT)}"
        case _:
            return f"{write_name(_key(node))} {_test(node)}"


def _logical(node: w.And | w.Or, word: str, function: str, binding: Binding, least: Binding) -> str:
    if len(node.conditions) < 2 or any(isinstance(each, type(node)) for each in node.conditions):
        return f"{function}({', '.join(_where(each, Binding.OR) for each in node.conditions)})"
    return _enclosed(f" {word} ".join(_where(each, binding) for each in node.conditions), binding, least)


def _key(node: Any) -> Any:
    if not isinstance(node, w.Where):
        raise _unspeakable(node)
    return node.key  # type: ignore[attr-defined]  # every node but And, Or and Not has a key


def _test(node: Any) -> str:
    match node:
        case w.Exists():
            if not isinstance(node.value, bool):
                raise _unspeakable(node)
            return "EXISTS" if node.value else "IS MISSING"
        case w.In() | w.Nin():
            if not isinstance(node.values, tuple):
                raise _unspeakable(node)
            return f"{'IN' if isinstance(node, w.In) else 'NOT IN'} {write_list(node.values)}"
        case w.Regex() | w.NotRegex():
            return f"{'MATCHES' if isinstance(node, w.Regex) else 'NOT MATCHES'} {_string(node.pattern)}"
        case w.StringMatch():
            return f"{_STRING_TESTS[type(node)]} {_string(node.text)}"
        case w.Comparison():
            return f"{_COMPARISONS[type(node)]} {write_value(node.value)}"
        case _:
            raise _unspeakable(node)


def _string(text: Any) -> str:
    if not isinstance(text, str):
        raise InvalidArgumentError(f"a pattern must be a string to be written as text, got {type(text).__name__}")
    return write_string(text)


# --- ranks ---


def _rank(node: Any, least: Binding) -> str:
    match node:
        case Sum():
            return _nary(node, "+", Binding.SUM, least)
        case Mul():
            return _product(node, least)
        case Sub():
            text = f"{_rank(node.left, Binding.SUM)} - {_rank(node.right, Binding.PRODUCT)}"
            return _enclosed(text, Binding.SUM, least)
        case Div():
            text = f"{_rank(node.left, Binding.PRODUCT)} / {_rank(node.right, Binding.SIGN)}"
            return _enclosed(text, Binding.PRODUCT, least)
        case Pow():
            text = f"{_base(node.left)} ^ {_rank(node.right, Binding.SIGN)}"
            return _enclosed(text, Binding.POWER, least)
        case Val():
            return _number(node.value)
        case Field() if node.default is None:
            return write_name(node.key)
        case Rrf():
            return _rrf(node)
        case If():
            branches = f"{_rank(node.then, Binding.SUM)}, {_rank(node.otherwise, Binding.SUM)}"
            return f"if({_where(node.condition, Binding.OR)}, {branches})"
        case Rank() if node.op in RANK_NODES:
            return _call(node)
        case _:
            raise _unspeakable(node)


def _nary(node: Sum | Mul, sign: str, binding: Binding, least: Binding) -> str:
    if len(node.ranks) < 2 or any(isinstance(each, type(node)) for each in node.ranks):
        return _call(node)
    first, *others = node.ranks
    closer = Binding(binding + 1)
    text = f" {sign} ".join([_rank(first, binding), *(_rank(each, closer) for each in others)])
    return _enclosed(text, binding, least)


def _product(node: Mul, least: Binding) -> str:
    minus_one = Val(-1)
    if len(node.ranks) != 2 or node.ranks[0] != minus_one:
        return _nary(node, "*", Binding.PRODUCT, least)
    operand = _rank(node.ranks[1], Binding.SIGN)
    # `-5` would be read as a number, `--x` as a comment.
    if re.match(r"-|[\d.]|(?:inf|nan)", operand):
        operand = f"({operand})"
    return _enclosed(f"-{operand}", Binding.SIGN, least)


def _base(node: Any) -> str:
    text = _rank(node, Binding.ATOM)
    return f"({text})" if text.startswith("-") else text  # for the reader: -5 ^ 2 is (-5) ^ 2


def _rrf(node: Rrf) -> str:
    arguments = [_ranked(each) for each in node.ranks]
    if node.k != 60 or not isinstance(node.k, int):
        arguments.append(f"k={_number(node.k)}")
    if node.weights is not None:
        arguments.append(f"weights={write_list(node.weights)}")
    if _flag(node.normalize) == "true":
        arguments.append("normalize=true")
    return f"rrf({', '.join(arguments)})"


def _ranked(node: Any) -> str:
    """Return a child of rrf: there a leaf gives positions unless it says otherwise."""
    return _call(node, ranked=True) if hasattr(node, "return_rank") else _rank(node, Binding.SUM)


def _call(node: Rank, *, ranked: bool = False) -> str:
    """Return `name(required arguments, optional=arguments that differ from their defaults)`."""
    arguments: list[str] = []
    for each in fields(node):
        if each.name == "span" or not each.init:
            continue
        value = getattr(node, each.name)
        usual = True if ranked and each.name == "return_rank" else each.default
        written = _argument(each.name, value)
        if (
            each.name == "ranks"
            or isinstance(value, Rank)
            or (each.name in ("query", "value", "key") and not arguments)
        ):
            arguments.append(written)
        elif tagged(value) != tagged(usual):
            arguments.append(f"{each.name}={written}")
    return f"{node.op[1:]}({', '.join(arguments)})"


def _argument(name: str, value: Any) -> str:
    writer = _WRITERS.get(name)
    if writer is None:
        raise InvalidArgumentError(f"the argument {name} cannot be written as text")
    return writer(value)


def _ranks(ranks: Any) -> str:
    return ", ".join(_rank(each, Binding.SUM) for each in ranks)


def _query(query: Any) -> str:
    if isinstance(query, dict):
        query = sparse_query(query)
    match query:
        case str():
            return write_string(query)
        case SparseVector():
            return write_sparse(query)
        case tuple() | np.ndarray():
            return write_vector(query)
        case _:
            raise InvalidArgumentError(f"a query of {type(query).__name__} cannot be written as text")


def _number(value: Any) -> str:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise InvalidArgumentError(f"a number is needed to be written as text, got {type(value).__name__}")
    return write_number(value)


def _number_or_null(value: Any) -> str:
    return "null" if value is None else _number(value)


def _flag(value: Any) -> str:
    if not isinstance(value, bool):
        raise InvalidArgumentError(f"true or false is needed to be written as text, got {type(value).__name__}")
    return write_value(value)


def _one_rank(rank: Any) -> str:
    return _rank(rank, Binding.SUM)


_WRITERS: dict[str, Callable[[Any], str]] = {
    "ranks": _ranks,
    "rank": _one_rank,
    "left": _one_rank,
    "right": _one_rank,
    "query": _query,
    "key": write_name,
    "kind": _string,
    "idf": _string,
    "limit": _whole,
    "return_rank": _flag,
    "default": _number_or_null,
    **dict.fromkeys(("value", "k1", "b", "origin", "scale", "offset", "factor"), _number),
}
