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
from chroma_search.indexes.text.re2_writer import ALWAYS_RIGHT, RIGHT_IN_ASCII, assertions_of, re2_pattern
from chroma_search.indexes.text.regex_automaton import Automaton
from chroma_search.indexes.text.regex_literals import literals_of
from chroma_search.indexes.text.regex_parser import parse_regex


@dataclass(frozen=True, slots=True)
class CompiledRegex:
    """A pattern ready to run.

    Attributes:
        pattern: as the user wrote it.
        re2: RE2 pattern, right for ASCII texts when `is_right_in_ascii`, and for all texts without `automaton`.
        superset: RE2 pattern that finds at least what the pattern finds.
        literals: strings that every text with a match contains.
        is_right_in_ascii: False when even ASCII texts need the automaton.
        automaton: decides what RE2 cannot, or None.
    """

    pattern: str
    re2: str
    superset: str
    literals: tuple[str, ...]
    is_right_in_ascii: bool = True
    automaton: Automaton | None = None

    def matches(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Return for each text whether the pattern is found in it: bool, shape (len(texts),)."""
        if self.automaton is None:
            return re2_matches(string_array(texts), self.re2)
        is_ascii = np.fromiter((self.is_right_in_ascii and text.isascii() for text in texts), np.bool_, len(texts))
        hits = np.zeros(len(texts), np.bool_)
        for chosen, re2 in ((is_ascii, self.re2), (~is_ascii, self.superset)):
            if chosen.any():
                hits[chosen] = re2_matches(string_array(list(compress(texts, chosen.tolist()))), re2)
        unsure: list[int] = np.flatnonzero(hits & ~is_ascii).tolist()
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
    re2 = re2_pattern(tree, with_ascii_words=True)
    superset = re2_pattern(tree, with_ascii_words=False)
    for each in {re2, superset}:
        re2_matches(string_array([""]), each)  # RE2 says here whether the program fits
    asserted = assertions_of(tree)
    needs_automaton = not asserted <= ALWAYS_RIGHT.keys()
    return CompiledRegex(
        pattern,
        re2,
        superset,
        literals_of(tree),
        is_right_in_ascii=asserted <= ALWAYS_RIGHT.keys() | RIGHT_IN_ASCII.keys(),
        automaton=Automaton(tree) if needs_automaton else None,
    )


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
