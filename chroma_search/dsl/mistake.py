"""Mistakes in a text of the query language, and how they are shown: line, column, a caret, what was expected.

`Mistake` travels inside the parser only; callers see QuerySyntaxError. The words of the message are those of the
language, never the parser's own names.
"""

from __future__ import annotations

from collections.abc import Sequence

from chroma_search.dsl.node import Span
from chroma_search.errors import QuerySyntaxError

MAX_SHOWN = 100
"""Characters of the line that a message shows around the mistake."""


class Mistake(Exception):
    """Something in the text that has no meaning.

    Attributes:
        message: what is wrong, in a few words.
        span: where.
        expected: what could have stood there.
        hint: how to mend it, or "".
    """

    def __init__(self, message: str, span: Span, expected: tuple[str, ...] = (), hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.span = span
        self.expected = expected
        self.hint = hint


def as_syntax_error(text: str, mistake: Mistake) -> QuerySyntaxError:
    """Return the error that callers see for a mistake in `text`."""
    start = min(mistake.span.start, len(text))
    line_start = text.rfind("\n", 0, start) + 1
    line, column = text.count("\n", 0, start) + 1, start - line_start + 1
    lines = [f"line {line}, column {column}: {mistake.message}", *_excerpt(text, line_start, start, mistake.span.end)]
    if mistake.hint:
        lines.append(mistake.hint)
    return QuerySyntaxError(
        "\n".join(lines), text=text, position=start, line=line, column=column, expected=mistake.expected
    )


def listed(words: Sequence[str]) -> str:
    """Return `a, b or ','`: a sign stands in quotes, so that a comma is seen."""
    quoted = [f"'{each}'" if each and not any(map(str.isalnum, each)) else each for each in words]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"


def shown(word: str) -> str:
    """Return a word of the text as a message quotes it, shortened; a control character as its escape."""
    short = word if len(word) <= 40 else word[:37] + "..."
    return "".join(each if each.isprintable() else f"\\u{ord(each):04x}" for each in short)


def _excerpt(text: str, line_start: int, start: int, end: int) -> list[str]:
    line_end = text.find("\n", line_start)
    line_end = len(text) if line_end < 0 else line_end
    first = max(line_start, start - MAX_SHOWN // 2)
    last = min(line_end, first + MAX_SHOWN)
    before, after = "..." if first > line_start else "", "..." if last < line_end else ""
    # One column per character, so that the caret stands beneath the mistake.
    line = "".join(each if each.isprintable() else " " for each in text[first:last])
    n_carets = max(1, min(end, last) - start)
    return [f"  {before}{line}{after}", f"  {' ' * (len(before) + start - first)}{'^' * n_carets}"]
