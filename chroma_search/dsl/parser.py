"""The front door of the text language: text and parameters in, nodes out.

Texts are bounded in length and in words before they are parsed, nodes in depth and number after it, so that no text
takes longer than some tens of milliseconds and none ends in a RecursionError. Whether the result has a meaning
(`LIMIT -1`, `x = null`) is for `validation.py` to say, as with the other two spellings.

lark and the grammar are loaded with the first text: 0.2 s once per process.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chroma_search.dsl.expected import hint_for, summary, words_for
from chroma_search.dsl.group_by import GroupBy
from chroma_search.dsl.mistake import Mistake, as_syntax_error, shown
from chroma_search.dsl.node import Span, check_bounds
from chroma_search.dsl.rank import Rank
from chroma_search.dsl.search import SearchClauses
from chroma_search.dsl.suggest import nearest
from chroma_search.dsl.transformer import Transformer
from chroma_search.dsl.where import Where
from chroma_search.errors import InvalidArgumentError, WrongTypeError

if TYPE_CHECKING:
    from lark import Lark, Token, Tree

MAX_CHARACTERS = 65_536
"""Longest text; a vector of 3,072 numbers takes about 40,000 characters."""

MAX_WORDS = 2_000
"""Most words in a text. The parser takes 5 to 10 us a word; a list of plain values in brackets counts as one."""

MAX_REMEMBERED = 4_096
"""Longest text whose tree is kept for the next call, in characters."""

_STARTS = ("search", "where_text", "where_document_text", "rank_text", "group_by_text")
_WORD = re.compile(r"--[^\n]*|'[^']*'|\[(?:[\s,\w.+]|-(?!-)|'[^']*')*\]|\w+|[^\s\w]")


def parse_search(text: str, params: Mapping[str, Any] | None = None, *, fields: Collection[str] = ()) -> SearchClauses:
    """Parse a whole search, such as `WHERE year > 2020 RANK knn($q) LIMIT 5`.

    Args:
        text: the clauses, in any order, each at most once.
        params: values of the `$name` parameters; a value never becomes syntax.
        fields: known metadata fields, for "did you mean".

    Returns:
        the clauses; each node knows its span in the text.

    Raises:
        QuerySyntaxError: with line, column and what was expected; a parameter without a value.
        InvalidArgumentError: a value without a parameter, a text too long or nested too deep.
        WrongTypeError: no string, or parameters that are no mapping.
    """
    return _parse("search", text, params, fields)


def parse_where(text: str, params: Mapping[str, Any] | None = None, *, fields: Collection[str] = ()) -> Where:
    """Parse a filter, such as `year > 2020 AND lang = 'en'`; see `parse_search`."""
    return _parse("where_text", text, params, fields)


def parse_where_document(text: str, params: Mapping[str, Any] | None = None) -> Where:
    """Parse a filter on the document, without a key: `CONTAINS 'fox' AND NOT MATCHES '(?i)draft'`."""
    return _parse("where_document_text", text, params, ())


def parse_rank(text: str, params: Mapping[str, Any] | None = None, *, fields: Collection[str] = ()) -> Rank:
    """Parse a rank, such as `knn($q) * 0.8 + bm25('sso') * 0.2`; see `parse_search`."""
    return _parse("rank_text", text, params, fields)


def parse_group_by(text: str, params: Mapping[str, Any] | None = None, *, fields: Collection[str] = ()) -> GroupBy:
    """Parse a grouping, such as `area KEEP 2 MIN #score`; see `parse_search`."""
    return _parse("group_by_text", text, params, fields)


def _parse(start: str, text: str, params: Mapping[str, Any] | None, fields: Collection[str]) -> Any:
    if not isinstance(text, str):
        raise WrongTypeError(f"a query text must be a string, got {type(text).__name__}")
    if params is not None and not isinstance(params, Mapping):
        raise WrongTypeError(f"params must be a mapping of names to values, got {type(params).__name__}")
    _check_length(text)
    transformer = Transformer(params or {})
    try:
        tree = _remembered_tree(start, text) if len(text) <= MAX_REMEMBERED else _tree(start, text)
        built = transformer.build(tree)
    except _Unexpected as error:
        raise as_syntax_error(text, error.mistake(start, text, fields)) from None
    except Mistake as mistake:
        raise as_syntax_error(text, mistake) from None
    _check_used(params or {}, transformer.used)
    for node, what in ((built.where, "filter"), (built.rank, "rank")) if start == "search" else ((built, "text"),):
        if node is not None:
            check_bounds(node, what)
    return built


def _check_length(text: str) -> None:
    if len(text) > MAX_CHARACTERS:
        raise InvalidArgumentError(
            f"a query text has at most {MAX_CHARACTERS} characters, got {len(text)}: pass long values as parameters"
        )
    for n_words, _ in enumerate(_WORD.finditer(text), start=1):
        if n_words > MAX_WORDS:
            raise InvalidArgumentError(
                f"a query text has at most {MAX_WORDS} words: pass long lists as parameters, as in IN $ids"
            )


def _check_used(params: Mapping[Any, Any], used: set[str]) -> None:
    for name in params:
        if name not in used:
            close = nearest(str(name)[:100].lstrip("$"), used)
            hint = f"did you mean {close}?" if close else f"the text has {_all(used)}"
            raise InvalidArgumentError(f"the parameter '{shown(str(name)[:100])}' is not in the text: {hint}")


def _all(names: set[str]) -> str:
    return ", ".join(f"${shown(each)}" for each in sorted(names)[:10]) or "no parameters"


class _Unexpected(Exception):
    """A word where the grammar has no place for it; kept apart from Mistake, which would need the text."""

    def __init__(self, start: int, end: int, terminals: frozenset[str]) -> None:
        super().__init__(start)
        self.span = Span(start, end)
        self.terminals = terminals

    def mistake(self, rule: str, text: str, fields: Collection[str]) -> Mistake:
        """Return the mistake as it is shown."""
        start, end = self.span.start, self.span.end
        got = f"'{shown(text[start:end])}'" if start < len(text) else "the end of the text"
        terminals = self.terminals
        hint = hint_for(text, start, terminals, fields, rule)
        return Mistake(f"expected {summary(terminals)}, got {got}", self.span, words_for(terminals), hint)


@lru_cache(maxsize=256)
def _remembered_tree(start: str, text: str) -> Tree[Token]:
    return _tree(start, text)


def _tree(start: str, text: str) -> Tree[Token]:
    from lark.exceptions import UnexpectedCharacters, UnexpectedToken  # heavy: see the top of the file

    try:
        return _grammar().parse(text, start=start)
    except UnexpectedToken as error:
        at_end = error.token.type == "$END"
        first = len(text) if at_end else error.token.start_pos
        span = (first or 0, len(text) if at_end else error.token.end_pos)
        terminals = _acceptable(error.state)
    except UnexpectedCharacters as error:
        span = (error.pos_in_stream, error.pos_in_stream + 1)
        terminals = _acceptable(error.state)
    raise _Unexpected(*span, terminals)


@lru_cache(maxsize=1)
def _grammar() -> Lark:
    """Return the compiled grammar, made once per process."""
    from lark import Lark  # heavy: see the top of the file

    grammar = Path(__file__).with_name("grammar.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", lexer="contextual", start=list(_STARTS), maybe_placeholders=False)


def _acceptable(state: Any) -> frozenset[str]:
    """Return the terminals that the parser could have gone on with.

    The row of the LALR table alone has too many: it also names what only other contexts allow after a reduction. So
    each is tried on a copy of the stack.
    """
    table = state.parse_conf.states
    return frozenset(each for each in table[state.position] if each.isupper() and _can_take(state, table, each))


def _can_take(state: Any, table: Any, terminal: str) -> bool:
    stack = list(state.state_stack)
    while True:
        step = table[stack[-1]].get(terminal)
        if step is None:
            return False
        rule = step[1]
        if not hasattr(rule, "expansion"):  # a shift: the argument is a state
            return True
        if rule.expansion:
            del stack[-len(rule.expansion) :]
        stack.append(table[stack[-1]][rule.origin.name][1])
        if terminal == "$END" and stack[-1] == state.parse_conf.end_state:
            return True
