"""Function calls in the text form of a rank: `knn(...)`, `rrf(...)`, `log(...)`, `sparse(...)`.

The functions are the rank nodes themselves: `RANK_NODES` gives the name, the fields of the class its arguments, in
order or by name. So a new node needs a line here only when an argument has a name that no other node has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from dataclasses import Field as Field_
from typing import Any, TypeAlias

import numpy as np

from chroma_search.dsl.literals import LiteralError, make_sparse
from chroma_search.dsl.mistake import Mistake, listed, shown
from chroma_search.dsl.node import Span
from chroma_search.dsl.rank import RANK_NODES, Field, Rank, Val
from chroma_search.dsl.rrf import Rrf
from chroma_search.dsl.suggest import nearest
from chroma_search.model.sparse_vector import SparseVector


@dataclass(frozen=True, slots=True)
class Given:
    """A value that stands in the text or came as a parameter: `'sso'`, `[1, 2]`, `$q`."""

    value: Any
    span: Span


@dataclass(frozen=True, slots=True)
class Called:
    """A rank made by a call, and the arguments that the call named; `rrf` wants to know them."""

    rank: Rank
    names: frozenset[str]
    span: Span


@dataclass(frozen=True, slots=True)
class Named:
    """An argument given by name."""

    name: str
    value: Given
    span: Span


Argument: TypeAlias = Rank | Called | Given
_Reader: TypeAlias = Callable[[Argument, str], Any]


def as_rank(part: Argument) -> Rank:
    """Return a part of an expression as a rank; a number is a constant."""
    if isinstance(part, Called):
        return part.rank
    if isinstance(part, Rank):
        return part
    if isinstance(part.value, (int, float)) and not isinstance(part.value, bool):
        return Val(part.value, span=part.span)
    raise Mistake(f"expected a rank or a number, got {_described(part)}", part.span, hint="a query stands in knn(...)")


def call(name: str, arguments: Sequence[Argument | Named], name_span: Span, span: Span) -> Called | Given:
    """Return what a function makes of its arguments.

    Args:
        name: the function, in any case.
        arguments: in order.
        name_span, span: where the name and the whole call stand.

    Raises:
        Mistake: an unknown function, an argument too many, unknown, missing or of another kind.
    """
    function = name.casefold()
    if function == "sparse":
        return Given(_sparse(arguments, name_span), span)
    kind = RANK_NODES.get(f"${function}")
    if kind is None or not _is_callable(kind):
        raise _unknown_function(name, name_span)
    if kind is Rrf:
        return Called(_rrf(arguments, name_span, span), frozenset(), span)
    names = [each.name for each in _arguments_of(kind)]
    if names == ["ranks"]:
        ranks = tuple(as_rank(each) for each in _positional(function, arguments))
        return Called(kind(ranks, span=span), frozenset(), span)  # type: ignore[call-arg]  # the class has one field
    readers = {each: _READERS.get((function, each)) or _READERS["", each] for each in names}
    values = _bound(function, arguments, readers, name_span)
    for each in _arguments_of(kind):
        if each.name not in values and each.default is MISSING:
            raise Mistake(f"{function} needs {each.name}", name_span, hint=_usage(kind))
    return Called(kind(**values, span=span), frozenset(values), span)


def _usage(kind: type[Rank]) -> str:
    names = [each.name if each.default is MISSING else f"{each.name}=..." for each in _arguments_of(kind)]
    return f"write {kind.op[1:]}({', '.join(names)})"


def _arguments_of(kind: type[Rank]) -> list[Field_[Any]]:
    return [each for each in fields(kind) if each.init and each.name != "span"]


def _unknown_function(name: str, span: Span) -> Mistake:
    close = nearest(name, FUNCTIONS)
    hint = f"did you mean {close}?" if close else f"the functions are {', '.join(FUNCTIONS)}"
    return Mistake(f"no function is called '{shown(name)}'", span, FUNCTIONS, hint)


def _positional(function: str, arguments: Sequence[Argument | Named]) -> list[Argument]:
    for each in arguments:
        if isinstance(each, Named):
            raise Mistake(f"{function} takes ranks, and no argument called '{shown(each.name)}'", each.span)
    return [each for each in arguments if not isinstance(each, Named)]


def _bound(
    function: str, arguments: Sequence[Argument | Named], readers: dict[str, _Reader], name_span: Span
) -> dict[str, Any]:
    """Return the arguments by name, read; order first, names after."""
    values: dict[str, Any] = {}
    names = list(readers)
    for at, each in enumerate(arguments):
        if isinstance(each, Named):
            name, part = each.name.casefold(), each.value
            if name not in readers:
                close = nearest(name, readers)
                hint = f"did you mean {close}?" if close else f"it has {listed(tuple(names))}" if names else ""
                raise Mistake(f"{function} has no argument '{shown(each.name)}'", each.span, tuple(names), hint)
        elif at >= len(names):
            raise Mistake(f"{function} takes at most {len(names)} arguments", _span_of(each))
        elif any(isinstance(before, Named) for before in arguments[:at]):
            raise Mistake("an argument without a name stands before those with one", _span_of(each))
        else:
            name, part = names[at], each
        if name in values:
            raise Mistake(f"{function} got {name} twice", _span_of(each))
        values[name] = readers[name](part, f"{function} {name}")
    return values


def _rrf(arguments: Sequence[Argument | Named], name_span: Span, span: Span) -> Rrf:
    ranks = [_by_position(each) for each in arguments if not isinstance(each, Named)]
    named = [each for each in arguments if isinstance(each, Named)]
    options: dict[str, _Reader] = {"k": _number, "weights": _weights, "normalize": _flag}
    values = _bound("rrf", named, options, name_span)
    if not ranks:
        raise Mistake("rrf needs at least one rank", name_span, hint="write rrf(knn($q), bm25('words'))")
    return Rrf(ranks, **values, span=span)


def _by_position(part: Argument) -> Rank:
    """Return a child of rrf; a leaf that was not told otherwise gives positions, as fusion needs."""
    rank = as_rank(part)
    says_it = isinstance(part, Called) and "return_rank" in part.names
    return rank if says_it or not hasattr(rank, "return_rank") else replace(rank, return_rank=True)


def _sparse(arguments: Sequence[Argument | Named], name_span: Span) -> SparseVector:
    values = _bound("sparse", arguments, {"entries": _entries, "tokens": _list_or_null}, name_span)
    if "entries" not in values:
        raise Mistake("sparse needs its entries", name_span, hint="write sparse({1: 0.5, 7: 2.0})")
    try:
        return make_sparse(values["entries"], values.get("tokens"))
    except LiteralError as error:
        raise Mistake(str(error), name_span) from None


# --- readers: one argument each, by the name of the field ---


def _refused(part: Argument, what: str, wanted: str, hint: str = "") -> Mistake:
    return Mistake(f"{what} takes {wanted}, got {_described(part)}", _span_of(part), (wanted,), hint)


def _plain(part: Argument) -> Any:
    """Return the value of a literal or parameter, `part` itself for an expression."""
    if isinstance(part, Given):
        return part.value
    return part.value if isinstance(part, Val) else part


def _rank(part: Argument, what: str) -> Rank:
    return as_rank(part)


def _number(part: Argument, what: str) -> Any:
    value = _plain(part)
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise _refused(part, what, "a number")
    return value


def _number_or_null(part: Argument, what: str) -> Any:
    return None if _is_null(part) else _number(part, what)


def _whole(part: Argument, what: str) -> int:
    value = _plain(part)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _refused(part, what, "a whole number")
    return value


def _flag(part: Argument, what: str) -> bool:
    value = _plain(part)
    if not isinstance(value, bool):
        raise _refused(part, what, "true or false")
    return value


def _text(part: Argument, what: str) -> str:
    value = _plain(part)
    if not isinstance(value, str):
        raise _refused(part, what, "a string in single quotes", _quoting(part))
    return value


def _name(part: Argument, what: str) -> str:
    value = _plain(part)
    if isinstance(value, Field) and value.default is None:
        return value.key
    if not isinstance(value, str):
        raise _refused(part, what, "a name")
    return value


def _query(part: Argument, what: str) -> Any:
    value = _plain(part)
    if isinstance(part, Given):
        if isinstance(value, dict) and all(isinstance(each, int) for each in value):
            return _entries_as_vector(part)
        if isinstance(value, (str, list, tuple, np.ndarray, SparseVector, dict)):
            return value
    raise _refused(part, what, "a string, a vector, sparse(...) or a parameter", _quoting(part))


def _entries(part: Argument, what: str) -> dict[int, Any]:
    value = _plain(part)
    if not isinstance(value, dict) or not all(isinstance(each, int) for each in value):
        raise _refused(part, what, "{index: value, ...}")
    return value


def _entries_as_vector(part: Given) -> SparseVector:
    try:
        return make_sparse(part.value, None)
    except LiteralError as error:
        raise Mistake(str(error), part.span) from None


def _list_or_null(part: Argument, what: str) -> Any:
    value = _plain(part)
    if value is not None and not isinstance(value, (list, tuple)):
        raise _refused(part, what, "a list in brackets")
    return None if value is None else list(value)


def _weights(part: Argument, what: str) -> Any:
    weights = _list_or_null(part, what)
    if not all(isinstance(each, (int, float)) and not isinstance(each, bool) for each in weights or ()):
        raise _refused(part, what, "a list of numbers")
    return weights


_READERS: dict[tuple[str, str], _Reader] = {
    ("knn", "query"): _query,
    ("bm25", "query"): _text,
    ("", "key"): _name,
    ("", "kind"): _name,
    ("", "idf"): _name,
    ("", "limit"): _whole,
    ("", "default"): _number_or_null,
    ("", "return_rank"): _flag,
    **{("", name): _number for name in ("value", "k1", "b", "origin", "scale", "offset", "factor")},
    **{("", name): _rank for name in ("rank", "left", "right")},
}


def _is_callable(kind: type[Rank]) -> bool:
    names = [each.name for each in _arguments_of(kind)]
    op = kind.op[1:]
    return kind is Rrf or names == ["ranks"] or all((op, each) in _READERS or ("", each) in _READERS for each in names)


FUNCTIONS = ("if", "sparse", *sorted(op[1:] for op, kind in RANK_NODES.items() if _is_callable(kind)))
"""Every name that may stand before a parenthesis in a rank."""


def _is_null(part: Argument) -> bool:
    return isinstance(part, Given) and part.value is None


def _span_of(part: Argument | Named) -> Span:
    return part.span or Span(0, 0)


def _quoting(part: Argument) -> str:
    return f"write '{shown(part.key)}' in single quotes to mean a text" if isinstance(part, Field) else ""


def _described(part: Argument) -> str:
    value = _plain(part)
    match value:
        case Field():
            return f"the field {shown(value.key)}"
        case Rank() | Called():
            return "a rank"
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return "a string"
        case int() | float():
            return "a number"
        case list() | tuple():
            return "a list"
        case SparseVector():
            return "a sparse vector"
        case _:
            return f"a {type(value).__name__}"
