"""From the parser's tree to the nodes of the query language: one method per rule of `grammar.lark`.

Operators build what the same operators build in Python: `AND`, `OR`, `+` and `*` join with a neighbour of their own
kind, `-x` is -1 times x. Parameters are bound here, to words that the parser has already recognised, so that a value
can never become syntax. The walk over the tree needs no recursion: a text may nest as deep as it is long.
"""
# ruff: noqa: D102 - what a method reads stands in the rule of its name in grammar.lark

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chroma_search.dsl import rank_functions
from chroma_search.dsl import where as w
from chroma_search.dsl.group_by import Aggregate, GroupBy, MaxK, MinK
from chroma_search.dsl.literals import LiteralError, read_list, read_name, read_number, read_sparse, read_string
from chroma_search.dsl.mistake import Mistake, listed, shown
from chroma_search.dsl.node import Span
from chroma_search.dsl.page import COLUMNS, Limit, OrderBy, Select, SortKey
from chroma_search.dsl.rank import Div, Field, If, Mul, Pow, Rank, Sub, Sum, Val
from chroma_search.dsl.rank_functions import Called, Given, as_rank
from chroma_search.dsl.search import SearchClauses
from chroma_search.dsl.suggest import nearest

if TYPE_CHECKING:
    from lark import Token, Tree

_COMPARISONS: dict[str, type[w.Comparison]] = {
    "=": w.Eq, "==": w.Eq, "!=": w.Ne, "<>": w.Ne, "<": w.Lt, "<=": w.Lte, ">": w.Gt, ">=": w.Gte,
}  # fmt: skip
_STRING_TESTS: dict[str, type[w.StringMatch]] = {
    "SUBSTRING": w.Substring,
    "STARTS": w.StartsWith,
    "ENDS": w.EndsWith,
    "ISUBSTRING": w.ISubstring,
    "ISTARTS": w.IStartsWith,
    "IENDS": w.IEndsWith,
    "IEQUALS": w.IEquals,
}


