"""How names and values are spelled in the text language: reading and writing, side by side so that they agree.

Reading a word that this module wrote gives the same name or value, its type included: 1 and 1.0 stay apart, NaN and
the infinities have spellings, and a name that is no plain word or equals a keyword is written in double quotes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from chroma_search.errors import InvalidArgumentError, InvalidInputError
from chroma_search.model.sparse_vector import SparseVector

KEYWORDS = frozenset(
    "all and any asc between by contains desc ends exists false group if iends in inf is istarts isubstring keep limit "
    "matches max min missing nan not null offset or order rank select starts substring true where with".split()
)
"""Words that `grammar.lark` reads as something else than a name somewhere; names like these are written in quotes."""

SPECIAL_NAMES = ("#id", "#document", "#embedding", "#metadata", "#score")

_NUMBER = r"-?(?:(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?|inf|nan)(?![\w.])"
_STRING = r"'[^']*(?:''[^']*)*'"
_BARE_NAME = re.compile(r"[^\W\d]\w*(?:\.\w+)*")
_KEYWORD = re.compile("|".join(KEYWORDS), re.IGNORECASE)  # as the grammar: 'ſ' is an 's' there, 'ı' an 'i'
_ITEM = re.compile(rf"(?:(?P<number>{_NUMBER})|(?P<string>{_STRING})|(?P<word>true|false|null)\b)\s*", re.IGNORECASE)
_PAIR = re.compile(rf"(?P<index>\d+)\s*:\s*(?P<number>{_NUMBER})\s*", re.IGNORECASE)
_SPACE = re.compile(r"\s*")
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None}


class LiteralError(ValueError):
    """A literal that cannot be read; the parser turns it into a QuerySyntaxError.

    Attributes:
        offset: 0-based character within the literal.
        expected: what could have stood there.
    """

    def __init__(self, message: str, offset: int = 0, expected: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.offset = offset
        self.expected = expected


def read_name(word: str) -> str:
    """Return the field name behind a bare word, a `#name`, or a name in double quotes or backticks."""
    quote = word[0]
    return word[1:-1].replace(quote * 2, quote) if quote in '"`' else word


def write_name(name: Any) -> str:
    """Return the spelling of a field name.

    Raises:
        InvalidArgumentError: no string.
    """
    if not isinstance(name, str):
        raise InvalidArgumentError(f"a field name must be a string to be written as text, got {type(name).__name__}")
    if name in SPECIAL_NAMES or (_BARE_NAME.fullmatch(name) and not _KEYWORD.fullmatch(name)):
        return str.__str__(name)
    return '"' + name.replace('"', '""') + '"'


def read_string(word: str) -> str:
    """Return the text between single quotes; two of them inside stand for one."""
    return word[1:-1].replace("''", "'")


def write_string(text: str) -> str:
    """Return `text` in single quotes."""
    return "'" + text.replace("'", "''") + "'"


def read_number(word: str) -> int | float:
    """Return an int for plain digits, a float for anything else.

    Raises:
        LiteralError: more digits than Python converts (4300).
    """
    try:
        return int(word) if word.lstrip("-").isdecimal() else float(word)
    except ValueError:
        raise LiteralError("this number cannot be read: too many digits") from None


def write_number(value: float) -> str:
    """Return the spelling of an int or float; `inf`, `-inf` and `nan` for what has no digits.

    Raises:
        InvalidArgumentError: more digits than Python converts (4300).
    """
    try:
        return float.__repr__(value) if isinstance(value, float) else int.__repr__(value)
    except ValueError:
        raise InvalidArgumentError("a number of more than 4300 digits cannot be written as text") from None


def write_value(value: Any) -> str:
    """Return the spelling of a string, number, bool or None.

    Raises:
        InvalidArgumentError: any other value has none: it stands in a text as a parameter.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return write_number(value)
    if isinstance(value, str):
        return write_string(value)
    raise InvalidArgumentError(f"a {type(value).__name__} cannot be written as text: pass it as a parameter")


