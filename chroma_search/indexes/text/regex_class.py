"""Character classes: the set algebra of Rust's regex syntax, written as RE2.

RE2 knows unions and one negation. Most classes are that, and are written as such. The rest - intersection `&&`,
difference `--`, symmetric difference `~~`, negated parts inside a union - is computed over all code points: RE2 itself
says which code points belong to each part (one pass, 50 ms, remembered), so there is one source of Unicode tables.
Case: under (?i) a set is closed over case before it is negated or combined, as in the regex crate.
"""

from __future__ import annotations

import functools
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
    """A set of characters as the inside of an RE2 class, or its complement. `is_closed`: case changes nothing."""

    re2: str
    is_negated: bool = False
    is_closed: bool = False


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
    return Items(char_text(first) if first == last else f"{char_text(first)}-{char_text(last)}")


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
    """Return which code points belong to the set: bool, shape (number of characters,), see `_universe`."""
    match part:
        case Items():
            if part.re2 == ANYTHING:
                return bits_of_text(ANYTHING)
            bits = bits_of_text(f"(?i:[{part.re2}])" if fold and not part.is_closed else f"[{part.re2}]")
            return ~bits if part.is_negated else bits
        case Bracket():
            bits = np.zeros(_n_characters(), np.bool_)
            for each in part.parts:
                bits = bits | _bits(each, fold)
            bits = _closed(bits) if fold else bits
            return ~bits if part.is_negated else bits
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


def _closed(bits: Bits) -> Bits:
    """Return the set with all cases of its characters."""
    text = text_of_bits(bits)
    return bits if text in (NOTHING, ANYTHING) else bits_of_text(f"(?i:{text})")


def text_of_bits(bits: Bits) -> str:
    """Return the RE2 class of a set of characters: bool, one for each character or for the first ones."""
    if bits.all():
        return ANYTHING
    if not bits.any():
        return NOTHING
    edges = np.flatnonzero(np.diff(bits.astype(np.int8), prepend=0, append=0))
    ranges = (range_items(_code(first), _code(last - 1)).re2 for first, last in edges.reshape(-1, 2).tolist())
    return f"[{''.join(ranges)}]"


def bits_of_text(re2: str) -> Bits:
    """Return which characters an RE2 expression for one character matches: bool, one per character, a new array."""
    return np.unpackbits(_packed_bits(re2), count=_n_characters()).view(np.bool_)


@functools.lru_cache(maxsize=512)
def ascii_part(re2: str) -> str:
    """Return an RE2 expression for the ASCII characters that an expression for one character matches."""
    return text_of_bits(re2_matches(string_array([chr(code) for code in range(128)]), re2))


def is_member(re2: str, char: str) -> bool:
    """Tell whether an RE2 expression for one character matches `char`, which is no surrogate."""
    code = ord(char)
    place = code if code < SURROGATES[0] else code - _N_SURROGATES
    return bool(_packed_bits(re2)[place >> 3] >> (7 - (place & 7)) & 1)


@functools.lru_cache(maxsize=64)  # 140 kB each
def _packed_bits(re2: str) -> NDArray[np.uint8]:
    return np.packbits(re2_matches(_universe(), re2))


_N_SURROGATES = SURROGATES[1] - SURROGATES[0] + 1


def _code(index: int) -> int:
    return index if index < SURROGATES[0] else index + _N_SURROGATES


def _n_characters() -> int:
    return MAX_CODE + 1 - _N_SURROGATES


@functools.cache
def _universe() -> Any:
    """Return every character but the surrogates as one Arrow string array, 9 MB."""
    import pyarrow as pa  # heavy

    codes = np.delete(np.arange(MAX_CODE + 1, dtype=np.uint32), np.arange(SURROGATES[0], SURROGATES[1] + 1))
    text = codes.tobytes().decode("utf-32-le" if np.little_endian else "utf-32-be").encode()
    sizes = 1 + (codes > 0x7F).astype(np.int32) + (codes > 0x7FF) + (codes > 0xFFFF)
    offsets = np.zeros(len(codes) + 1, np.int32)
    np.cumsum(sizes, out=offsets[1:])
    return pa.StringArray.from_buffers(len(codes), pa.py_buffer(offsets), pa.py_buffer(text))
