"""An automaton that decides what RE2 cannot: Unicode word boundaries and the other assertions it lacks.

Slow (about 0.3 us per character, in Python) and exact; asked only about texts that a superset pattern found. A
nondeterministic automaton is run as a deterministic one whose states are made as they are met, so time is linear in the
text. Assertions look at the character before (part of the state) and the one after (known when the transition is made).
Source: K. Thompson, "Regular expression search algorithm" (1968); R. Cox, "Regular Expression Matching: the Virtual
Machine Approach" (2009).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from enum import IntEnum

from chroma_search.errors import InvalidArgumentError
from chroma_search.indexes.text.re2_writer import n_states
from chroma_search.indexes.text.regex_class import WORD_ITEMS, char_text, is_member
from chroma_search.indexes.text.regex_tree import Alternate, Assertion, Char, Concat, OneOfClass, Regex, Repeat

MAX_AUTOMATON_STATES = 2_000
"""Characters and classes with repetitions written out; a step through all of them takes a millisecond."""
MAX_AUTOMATON_CLASSES = 48
MAX_REMEMBERED = 1_000_000
"""Transitions and members of states kept, together; the memory starts anew when full."""


class Side(IntEnum):
    """What stands on one side of a place, as far as assertions ask."""

    EDGE = 0
    WORD = 1
    ASCII_WORD = 2
    NEWLINE = 3
    RETURN = 4
    OTHER = 5


_WORDS = (Side.WORD, Side.ASCII_WORD)


def holds(assertion: Assertion, before: Side, after: Side) -> bool:
    """Tell whether an assertion is true between two characters."""
    match assertion:
        case Assertion.TEXT_START:
            return before is Side.EDGE
        case Assertion.TEXT_END:
            return after is Side.EDGE
        case Assertion.LINE_START:
            return before in (Side.EDGE, Side.NEWLINE)
        case Assertion.LINE_END:
            return after in (Side.EDGE, Side.NEWLINE)
        case Assertion.CRLF_LINE_START:
            return before in (Side.EDGE, Side.NEWLINE) or (before is Side.RETURN and after is not Side.NEWLINE)
        case Assertion.CRLF_LINE_END:
            return after in (Side.EDGE, Side.RETURN) or (after is Side.NEWLINE and before is not Side.RETURN)
        case Assertion.WORD:
            return (before in _WORDS) != (after in _WORDS)
        case Assertion.NOT_WORD:
            return (before in _WORDS) == (after in _WORDS)
        case Assertion.ASCII_WORD:
            return (before is Side.ASCII_WORD) != (after is Side.ASCII_WORD)
        case Assertion.WORD_START:
            return before not in _WORDS and after in _WORDS
        case Assertion.WORD_END:
            return before in _WORDS and after not in _WORDS
        case Assertion.WORD_START_HALF:
            return before not in _WORDS
        case Assertion.WORD_END_HALF:
            return after not in _WORDS


@dataclass(slots=True)
class _Split:
    """Go on at any of the targets, if the assertion (when there is one) is true."""

    targets: list[int]
    assertion: Assertion | None = None


@dataclass(slots=True)
class _Step:
    """Read one character of a class and go on."""

    char: str  # "" for a class
    re2: str
    target: int

    def reads(self, char: str) -> bool:
        """Tell whether the character belongs to the class."""
        return char == self.char if self.char else is_member(self.re2, char)


_FOUND = 0  # the number of the accepting node
_ACCEPTING = -1  # the number of the state in which a match was seen


class Automaton:
    """Decides whether a text has a match of a tree.

    Raises:
        InvalidArgumentError: the tree is too large for an automaton in Python.
    """

    def __init__(self, tree: Regex) -> None:
        self._nodes: list[_Split | _Step] = [_Split([])]
        n_classes = 0
        if n_states(tree) <= MAX_AUTOMATON_STATES:
            self._start = self._node(tree, _FOUND)
            n_classes = len({each.re2 for each in self._nodes if isinstance(each, _Step) and not each.char})
        if n_states(tree) > MAX_AUTOMATON_STATES or n_classes > MAX_AUTOMATON_CLASSES:
            raise InvalidArgumentError(
                "Regex syntax error: a pattern with word boundaries has at most "
                f"{MAX_AUTOMATON_STATES} characters, repetitions written out, and {MAX_AUTOMATON_CLASSES} different "
                "classes; use smaller counts, or leave \\b out"
            )
        self._lock = threading.Lock()
        self._forget()

    def matches(self, text: str) -> bool:
        """Tell whether the pattern is found anywhere in the text (which has no lone surrogates)."""
        with self._lock:
            state = self._state(frozenset(), Side.EDGE)
            for char in text:
                after = self._steps.get((state, char))
                state = self._next(state, char) if after is None else after
                if state == _ACCEPTING:
                    return True
            nodes, before = self._states[state]
            return _FOUND in self._reached(nodes, before, Side.EDGE)

    # --- making the nondeterministic automaton ----------------------------------------------------------------------

    def _add(self, node: _Split | _Step) -> int:
        self._nodes.append(node)
        return len(self._nodes) - 1

    def _node(self, tree: Regex, target: int) -> int:
        """Return the node from which the tree is read and `target` follows."""
        match tree:
            case Char():
                text = f"(?i:{char_text(ord(tree.char))})"
                return self._add(_Step("" if tree.fold else tree.char, text, target))
            case OneOfClass():
                return self._add(_Step("", tree.re2, target))
            case Assertion():
                return self._add(_Split([target], tree))
            case Concat():
                for part in reversed(tree.parts):
                    target = self._node(part, target)
                return target
            case Alternate():
                return self._add(_Split([self._node(each, target) for each in tree.options]))
            case Repeat():
                return self._repeat(tree, target)

    def _repeat(self, tree: Repeat, target: int) -> int:
        if tree.most is None:
            loop = _Split([target])
            target = self._add(loop)
            loop.targets.append(self._node(tree.body, target))
        else:
            end = target
            for _ in range(tree.most - tree.least):
                target = self._add(_Split([end, self._node(tree.body, target)]))
        for _ in range(tree.least):
            target = self._node(tree.body, target)
        return target

    # --- running it as a deterministic one --------------------------------------------------------------------------

    def _forget(self) -> None:
        self._states: list[tuple[frozenset[int], Side]] = []
        self._numbers: dict[tuple[frozenset[int], Side], int] = {}
        self._steps: dict[tuple[int, str], int] = {}
        self._n_remembered = 0

    def _state(self, nodes: frozenset[int], before: Side) -> int:
        number = self._numbers.setdefault((nodes, before), len(self._states))
        if number == len(self._states):
            self._states.append((nodes, before))
            self._n_remembered += len(nodes)
        return number

    def _next(self, state: int, char: str) -> int:
        """Return the state after a character, and remember it."""
        nodes, before = self._states[state]
        side = _side(char)
        reached = self._reached(nodes, before, side)
        if self._n_remembered >= MAX_REMEMBERED:
            self._forget()
            state = self._state(nodes, before)
        if _FOUND in reached:
            after = _ACCEPTING
        else:
            steps = (self._nodes[each] for each in reached)
            taken = frozenset(each.target for each in steps if isinstance(each, _Step) and each.reads(char))
            after = self._state(taken, side)
        self._steps[state, char] = after
        self._n_remembered += 1
        return after

    def _reached(self, nodes: frozenset[int], before: Side, after: Side) -> set[int]:
        """Return the nodes reached without reading a character; a match may start anywhere."""
        reached: set[int] = set()
        waiting = [*nodes, self._start]
        while waiting:
            number = waiting.pop()
            if number in reached:
                continue
            reached.add(number)
            node = self._nodes[number]
            if isinstance(node, _Split) and (node.assertion is None or holds(node.assertion, before, after)):
                waiting.extend(node.targets)
        return reached


def _side(char: str) -> Side:
    if char == "\n":
        return Side.NEWLINE
    if char == "\r":
        return Side.RETURN
    if char.isascii():
        return Side.ASCII_WORD if char.isalnum() or char == "_" else Side.OTHER
    return Side.WORD if is_member(f"[{WORD_ITEMS}]", char) else Side.OTHER
