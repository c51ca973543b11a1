"""Character classes: the set algebra of Rust's regex syntax, written as RE2.

RE2 knows unions and one negation. Most classes are that, and are written as such. The rest - intersection `&&`,
difference `--`, symmetric difference `~~`, negated parts inside a union - is computed over all code points: RE2 itself
says which code points belong to each part (one pass, 20 ms, remembered), so there is one source of Unicode tables.
Case: under (?i) a set is closed over case before it is negated or combined, as in the regex crate.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chroma_search.errors import InternalError
from chroma_search.indexes.text.re2 import re2_matches, string_array

Bits = NDArray[np.bool_]

MAX_CODE = 0x10FFFF
SURROGATES = (0xD800, 0xDFFF)
ANYTHING = "(?s:.)"
N_CODES = MAX_CODE + 1
UNIFORM = ((0x40000, 0xDFFFF), (0xE1000, 0xEFFFF), (0xF0000, 0xFFFFD), (0x100000, 0x10FFFD))
"""Stretches, unassigned or private, whose code points all have the same properties: one of each is looked at."""
NOTHING = f"[^\\x00-\\x{{{MAX_CODE:X}}}]"

DIGIT_ITEMS = r"\p{Nd}"
SPACE_ITEMS = r"\t-\r \x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}"
WORD_ITEMS = (
    r"\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\x{200C}\x{200D}"
    # symbols that count as alphabetic: circled and squared letters
    r"\x{24B6}-\x{24E9}\x{1F130}-\x{1F149}\x{1F150}-\x{1F169}\x{1F170}-\x{1F189}"
)
"""\\w by Unicode Technical Standard 18, Annex C: alphabetic, mark, decimal digit, connector, join control."""


@dataclass(frozen=True, slots=True)
class Items:
    """A set of characters as the inside of an RE2 class, or its complement.

    Attributes:
        re2: the inside of the class.
        is_negated: the set is the complement of that.
        is_closed: case changes nothing.
        span: first and last code point, when the set is one range.
    """

    re2: str
    is_negated: bool = False
    is_closed: bool = False
    span: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Bracket:
    """A union of parts, or its complement."""

    parts: tuple[ClassPart, ...]
    is_negated: bool = False


@dataclass(frozen=True, slots=True)
class SetOperation:
    """`&&`, `--` or `~~` of two sets."""

    op: str
    left: ClassPart
    right: ClassPart


ClassPart: TypeAlias = Items | Bracket | SetOperation


def char_text(code: int) -> str:
    """Return the RE2 spelling of one character, inside and outside of a class."""
    char = chr(code)
    return char if char.isascii() and char.isalnum() else f"\\x{{{code:X}}}"


def range_items(first: int, last: int) -> Items:
    """Return the characters from `first` to `last`."""
    text = char_text(first) if first == last else f"{char_text(first)}-{char_text(last)}"
    return Items(text, span=(first, last))


def class_text(part: ClassPart, fold: bool) -> str:
    """Return an RE2 expression that matches one character of the set; `fold` under (?i)."""
    simple = _simple(part, fold)
    if simple is None:
        return text_of_bits(_bits(part, fold))
    if simple.re2 == ANYTHING:
        return ANYTHING
    written = f"[{'^' if simple.is_negated else ''}{simple.re2}]"
    return f"(?i:{written})" if fold and not simple.is_closed else written


def is_computed(part: ClassPart, fold: bool) -> bool:
    """Tell whether `class_text` has to compute over all code points (some 0.1 s per part not seen before)."""
    return _simple(part, fold) is None


def _simple(part: ClassPart, fold: bool) -> Items | None:
    """Return the set as one RE2 class, or None when it is none."""
    if isinstance(part, Items):
        return part
    if isinstance(part, SetOperation):
        return None
    parts = [_simple(each, fold) for each in part.parts]
    known = [each for each in parts if each is not None]
    if len(known) < len(parts) or not known:
        return None
    if len(known) == 1 and (not known[0].is_negated or not fold or known[0].is_closed):
        only = known[0]
        if only.re2 == ANYTHING:
            return None if part.is_negated else only
        return Items(only.re2, only.is_negated != part.is_negated, only.is_closed)
    if any(each.re2 == ANYTHING for each in known):
        return None if part.is_negated else Items(ANYTHING, is_closed=True)
    if any(each.is_negated for each in known):
        plain = {each.re2 for each in known if not each.is_negated}
        if not part.is_negated and any(each.is_negated and each.re2 in plain for each in known):
            return Items(ANYTHING, is_closed=True)  # [\s\S] and its like
        return None
    text = "".join(dict.fromkeys(each.re2 for each in known))
    return Items(text, part.is_negated, all(each.is_closed for each in known))


def _bits(part: ClassPart, fold: bool) -> Bits:
    """Return which code points belong to the set: bool, shape (N_CODES,); surrogates never do."""
    match part:
        case Items():
            if part.span is not None:
                bits = np.zeros(N_CODES, np.bool_)
                bits[part.span[0] : part.span[1] + 1] = True
            elif part.re2 == ANYTHING:
                bits = np.ones(N_CODES, np.bool_)
            else:  # without negation the bracket around closes the set over case
                needs_fold = fold and part.is_negated and not part.is_closed
                bits = bits_of_text(f"(?i:[{part.re2}])" if needs_fold else f"[{part.re2}]")
            return _characters(~bits if part.is_negated else bits)
        case Bracket():
            bits = np.zeros(N_CODES, np.bool_)
            for each in part.parts:
                bits |= _bits(each, fold)
            bits = _closed(bits) if fold else bits
            return _characters(~bits) if part.is_negated else bits
        case SetOperation():
            left, right = _bits(part.left, fold), _bits(part.right, fold)
            if fold:
                left, right = _closed(left), _closed(right)
            match part.op:
                case "&&":
                    return left & right
                case "--":
                    return left & ~right
                case "~~":
                    return left ^ right
                case _:
                    raise InternalError(f"no set operation {part.op!r}", invariant="the parser knows &&, -- and ~~")


def _characters(bits: Bits) -> Bits:
    """Return the set without surrogates, in place."""
    bits[SURROGATES[0] : SURROGATES[1] + 1] = False
    return bits


def _closed(bits: Bits) -> Bits:
    """Return the set with all cases of its characters."""
    text = text_of_bits(bits)
    return bits if text in (NOTHING, ANYTHING) else bits_of_text(f"(?i:{text})")


def text_of_bits(bits: Bits) -> str:
    """Return the RE2 class of a set: bool, one per code point from 0."""
    if not bits.any():
        return NOTHING
    edges = np.flatnonzero(np.diff(bits.astype(np.int8), prepend=0, append=0))
    ranges: list[list[int]] = edges.reshape(-1, 2).tolist()
    if ranges in ([[0, len(bits)]], [[0, SURROGATES[0]], [SURROGATES[1] + 1, N_CODES]]):
        return ANYTHING
    return f"[{''.join(range_items(first, end - 1).re2 for first, end in ranges)}]"


def bits_of_text(re2: str) -> Bits:
    """Return which code points an RE2 expression for one character matches: bool, shape (N_CODES,), a new array."""
    return np.unpackbits(_packed_bits(re2), count=N_CODES).view(np.bool_)


@functools.lru_cache(maxsize=512)
def ascii_part(re2: str) -> str:
    """Return an RE2 expression for the ASCII characters that an expression for one character matches."""
    return text_of_bits(_ascii_bits(re2))


def is_member(re2: str, char: str) -> bool:
    """Tell whether an RE2 expression for one character matches `char`, which is no surrogate."""
    code = ord(char)
    if code < 128:
        return bool(_ascii_bits(re2)[code])
    return bool(_packed_bits(re2)[code >> 3] >> (7 - (code & 7)) & 1)


@functools.lru_cache(maxsize=512)
def _ascii_bits(re2: str) -> Bits:
    return re2_matches(string_array([chr(code) for code in range(128)]), re2)


@functools.lru_cache(maxsize=64)  # 140 kB each
def _packed_bits(re2: str) -> NDArray[np.uint8]:
    codes, texts = code_points()
    named = {int(code, 16) for code in re.findall(r"\\x\{([0-9A-F]+)\}", re2)}
    is_uniform = not any(first <= code <= last for code in named for first, last in UNIFORM)
    if not is_uniform:
        codes = np.delete(np.arange(N_CODES), np.arange(SURROGATES[0], SURROGATES[1] + 1))
        texts = string_array(list(map(chr, codes.tolist())))
    bits = np.zeros(N_CODES, np.bool_)
    bits[codes] = re2_matches(texts, re2)
    for first, last in UNIFORM if is_uniform else ():
        bits[first : last + 1] = bits[first]
    return np.packbits(bits)


@functools.cache
def code_points() -> tuple[NDArray[np.int64], Any]:
    """Return code points, one of each uniform stretch, no surrogates, and their characters as an Arrow array."""
    is_listed = np.ones(N_CODES, np.bool_)
    for first, last in (*UNIFORM, SURROGATES):
        is_listed[first : last + 1] = False
    is_listed[[first for first, _ in UNIFORM]] = True
    codes = np.flatnonzero(is_listed)
    return codes, string_array(list(map(chr, codes.tolist())))
