"""Patterns of Rust's regex crate to a tree (`regex_tree.py`): its syntax, its flags, its errors, nothing of Perl's.

Deliberate differences, listed in docs/regex.md: fewer Unicode properties, `(?-u)` only around `\\b`, nesting to 100.
Everything else that the crate refuses is refused, and everything that it reads differently from RE2 or Python's `re` is
read as it does. Source: the documentation of the crates regex and regex-syntax, checked against Chroma itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from chroma_search.errors import InvalidArgumentError
from chroma_search.indexes.text.regex_class import ANYTHING, ClassPart, Items, class_text, is_computed
from chroma_search.indexes.text.regex_class_parser import parse_bracket
from chroma_search.indexes.text.regex_escape import parse_escape
from chroma_search.indexes.text.regex_reader import SPACES, Reader
from chroma_search.indexes.text.regex_tree import (
    Alternate,
    Assertion,
    Char,
    OneOfClass,
    Regex,
    Repeat,
    joined,
)

MAX_PATTERN_CHARS = 10_000
MAX_NESTING = 100
"""Groups and classes inside one another; bounds the recursion of everything that walks the tree."""
MAX_COMPUTED_CLASSES = 16
"""Classes that take a pass over all code points; bounds the time that reading a pattern takes."""
MAX_REPEAT = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Flags:
    """The flags that change what a pattern matches; `U` (lazy) and groups' names do not."""

    i: bool = False
    m: bool = False
    s: bool = False
    x: bool = False
    R: bool = False
    u: bool = True
    U: bool = False


def parse_regex(pattern: str) -> Regex:
    """Return the tree of a pattern.

    Raises:
        InvalidArgumentError: "Regex syntax error ...": the place, what is wrong, what to write instead.
    """
    if len(pattern) > MAX_PATTERN_CHARS:
        raise InvalidArgumentError(
            f"Regex syntax error: a pattern has at most {MAX_PATTERN_CHARS} characters, got {len(pattern)}; "
            "use several conditions joined by $or"
        )
    reader = Reader(pattern)
    if not pattern.isascii() and any("\ud800" <= char <= "\udfff" for char in pattern):
        reader.refuse("a lone surrogate is no Unicode character")
    return _Parser(reader).whole()


