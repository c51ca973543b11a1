"""Bracketed classes of Rust's regex syntax: nesting, `&&`, `--`, `~~` and POSIX names, which RE2 reads otherwise."""

from __future__ import annotations

from chroma_search.indexes.text.regex_class import Bracket, ClassPart, Items, SetOperation, range_items
from chroma_search.indexes.text.regex_escape import parse_escape
from chroma_search.indexes.text.regex_reader import Reader

OPERATORS = ("&&", "--", "~~")

# POSIX classes are ASCII
_POSIX = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": r"\x00-\x7F",
    "blank": r"\t ",
    "cntrl": r"\x00-\x1F\x7F",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-\/:-@\[-`{-~",
    "space": r"\t-\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}


def parse_bracket(reader: Reader, n_levels: int) -> Bracket:
    """Read a class whose `[` comes next.

    Args:
        reader: the pattern.
        n_levels: how many more classes may nest.

    Raises:
        InvalidArgumentError: an unclosed class, a range that is none, an escape that is none, nested too deep.
    """
    start = reader.position
    if n_levels <= 0:
        reader.refuse("nested too deep")
    reader.take("a class")
    reader.skip_space()
    is_negated = reader.take_if("^")
    reader.skip_space()
    parts = _leading_literals(reader)
    left: ClassPart | None = None
    op = ""
    while True:
        reader.skip_space()
        char = reader.peek()
        if not char:
            reader.refuse("unclosed character class; a literal [ inside a class is written \\[", start)
        if char == "]":
            reader.position += 1
            break
        if char == "[":
            posix = _posix_class(reader)
            parts.append(posix if posix is not None else parse_bracket(reader, n_levels - 1))
        elif char + reader.peek(1) in OPERATORS:
            left = _combined(left, op, parts)
            parts = []
            op = char * 2
            reader.position += 2
        else:
            parts.append(_range_or_item(reader))
    if left is None:
        return Bracket(tuple(parts), is_negated)
    return Bracket((_combined(left, op, parts),), is_negated)


def _combined(left: ClassPart | None, op: str, parts: list[ClassPart]) -> ClassPart:
    """Join what was read so far with the union after the operator; operators bind from the left."""
    right = Bracket(tuple(parts))
    return right if left is None else SetOperation(op, left, right)


def _leading_literals(reader: Reader) -> list[ClassPart]:
    """Read what stands for itself right after `[` or `[^`: any number of `-`, else one `]`."""
    parts: list[ClassPart] = []
    while reader.take_if("-"):
        parts.append(_char_items("-"))
        reader.skip_space()
    if not parts and reader.take_if("]"):
        parts.append(_char_items("]"))
    return parts


def _range_or_item(reader: Reader) -> Items:
    start = reader.position
    first = _item(reader)
    reader.skip_space()
    if reader.peek() != "-" or reader.peek_past_space() in ("]", "-", ""):
        return first if isinstance(first, Items) else _char_items(first)
    reader.take("a range")
    reader.skip_space()
    last = _item(reader)
    if isinstance(first, Items) or isinstance(last, Items):
        reader.refuse("a range goes from one character to another; write a literal - as \\-", start)
    if first > last:
        reader.refuse(f"a range ascends, got {first}-{last}", start)
    return range_items(ord(first), ord(last))


def _item(reader: Reader) -> str | Items:
    if reader.peek() != "\\":
        return reader.take("a class")
    start = reader.position
    found = parse_escape(reader)
    if not isinstance(found, (str, Items)):
        reader.refuse("a class holds characters, no assertions; a backspace is \\x08", start)
    return found


def _posix_class(reader: Reader) -> Items | None:
    """Read `[:name:]` or `[:^name:]`; None when it is none (then it is a nested class, as in the crate)."""
    end = reader.pattern.find(":]", reader.position + 2)
    if not reader.pattern.startswith("[:", reader.position) or end < 0:
        return None
    name = reader.pattern[reader.position + 2 : end]
    items = _POSIX.get(name.removeprefix("^"))
    if items is None:
        return None
    reader.position = end + 2
    return Items(items, is_negated=name.startswith("^"))


def _char_items(char: str) -> Items:
    return range_items(ord(char), ord(char))