@dataclass(frozen=True, slots=True)
class Name:
    """A field name and where it stands."""

    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class Test:
    """A test that still lacks its key; `negated` is what NOT between key and test makes."""

    plain: Callable[[str, Span], w.Where]
    negated: Callable[[str, Span], w.Where]
    span: Span


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause of a search: `name` is its field in SearchClauses, or `limit` or `offset`."""

    name: str
    value: Any
    span: Span


class Transformer:
    """Builds the nodes of one text.

    Args:
        params: values of the parameters.

    Attributes:
        used: names of the parameters that the text has.
    """

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._params = params
        self.used: set[str] = set()

    def build(self, tree: Tree[Token]) -> Any:
        """Return what the method of the tree's rule makes of it.

        Raises:
            Mistake: a function, argument or parameter that has no meaning.
        """
        order: list[Any] = []
        stack: list[Any] = [tree]
        while stack:
            node = stack.pop()
            order.append(node)
            stack.extend(each for each in node.children if not isinstance(each, str))
        made: list[Any] = []
        for node in reversed(order):
            n_trees = sum(not isinstance(each, str) for each in node.children)
            ready = iter(made[len(made) - n_trees :])
            parts = [each if isinstance(each, str) else next(ready) for each in node.children]
            del made[len(made) - n_trees :]
            made.append(getattr(self, node.data)(parts))
        return made[0]

    # --- a whole search ---

    def search(self, clauses: list[Clause]) -> SearchClauses:
        found: dict[str, Clause] = {}
        for clause in clauses:
            if clause.name in found:
                raise Mistake(f"{clause.name.upper().replace('_', ' ')} stands here twice", clause.span)
            found[clause.name] = clause
        held = {name: clause.value for name, clause in found.items() if name not in ("limit", "offset")}
        paging = [found[name] for name in ("limit", "offset") if name in found]
        if paging:
            values = {clause.name: clause.value for clause in paging}
            held["limit"] = Limit(**values, span=_over(*paging))
        return SearchClauses(**held)

    def where_clause(self, parts: list[Any]) -> Clause:
        return Clause("where", parts[1], _of(parts[0]))

    def rank_clause(self, parts: list[Any]) -> Clause:
        return Clause("rank", as_rank(parts[1]), _of(parts[0]))

    def group_by_clause(self, parts: list[Any]) -> Clause:
        return Clause("group_by", self.group_by_text(parts[2:]), _of(parts[0]))

    def order_by_clause(self, parts: list[Any]) -> Clause:
        return Clause("order_by", OrderBy(tuple(parts[2:]), span=_over(*parts)), _of(parts[0]))

    def limit_clause(self, parts: list[Any]) -> Clause:
        return Clause("limit", parts[1].value, _over(*parts))

    def offset_clause(self, parts: list[Any]) -> Clause:
        return Clause("offset", parts[1].value, _over(*parts))

    def select_clause(self, parts: list[Any]) -> Clause:
        names = [each.name for each in parts[1:] if isinstance(each, Name)]
        return Clause("select", Select(names or COLUMNS, span=_over(*parts)), _of(parts[0]))

    def sort_key(self, parts: list[Any]) -> SortKey:
        return SortKey(parts[0].name, parts[-1] is not parts[0] and parts[-1].type == "DESC", span=_over(*parts))

    def keys(self, parts: list[Name]) -> list[Name]:
        return parts

    def keep(self, parts: list[Any]) -> Aggregate:
        _, k, which, keys = parts
        kind = MinK if which.type == "MIN" else MaxK
        return kind([each.name for each in keys], k.value, span=Span(parts[0].start_pos, keys[-1].span.end))

    def count(self, parts: list[Any]) -> Given:
        given = Given(self._value(parts[0]), _of(parts[0]))
        if not isinstance(given.value, int) or isinstance(given.value, bool):
            raise Mistake(f"expected a whole number, got {_told(given.value)}", given.span, ("a whole number",))
        return given

    def where_text(self, parts: list[w.Where]) -> w.Where:
        return parts[0]

    def where_document_text(self, parts: list[w.Where]) -> w.Where:
        return parts[0]

    def rank_text(self, parts: list[Any]) -> Rank:
        return as_rank(parts[0])

    def group_by_text(self, parts: list[Any]) -> GroupBy:
        keys = parts[0] if isinstance(parts[0], list) else []
        aggregate = parts[-1] if isinstance(parts[-1], Aggregate) else None
        spans = [*(each.span for each in keys), *([aggregate.span] if aggregate and aggregate.span else [])]
        return GroupBy([each.name for each in keys], aggregate, span=Span(spans[0].start, spans[-1].end))

    # --- filters ---

    def all_holds(self, parts: list[w.Where]) -> w.Where:
        return w.And(_joined(w.And, parts), span=_over(*parts))

    def any_holds(self, parts: list[w.Where]) -> w.Where:
        return w.Or(_joined(w.Or, parts), span=_over(*parts))

    def not_holds(self, parts: list[Any]) -> w.Where:
        return w.Not(parts[1], span=_over(*parts))

    def all_call(self, parts: list[Any]) -> w.Where:
        return w.And(tuple(parts[1:-1]), span=_over(*parts))

    def any_call(self, parts: list[Any]) -> w.Where:
        return w.Or(tuple(parts[1:-1]), span=_over(*parts))

    def condition(self, parts: list[Any]) -> w.Where:
        key, test = parts
        return test.plain(key.name, _over(key, test))

    def negated_condition(self, parts: list[Any]) -> w.Where:
        key, _, test = parts
        return test.negated(key.name, _over(key, test))

    def document_condition(self, parts: list[Test]) -> w.Where:
        return parts[0].plain("#document", parts[0].span)

    def negated_document_condition(self, parts: list[Any]) -> w.Where:
        return parts[1].negated("#document", _over(*parts))

    def comparison(self, parts: list[Token]) -> Test:
        kind, value = _COMPARISONS[str(parts[0])], self._value(parts[1])
        return _test(lambda key, span: kind(key, value, span=span), parts)

    def membership(self, parts: list[Any]) -> Test:
        given = parts[1] if isinstance(parts[1], Given) else Given(self._value(parts[1]), _of(parts[1]))
        values = given.value
        if not isinstance(values, (list, tuple, set, frozenset)):
            raise Mistake(f"IN takes a list, got {_told(values)}", given.span, ("a list",), "write IN ('a', 'b')")
        values = tuple(values)
        return _test(
            lambda key, span: w.In(key, values, span=span),
            [parts[0], given],
            lambda key, span: w.Nin(key, values, span=span),
        )

    def between(self, parts: list[Token]) -> Test:
        low, high = self._value(parts[1]), self._value(parts[2])

        def both(key: str, span: Span) -> w.Where:
            return w.And((w.Gte(key, low, span=span), w.Lte(key, high, span=span)), span=span)

        return _test(both, parts)

    def element(self, parts: list[Token]) -> Test:
        value = self._value(parts[1])
        return _test(
            lambda key, span: w.Contains(key, value, span=span),
            parts,
            lambda key, span: w.NotContains(key, value, span=span),
        )

    def pattern(self, parts: list[Token]) -> Test:
        pattern = self._text(parts[1], "MATCHES")
        return _test(
            lambda key, span: w.Regex(key, pattern, span=span),
            parts,
            lambda key, span: w.NotRegex(key, pattern, span=span),
        )

    def existence(self, parts: list[Token]) -> Test:
        return _test(
            lambda key, span: w.Exists(key, True, span=span),
            parts,
            lambda key, span: w.Exists(key, False, span=span),
        )

    def absence(self, parts: list[Token]) -> Test:
        is_there = len(parts) == 3  # IS NOT MISSING
        return _test(lambda key, span: w.Exists(key, is_there, span=span), parts)

    def string_test(self, parts: list[Token]) -> Test:
        kind = _STRING_TESTS[parts[0].type]
        text = self._text(parts[-1], " ".join(each.upper() for each in parts[:-1]))
        return _test(lambda key, span: kind(key, text, span=span), parts)

    def members(self, parts: list[Token]) -> Given:
        return Given(self._items(parts), _over(*parts))

    # --- ranks ---

    def sums(self, parts: list[Any]) -> Rank:
        return _folded(Sum, Sub, "PLUS", parts)

    def products(self, parts: list[Any]) -> Rank:
        return _folded(Mul, Div, "TIMES", parts)

    def minus(self, parts: list[Any]) -> Rank:
        return Mul((Val(-1, span=_of(parts[0])), as_rank(parts[1])), span=_over(*parts))

    def power(self, parts: list[Any]) -> Rank:
        return Pow(as_rank(parts[0]), as_rank(parts[2]), span=_over(*parts))

    def number(self, parts: list[Token]) -> Rank:
        return Val(self._value(parts[0]), span=_of(parts[0]))

    def parameter(self, parts: list[Token]) -> Given:
        return Given(self._value(parts[0]), _of(parts[0]))

    def field(self, parts: list[Name]) -> Rank:
        return Field(parts[0].name, span=parts[0].span)

    def parentheses(self, parts: list[Any]) -> Any:
        return parts[0]

    def call(self, parts: list[Any]) -> Called | Given:
        name = parts[0]
        return rank_functions.call(str(name), parts[1:-1], _of(name), _over(*parts))

    def if_call(self, parts: list[Any]) -> Rank:
        _, condition, then, otherwise, _ = parts
        return If(condition, as_rank(then), as_rank(otherwise), span=_over(*parts))

    def named(self, parts: list[Any]) -> rank_functions.Named:
        given = parts[2]
        if isinstance(given, Name):
            given = Given(given.name, given.span)
        elif not isinstance(given, Given):
            given = Given(self._value(given), _of(given))
        return rank_functions.Named(str(parts[0]), given, Span(parts[0].start_pos, given.span.end))

    def raw(self, parts: list[Any]) -> Given:
        return parts[0] if isinstance(parts[0], Given) else Given(self._value(parts[0]), _of(parts[0]))

    def bracketed(self, parts: list[Token]) -> Given:
        return Given(self._items(parts), _over(*parts))

    # --- words ---

    def key(self, parts: list[Token]) -> Name:
        return Name(read_name(str(parts[0])), _of(parts[0]))

    def _items(self, parts: Sequence[Token]) -> list[Any]:
        if parts[0].type == "LITERALS":
            return self._value(parts[0])
        return [self._value(each) for each in parts if each.type not in ("RPAR", "RSQB")]

    def _text(self, token: Token, what: str) -> str:
        value = self._value(token)
        if not isinstance(value, str):
            raise Mistake(f"{what} takes a string, got {_told(value)}", _of(token), ("a string in single quotes",))
        return value

    def _value(self, token: Token) -> Any:
        word = str(token)
        try:
            match token.type:
                case "STRING":
                    return read_string(word)
                case "NUMBER":
                    return read_number(word)
                case "LITERALS":
                    return read_list(word)
                case "SPARSE":
                    return read_sparse(word)
                case "PARAMETER":
                    return self._bound(token)
                case _:
                    return {"TRUE": True, "FALSE": False, "NULL": None}[token.type]
        except LiteralError as error:
            at = _of(token).start + error.offset
            message = str(error) or f"expected {listed(error.expected)}, got '{shown(word[error.offset])}'"
            raise Mistake(message, Span(at, at + 1), error.expected) from None

    def _bound(self, token: Token) -> Any:
        name = token[1:]
        if name not in self._params:
            close = nearest(name, (each for each in self._params if isinstance(each, str)))
            hint = f"did you mean ${close}?" if close else f"give its value in params={{'{shown(name)}': ...}}"
            raise Mistake(f"no value was given for the parameter ${shown(name)}", _of(token), hint=hint)
        self.used.add(name)
        return self._params[name]


def _test(
    plain: Callable[[str, Span], w.Where],
    parts: Sequence[Any],
    negated: Callable[[str, Span], w.Where] | None = None,
) -> Test:
    return Test(plain, negated or (lambda key, span: w.Not(plain(key, span), span=span)), _over(*parts))


def _joined(kind: type[w.And | w.Or], parts: Sequence[w.Where]) -> tuple[w.Where, ...]:
    return tuple(leaf for part in parts for leaf in (part.conditions if isinstance(part, kind) else (part,)))


def _folded(joining: type[Sum | Mul], dividing: type[Sub | Div], joining_word: str, parts: Sequence[Any]) -> Rank:
    """Fold `a + b - c ...` from the left; a run of joining operators makes one node, as in Python."""
    start = _of(parts[0]).start
    left, run = as_rank(parts[0]), None
    for word, part in zip(parts[1::2], parts[2::2], strict=True):
        right = as_rank(part)
        if word.type == joining_word:
            run = _operands(joining, left) if run is None else run
            run += _operands(joining, right)
            continue
        if run is not None:
            left = joining(run, span=Span(start, _of(word).start))
        left, run = dividing(left, right, span=Span(start, _of(part).end)), None
    return left if run is None else joining(run, span=_over(*parts))


def _operands(kind: type[Sum | Mul], rank: Rank) -> list[Rank]:
    return list(rank.ranks) if isinstance(rank, kind) else [rank]


def _of(part: Any) -> Span:
    """Return where a token, a node or another part stands."""
    if isinstance(part, str):
        return Span(part.start_pos, part.end_pos)  # type: ignore[attr-defined]  # strings in the tree are tokens
    return part.span or Span(0, 0)


def _over(*parts: Any) -> Span:
    return Span(_of(parts[0]).start, _of(parts[-1]).end)


def _told(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    words: dict[type, str] = {str: "a string", int: "a whole number", float: "a float", list: "a list"}
    return words.get(type(value), f"a {type(value).__name__}")
