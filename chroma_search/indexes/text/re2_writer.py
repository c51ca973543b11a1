"""A tree as RE2 patterns that are found in the same texts.

RE2 knows word boundaries of ASCII words only, and its programs grow with the tables of Unicode classes: `\\w{20}` runs
a hundred times slower than `[0-9A-Za-z_]{20}`. So a tree can be written *for ASCII texts*: classes cut down to ASCII,
word boundaries as `\\b`. For other texts word boundaries are left out, which gives a *superset*: whatever the pattern
finds and perhaps more (no negation could turn this around); the automaton confirms what was found.
"""

from __future__ import annotations

from chroma_search.errors import InvalidArgumentError
from chroma_search.indexes.text.regex_class import ascii_part, char_text
from chroma_search.indexes.text.regex_tree import Alternate, Assertion, Char, Concat, OneOfClass, Regex, Repeat

RE2_MAX_REPEAT = 1_000
"""RE2 refuses repeat counts that multiply to more."""
MAX_STATES = 100_000
"""Size of a pattern with its repetitions written out, in characters and classes; the crate's limit is 10 MB."""
SMALL_CLASS_CHARS = 40
"""A class written in so few characters is a handful of ranges."""
MAX_RE2_CHARS = 1_000_000

ALWAYS_RIGHT = {
    Assertion.TEXT_START: r"\A",
    Assertion.TEXT_END: r"\z",
    Assertion.LINE_START: "(?m:^)",
    Assertion.LINE_END: "(?m:$)",
    Assertion.ASCII_WORD: r"\b",
}
RIGHT_IN_ASCII = {Assertion.WORD: r"\b", Assertion.NOT_WORD: r"\B"}


def re2_pattern(tree: Regex, *, for_ascii: bool) -> str:
    """Return the RE2 pattern of a tree.

    Args:
        tree: the pattern.
        for_ascii: True for ASCII texts only; False for all texts, with the assertions that RE2 lacks left out.

    Raises:
        InvalidArgumentError: too large.
    """
    if n_states(tree) > MAX_STATES:
        raise InvalidArgumentError(
            "Regex syntax error: the pattern is too large when its repetitions are written out; use smaller counts"
        )
    return _text(tree, for_ascii)


def assertions_of(tree: Regex) -> frozenset[Assertion]:
    """Return the assertions that occur in a tree."""
    match tree:
        case Assertion():
            return frozenset((tree,))
        case Concat():
            return frozenset[Assertion]().union(*map(assertions_of, tree.parts))
        case Alternate():
            return frozenset[Assertion]().union(*map(assertions_of, tree.options))
        case Repeat():
            return assertions_of(tree.body)
        case Char() | OneOfClass():
            return frozenset()


def n_large_classes(tree: Regex) -> int:
    """Return how many Unicode classes a tree has with its repetitions written out."""
    match tree:
        case OneOfClass():
            return int(len(tree.re2) > SMALL_CLASS_CHARS or "\\p{" in tree.re2)
        case Concat():
            return sum(map(n_large_classes, tree.parts))
        case Alternate():
            return sum(map(n_large_classes, tree.options))
        case Repeat():
            return n_large_classes(tree.body) * max(1, tree.least, tree.most or 0)
        case Char() | Assertion():
            return 0


def n_states(tree: Regex) -> int:
    """Return how many characters and classes a tree has with its repetitions written out."""
    match tree:
        case Concat():
            return sum(map(n_states, tree.parts))
        case Alternate():
            return sum(map(n_states, tree.options)) + len(tree.options)
        case Repeat():
            return max(1, n_states(tree.body)) * max(1, tree.least, tree.most or 0)
        case Char() | OneOfClass() | Assertion():
            return 1


def _text(tree: Regex, for_ascii: bool) -> str:
    match tree:
        case Char():
            return f"(?i:{char_text(ord(tree.char))})" if tree.fold else char_text(ord(tree.char))
        case OneOfClass():
            return ascii_part(tree.re2) if for_ascii else tree.re2
        case Assertion():
            known = ALWAYS_RIGHT.get(tree)
            if known is None:
                known = RIGHT_IN_ASCII.get(tree, "") if for_ascii else ""
            return known or "(?:)"
        case Concat():
            return "".join(_text(each, for_ascii) for each in tree.parts) or "(?:)"
        case Alternate():
            return f"(?:{'|'.join(_text(each, for_ascii) for each in tree.options)})"
        case Repeat():
            return _repeat_text(tree, for_ascii)


def _repeat_text(tree: Repeat, for_ascii: bool) -> str:
    body = f"(?:{_text(tree.body, for_ascii)})"
    if tree.most == 0:
        return "(?:)"
    # RE2 bounds the product of nested counts, so a large count becomes several smaller ones in a row
    step = max(1, RE2_MAX_REPEAT // _repeat_factor(tree.body))
    full, rest = divmod(tree.least, step)
    parts = [f"{body}{{{step}}}"] * full + ([f"{body}{{{rest}}}"] if rest else [])
    if tree.most is None:
        parts.append(f"{body}*")
    else:
        full, rest = divmod(tree.most - tree.least, step)
        parts += [f"{body}{{0,{step}}}"] * full + ([f"{body}{{0,{rest}}}"] if rest else [])
    text = "".join(parts)
    if len(text) > MAX_RE2_CHARS:
        raise InvalidArgumentError(
            "Regex syntax error: nested repetitions make the pattern too large; use smaller counts"
        )
    return text


def _repeat_factor(tree: Regex) -> int:
    """Return the greatest product of nested repeat counts, as RE2 will see it."""
    match tree:
        case Concat():
            return max(map(_repeat_factor, tree.parts), default=1)
        case Alternate():
            return max(map(_repeat_factor, tree.options), default=1)
        case Repeat():
            inner = _repeat_factor(tree.body)
            count = max(tree.least, (tree.most or 0) - tree.least, 1)
            return inner * min(count, max(1, RE2_MAX_REPEAT // inner))
        case Char() | OneOfClass() | Assertion():
            return 1
