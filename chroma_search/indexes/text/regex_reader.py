"""A pattern being read: the place in it, verbose mode, and errors that name the place."""

from __future__ import annotations

from typing import NoReturn

from chroma_search.errors import InvalidArgumentError

# White_Space of Unicode: what verbose mode skips
SPACES = frozenset("\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B))))
SHOWN_CHARS = 80


class Reader:
    """A cursor over a pattern.

    Attributes:
        position: index of the next character.
        is_verbose: whether `skip_space` skips spaces and comments, `(?x)`.
    """

    __slots__ = ("is_verbose", "pattern", "position")

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.position = 0
        self.is_verbose = False

    @property
    def is_at_end(self) -> bool:
        """True when everything was read."""
        return self.position >= len(self.pattern)

    def peek(self, ahead: int = 0) -> str:
        """Return a coming character, `""` past the end."""
        at = self.position + ahead
        return self.pattern[at] if at < len(self.pattern) else ""

    def peek_past_space(self) -> str:
        """Return the character after the next one, in verbose mode after spaces and comments too."""
        before = self.position
        self.position += 1
        self.skip_space()
        char = self.peek()
        self.position = before
        return char

    def take(self, context: str) -> str:
        """Return the next character and pass it; refuse the end of the pattern within `context`."""
        char = self.peek()
        if not char:
            self.refuse(f"{context} is not finished")
        self.position += 1
        return char

    def take_if(self, text: str) -> bool:
        """Pass `text` if it comes next; tell whether it did."""
        if not self.pattern.startswith(text, self.position):
            return False
        self.position += len(text)
        return True

    def skip_space(self) -> None:
        """Pass spaces and comments in verbose mode."""
        while self.is_verbose and not self.is_at_end:
            if self.peek() in SPACES:
                self.position += 1
            elif self.peek() == "#":
                end = self.pattern.find("\n", self.position)
                self.position = len(self.pattern) if end < 0 else end + 1
            else:
                return

    def refuse(self, problem: str, at: int | None = None) -> NoReturn:
        """Raise InvalidArgumentError about the place `at` (default: here)."""
        place = self.position if at is None else at
        shown = self.pattern if len(self.pattern) <= SHOWN_CHARS else self.pattern[:SHOWN_CHARS] + "..."
        raise InvalidArgumentError(f"Regex syntax error at position {place} of {shown!r}: {problem}")
