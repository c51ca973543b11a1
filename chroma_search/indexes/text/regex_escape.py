"""Backslash escapes of Rust's regex syntax, inside and outside of classes."""

from __future__ import annotations

from chroma_search.errors import InvalidArgumentError
from chroma_search.indexes.text.regex_class import DIGIT_ITEMS, MAX_CODE, SPACE_ITEMS, SURROGATES, WORD_ITEMS, Items
from chroma_search.indexes.text.regex_property import property_items
from chroma_search.indexes.text.regex_reader import Reader
from chroma_search.indexes.text.regex_tree import Assertion

_CONTROLS = {"a": "\a", "f": "\f", "t": "\t", "n": "\n", "r": "\r", "v": "\v"}
_CLASSES = {
    "d": Items(DIGIT_ITEMS, is_closed=True),
    "s": Items(SPACE_ITEMS, is_closed=True),
    "w": Items(WORD_ITEMS, is_closed=True),
    "D": Items(DIGIT_ITEMS, is_negated=True, is_closed=True),
    "S": Items(SPACE_ITEMS, is_negated=True, is_closed=True),
    "W": Items(WORD_ITEMS, is_negated=True, is_closed=True),
}
_ASSERTIONS = {
    "A": Assertion.TEXT_START,
    "z": Assertion.TEXT_END,
    "b": Assertion.WORD,
    "B": Assertion.NOT_WORD,
    "<": Assertion.WORD_START,
    ">": Assertion.WORD_END,
}
_NAMED_BOUNDARIES = {
    "start": Assertion.WORD_START,
    "end": Assertion.WORD_END,
    "start-half": Assertion.WORD_START_HALF,
    "end-half": Assertion.WORD_END_HALF,
}
_HEX_DIGITS = {"x": 2, "u": 4, "U": 8}
_ADVICE = {
    "Z": "the end of the text is \\z",
    "Q": "escape each character by itself",
    "k": "backreferences are not supported",
    "K": "look-behind is not supported",
    "G": "match the text from its start with \\A",
    "h": "write [\\t\\p{Zs}]",
    "R": "write (?:\\r\\n|[\\n\\v\\f\\r])",
    "X": "write \\P{M}\\p{M}*",
    "N": "write .",
    "C": "a pattern matches characters, not bytes",
}


def parse_escape(reader: Reader) -> str | Items | Assertion:
    """Read an escape whose backslash comes next; return a character, a class or an assertion.

    Raises:
        InvalidArgumentError: an escape that is none.
    """
    start = reader.position
    reader.take("an escape")
    char = reader.take("an escape")
    if char in _HEX_DIGITS:
        return _parse_hex(reader, _HEX_DIGITS[char], start)
    if char in "pP":
        return _parse_property(reader, is_negated=char == "P", start=start)
    if char == "b" and reader.peek() == "{":
        return _parse_named_boundary(reader) or Assertion.WORD
    for table in (_CLASSES, _ASSERTIONS, _CONTROLS):
        if char in table:
            return table[char]
    if char in "0123456789":
        reader.refuse("backreferences are not supported", start)
    if not char.isascii() or char.isalnum():
        advice = _ADVICE.get(char, f"for the character itself write {char}")
        reader.refuse(f"unrecognized escape sequence \\{char}; {advice}", start)
    return char


def _parse_hex(reader: Reader, n_digits: int, start: int) -> str:
    reader.skip_space()
    if reader.take_if("{"):
        digits = ""
        while (char := _next_digit(reader)) != "}":
            digits += char
    else:
        digits = "".join(_next_digit(reader) for _ in range(n_digits))
    if not digits:
        reader.refuse("an escape by number needs hexadecimal digits, as in \\x{1F600}", start)
    if any(each not in "0123456789abcdefABCDEF" for each in digits):
        reader.refuse(f"not hexadecimal: {digits}", start)
    code = int(digits, 16)
    if code > MAX_CODE or SURROGATES[0] <= code <= SURROGATES[1]:
        reader.refuse(f"{digits} is no Unicode character", start)
    return chr(code)


def _next_digit(reader: Reader) -> str:
    reader.skip_space()
    return reader.take("an escape by number")


def _parse_property(reader: Reader, *, is_negated: bool, start: int) -> Items:
    reader.skip_space()
    name = reader.take("a Unicode property")
    if name == "{":
        name = ""
        while (char := _next_digit(reader)) != "}":
            name += char
    try:
        return property_items(name, is_negated)
    except InvalidArgumentError as error:
        reader.refuse(str(error), start)


def _parse_named_boundary(reader: Reader) -> Assertion | None:
    """Read `{start}` after `\\b`; None when the brace opens a repeat count."""
    start = reader.position
    reader.take("\\b{")
    reader.skip_space()
    name = ""
    while reader.peek() and (reader.peek() == "-" or (reader.peek().isascii() and reader.peek().isalpha())):
        name += reader.take("\\b{")
        reader.skip_space()
    if not name:
        reader.position = start
        return None
    if name not in _NAMED_BOUNDARIES or not reader.take_if("}"):
        reader.refuse(f"a word boundary is one of {', '.join(_NAMED_BOUNDARIES)}, got {name!r}", start)
    return _NAMED_BOUNDARIES[name]
