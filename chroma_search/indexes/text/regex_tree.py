"""The tree of a regular expression: what the parser makes and the RE2 writer, the automaton and the literals read.

Flags are resolved by the parser: a node means the same wherever it stands. Groups and lazy repetition leave no trace,
because the only question ever asked is whether a text has a match.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias


class Assertion(Enum):
    """A condition on the place between two characters. The word is Unicode's unless the name says ASCII."""

    TEXT_START = "text start"
    TEXT_END = "text end"
    LINE_START = "line start"
    LINE_END = "line end"
    CRLF_LINE_START = "line start, \\r\\n ends lines"
    CRLF_LINE_END = "line end, \\r\\n ends lines"
    WORD = "word boundary"
    NOT_WORD = "no word boundary"
    ASCII_WORD = "ASCII word boundary"
    WORD_START = "start of word"
    WORD_END = "end of word"
    WORD_START_HALF = "no word character before"
    WORD_END_HALF = "no word character after"


@dataclass(frozen=True, slots=True)
class Char:
    """One character; with `fold` also its other cases."""

    char: str
    fold: bool = False


@dataclass(frozen=True, slots=True)
class OneOfClass:
    """One character of a class; `re2` is a self-contained RE2 expression for it."""

    re2: str


@dataclass(frozen=True, slots=True)
class Concat:
    """The parts one after the other; no parts match the empty string."""

    parts: tuple[Regex, ...] = ()


@dataclass(frozen=True, slots=True)
class Alternate:
    """One of the options."""

    options: tuple[Regex, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """`least` to `most` (None: any number) of the body in a row."""

    body: Regex
    least: int
    most: int | None


Regex: TypeAlias = Char | OneOfClass | Assertion | Concat | Alternate | Repeat

EMPTY = Concat()


def joined(parts: list[Regex]) -> Regex:
    """Return the concatenation of the parts."""
    return parts[0] if len(parts) == 1 else Concat(tuple(parts))