class _Parser:
    """Recursive descent; one method call per nested group."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._flags = Flags()
        self._names: set[str] = set()
        self._n_computed = 0

    def whole(self) -> Regex:
        tree = self._alternation(0)
        if not self._reader.is_at_end:
            self._reader.refuse("a ) without its (; write \\) for the character")
        return tree

    def _alternation(self, depth: int) -> Regex:
        """Read up to the end or to the `)` of the group."""
        reader = self._reader
        options: list[Regex] = []
        items: list[Regex] = []
        has_atom = False  # whether a repetition operator may follow
        while True:
            reader.skip_space()
            char = reader.peek()
            if char in ("", ")"):
                break
            if char == "|":
                reader.position += 1
                options.append(joined(items))
                items = []
                has_atom = False
            elif char in "*+?{":
                if not has_atom:
                    reader.refuse(f"nothing to repeat before {char}; write \\{char} for the character")
                items[-1] = self._repeated(items[-1])
            else:
                found = self._group(depth) if char == "(" else self._atom(depth)
                has_atom = found is not None
                if found is not None:
                    items.append(found)
        return Alternate((*options, joined(items))) if options else joined(items)

    # --- repetition -------------------------------------------------------------------------------------------------

    def _repeated(self, body: Regex) -> Repeat:
        reader = self._reader
        match reader.take("a repetition"):
            case "*":
                least, most = 0, None
            case "+":
                least, most = 1, None
            case "?":
                least, most = 0, 1
            case _:
                least, most = self._counts()
        reader.take_if("?")  # lazy or not: there is a match either way
        return Repeat(body, least, most)

    def _counts(self) -> tuple[int, int | None]:
        """Read `n}`, `n,}` or `n,m}`, and in verbose mode the space behind."""
        reader = self._reader
        start = reader.position
        least = self._number()
        most: int | None = least
        if reader.take_if(","):
            reader.skip_space()
            most = None if reader.peek() == "}" else self._number()
        if not reader.take_if("}"):
            reader.refuse("a repetition is {n}, {n,} or {n,m}; write \\{ for the character", start)
        if most is not None and least > most:
            reader.refuse(f"a repetition ascends, got {{{least},{most}}}", start)
        reader.skip_space()
        return least, most

    def _number(self) -> int:
        reader = self._reader
        start = reader.position
        self._skip_any_space()
        digits = ""
        while reader.peek() and reader.peek() in "0123456789":
            digits += reader.take("a repetition")
            reader.skip_space()
        self._skip_any_space()
        if not digits:
            reader.refuse("a repetition is {n}, {n,} or {n,m}; write \\{ for the character", start)
        if len(digits) > 10 or int(digits) > MAX_REPEAT:
            reader.refuse(f"a repeat count is at most {MAX_REPEAT}", start)
        return int(digits)

    def _skip_any_space(self) -> None:
        while self._reader.peek() in SPACES:
            self._reader.position += 1

    # --- atoms ------------------------------------------------------------------------------------------------------

    def _atom(self, depth: int) -> Regex:
        reader, flags = self._reader, self._flags
        start = reader.position
        char = reader.peek()
        found: Regex
        match char:
            case "\\":
                found = self._escaped()
            case "[":
                found = self._class(parse_bracket(reader, MAX_NESTING - depth))
            case ".":
                reader.position += 1
                found = OneOfClass(ANYTHING if flags.s else "[^\\r\\n]" if flags.R else "[^\\n]")
            case "^":
                reader.position += 1
                found = Assertion.TEXT_START
                if flags.m:
                    found = Assertion.CRLF_LINE_START if flags.R else Assertion.LINE_START
            case "$":
                reader.position += 1
                found = Assertion.TEXT_END
                if flags.m:
                    found = Assertion.CRLF_LINE_END if flags.R else Assertion.LINE_END
            case _:
                reader.position += 1
                found = Char(char, flags.i)
        return found if flags.u else self._without_unicode(found, start)

    def _escaped(self) -> Regex:
        found = parse_escape(self._reader)
        if isinstance(found, str):
            return Char(found, self._flags.i)
        if isinstance(found, Items):
            return self._class(found)
        return found

    def _class(self, part: ClassPart) -> OneOfClass:
        if is_computed(part, self._flags.i):
            self._n_computed += 1
            if self._n_computed > MAX_COMPUTED_CLASSES:
                self._reader.refuse(f"more than {MAX_COMPUTED_CLASSES} classes with set operations or negated parts")
        return OneOfClass(class_text(part, self._flags.i))

    def _without_unicode(self, found: Regex, start: int) -> Regex:
        """Allow under (?-u) only what then means ASCII for certain."""
        if found is Assertion.WORD:
            return Assertion.ASCII_WORD
        is_ascii = isinstance(found, Char) and found.char.isascii() and not found.fold
        if is_ascii or found in (Assertion.TEXT_START, Assertion.TEXT_END):
            return found
        self._reader.refuse(
            "(?-u) is supported only for \\b and plain ASCII characters; leave it out and write ASCII classes, "
            "[0-9], [0-9A-Za-z_] or [ \\t\\r\\n]",
            start,
        )

    # --- groups -----------------------------------------------------------------------------------------------------

    def _group(self, depth: int) -> Regex | None:
        """Read a group, or flags for the rest of the group around (then None)."""
        reader, before = self._reader, self._flags
        start = reader.position
        if depth >= MAX_NESTING:
            reader.refuse(f"groups nest at most {MAX_NESTING} deep")
        reader.take("a group")
        reader.skip_space()
        for prefix in ("?=", "?!", "?<=", "?<!"):
            if reader.take_if(prefix):
                reader.refuse("look-around is not supported; use several conditions joined by $and", start)
        if reader.take_if("?P<") or reader.take_if("?<"):
            self._name()
        elif reader.take_if("?"):
            flags, is_group = self._read_flags(start)
            self._set_flags(flags)
            if not is_group:
                return None
        body = self._alternation(depth + 1)
        if not reader.take_if(")"):
            reader.refuse("unclosed group; write \\( for the character", start)
        self._set_flags(before)
        return body

    def _set_flags(self, flags: Flags) -> None:
        self._flags = flags
        self._reader.is_verbose = flags.x

    def _name(self) -> None:
        """Read a group's name up to `>`: a letter or `_`, then letters, digits, `_`, `.`, `[` or `]`."""
        reader = self._reader
        start = reader.position
        name = ""
        while (char := reader.take("a group name")) != ">":
            is_valid = char == "_" or char.isalpha() or (name and (char in ".[]" or char.isalnum()))
            if not is_valid:
                reader.refuse(f"a group name consists of letters, digits and _, got {char!r}", start)
            name += char
        if not name:
            reader.refuse("empty group name", start)
        if name in self._names:
            reader.refuse(f"two groups have the name {name!r}", start)
        self._names.add(name)

    def _read_flags(self, start: int) -> tuple[Flags, bool]:
        """Read flags up to `)` or `:`; return them and whether a group follows."""
        reader = self._reader
        found: dict[str, bool] = {}
        is_negated = False
        while (char := reader.take("a group")) not in ":)":
            if char == "-":
                if is_negated:
                    reader.refuse("flags are negated once, as in (?i-s)", start)
                is_negated = True
            elif char not in "imsxRuU":
                reader.refuse(f"unrecognized flag {char!r}; flags are i, m, s, x, R, U and u", start)
            elif char in found:
                reader.refuse(f"flag {char!r} is given twice", start)
            else:
                found[char] = not is_negated
        if is_negated and not any(not value for value in found.values()):
            reader.refuse("the - of the flags needs a flag after it", start)
        if char == ")" and not found:
            reader.refuse("flags are missing; write \\(\\?\\) for the characters", start)
        return replace(self._flags, **found), char == ":"
