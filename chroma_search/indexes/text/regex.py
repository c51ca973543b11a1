"""Regular expressions as Chroma has them (Rust's regex crate), run by RE2: linear time on any pattern and text.

    pattern --parse--> tree --write--> RE2 patterns          (regex_parser, regex_class, re2_writer)
                         +--> literals for the trigram index (regex_literals)
                         +--> automaton, where RE2's word boundary is not enough (regex_automaton)

What differs from the crate stands in docs/regex.md; what cannot be answered alike is refused, never answered otherwise.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from chroma_search.indexes.text.re2 import re2_matches, string_array, without_surrogates
from chroma_search.indexes.text.re2_writer import (
    ALWAYS_RIGHT,
    RIGHT_IN_ASCII,
    assertions_of,
    n_large_classes,
    re2_pattern,
)
from chroma_search.indexes.text.regex_automaton import Automaton
from chroma_search.indexes.text.regex_literals import literals_of
from chroma_search.indexes.text.regex_parser import parse_regex

MANY_LARGE_CLASSES = 8
"""From so many Unicode classes on, ASCII texts are looked at apart, by a smaller program (see `re2_writer.py`)."""


@dataclass(frozen=True, slots=True)
class CompiledRegex:
    """A pattern ready to run.

    Attributes:
        pattern: as the user wrote it.
        literals: strings that every text with a match contains.
        re2: RE2 pattern for any text; with an automaton it may find too much.
        ascii_re2: RE2 pattern that is right for ASCII texts, or None when `re2` serves them as well.
        automaton: decides what RE2 cannot, or None.
    """

    pattern: str
    literals: tuple[str, ...]
    re2: str
    ascii_re2: str | None = None
    automaton: Automaton | None = None

    def matches(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Return for each text whether the pattern is found in it: bool, shape (len(texts),)."""
        if self.ascii_re2 is None:
            return self._found_in(texts)
        is_ascii = np.fromiter(map(str.isascii, texts), np.bool_, len(texts))
        hits = np.zeros(len(texts), np.bool_)
        if is_ascii.any():
            hits[is_ascii] = re2_matches(string_array(list(compress(texts, is_ascii.tolist()))), self.ascii_re2)
        if not is_ascii.all():
            hits[~is_ascii] = self._found_in(list(compress(texts, (~is_ascii).tolist())))
        return hits

    def _found_in(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        hits = re2_matches(string_array(texts), self.re2)
        if self.automaton is not None:
            unsure: list[int] = np.flatnonzero(hits).tolist()
            for at in unsure:
                hits[at] = self.automaton.matches(without_surrogates(texts[at]))
        return hits


@functools.lru_cache(maxsize=128)
def compile_regex(pattern: str) -> CompiledRegex:
    """Return a pattern ready to run; compiled patterns are remembered.

    Raises:
        InvalidArgumentError: "Regex syntax error ...": no pattern of the dialect, or one that cannot be answered.
    """
    tree = parse_regex(pattern)
    asserted = assertions_of(tree)
    needs_automaton = not asserted <= ALWAYS_RIGHT.keys()
    is_right_in_ascii = asserted <= ALWAYS_RIGHT.keys() | RIGHT_IN_ASCII.keys()
    re2 = re2_pattern(tree, for_ascii=False)
    ascii_re2 = None
    if is_right_in_ascii and (needs_automaton or n_large_classes(tree) >= MANY_LARGE_CLASSES):
        ascii_re2 = re2_pattern(tree, for_ascii=True)
    for each in (re2, ascii_re2):
        if each is not None:
            re2_matches(string_array([""]), each)  # RE2 says here whether the program fits
    return CompiledRegex(pattern, literals_of(tree), re2, ascii_re2, Automaton(tree) if needs_automaton else None)


def check_regex(pattern: str) -> None:
    """Refuse what is no pattern.

    Raises:
        InvalidArgumentError: "Regex syntax error ...".
    """
    compile_regex(pattern)


def required_literals(pattern: str) -> tuple[str, ...]:
    """Return strings that every text with a match contains; empty when none is certain.

    Raises:
        InvalidArgumentError: "Regex syntax error ...".
    """
    return compile_regex(pattern).literals