def read_list(word: str) -> list[Any]:
    """Return the values of a bracketed list of plain values; a comma may stand after the last.

    Raises:
        LiteralError: anything else between the brackets.
    """
    values: list[Any] = []
    for found in _elements(word, _ITEM, ("a number", "a string in single quotes", "true", "false", "null", "]")):
        values.append(_item(found))
    return values


def _elements(word: str, element: re.Pattern[str], expected: tuple[str, ...]) -> Iterator[re.Match[str]]:
    at, end = _skip_space(word, 1), len(word) - 1
    while at < end:
        found = element.match(word, at, end)
        if found is None:
            raise LiteralError("", at, expected)
        yield found
        at = found.end()
        if at < end and word[at] != ",":
            raise LiteralError("", at, (",", expected[-1]))
        at = _skip_space(word, at + 1)


def _skip_space(word: str, at: int) -> int:
    found = _SPACE.match(word, at)
    return found.end() if found else at


def _item(found: re.Match[str]) -> Any:
    if found["number"] is not None:
        return _number(found)
    return read_string(found["string"]) if found["string"] is not None else _WORDS[found["word"].casefold()]


def _number(found: re.Match[str], group: str = "number") -> int | float:
    try:
        return read_number(found[group])
    except LiteralError as error:
        raise LiteralError(str(error), found.start(group)) from None


def write_list(values: Any) -> str:
    """Return the spelling of a list of plain values."""
    return "[" + ", ".join(map(write_value, values)) + "]"


def write_vector(query: Any) -> str:
    """Return the spelling of a dense vector, shape (dim,) or (1, dim); of an array the shortest exact in float32."""
    if isinstance(query, np.ndarray):
        array = query[0] if query.ndim == 2 and len(query) == 1 else query
        if array.ndim != 1 or array.dtype.kind not in "iuf":
            raise InvalidArgumentError(f"an array of {array.dtype}, shape {array.shape} cannot be written as text")
        if array.dtype.kind != "f":
            return write_list(array.tolist())
        with np.errstate(over="ignore"):
            shortest = map(float, map(str, array.astype(np.float32)))  # what numpy writes differs by its version
            return "[" + ", ".join(map(repr, shortest)) + "]"
    nested = len(query) == 1 and isinstance(query[0], (list, tuple, np.ndarray))
    return write_vector(query[0]) if nested else write_list(query)


def read_sparse(word: str) -> dict[int, int | float]:
    """Return the entries of `{index: value, ...}`.

    Raises:
        LiteralError: anything else between the braces, the same index twice.
    """
    entries: dict[int, int | float] = {}
    for found in _elements(word, _PAIR, ("index: value", "}")):
        index = int(_number(found, "index"))
        if index in entries:
            raise LiteralError(f"the index {index} stands here twice", found.start())
        entries[index] = _number(found)
    return entries


def write_sparse(query: SparseVector) -> str:
    """Return the spelling of a sparse vector: `sparse({1: 0.5}, tokens=['a'])`."""
    pairs = zip(query.indices, query.values, strict=True)
    entries = ", ".join(f"{write_number(index)}: {write_number(value)}" for index, value in pairs)
    tokens = "" if query.labels is None else f", tokens={write_list(query.labels)}"
    return f"sparse({{{entries}}}{tokens})"


def make_sparse(entries: dict[int, int | float], tokens: list[str] | None) -> SparseVector:
    """Return the sparse vector of entries in any order; `tokens` go with the entries as written.

    Raises:
        LiteralError: tokens of another number, a value that is not finite.
    """
    order = sorted(range(len(entries)), key=list(entries).__getitem__)
    indices, values = list(entries), list(entries.values())
    if tokens is not None and len(tokens) != len(entries):
        raise LiteralError(f"sparse has {len(entries)} entries and {len(tokens)} tokens: one token per entry")
    labels = None if tokens is None else [tokens[at] for at in order]
    try:
        return SparseVector([indices[at] for at in order], [values[at] for at in order], labels)
    except (InvalidInputError, OverflowError) as error:
        raise LiteralError(str(error)) from None
