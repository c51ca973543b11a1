"""What could have stood where a text went wrong, in the words of the language, and how to mend common slips.

The parser knows terminals (`COMPARISON`, `$END`); readers of a message know `=` and `the end of the text`. A test
checks that every terminal of the grammar has words here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from chroma_search.dsl.literals import SPECIAL_NAMES
from chroma_search.dsl.mistake import listed, shown
from chroma_search.dsl.suggest import nearest

WORDS: dict[str, tuple[str, ...]] = {
    "_AND": ("AND",),
    "_OR": ("OR",),
    "BY": ("BY",),
    "COLON": (":",),
    "COMMA": (",",),
    "COMPARISON": ("!=", "<", "<=", ">", ">="),
    "DIVIDED": ("/",),
    "EQUALS": ("=",),
    "IENDS": ("IENDS WITH",),
    "ENDS": ("ENDS WITH",),
    "IEQUALS": ("I=",),
    "IS": ("IS MISSING",),
    "ISTARTS": ("ISTARTS WITH",),
    "STARTS": ("STARTS WITH",),
    "LITERALS": ("a list in brackets",),
    "LPAR": ("(",),
    "LSQB": ("a list in brackets",),
    "MINUS": ("-",),
    "NAME": ("a field",),
    "NUMBER": ("a number",),
    "PARAMETER": ("a parameter such as $q",),
    "PLUS": ("+",),
    "POWER": ("^",),
    "QUOTED_NAME": ("a field",),
    "RPAR": (")",),
    "RSQB": ("]",),
    "SPARSE": ("{index: value}",),
    "SPECIAL_NAME": ("a field",),
    "STRING": ("a string in single quotes",),
    "TIMES": ("*",),
    "$END": ("the end of the text",),
}
"""Words of the terminals whose own name is not their word; a keyword such as WHERE is called what it is."""


@dataclass(frozen=True, slots=True)
class Family:
    """Words that a message names together: where all of `needed` could stand, all `members` are meant."""

    phrase: str
    needed: frozenset[str]
    members: frozenset[str]


def _family(phrase: str, needed: str, others: str) -> Family:
    return Family(phrase, frozenset(needed.split()), frozenset(f"{needed} {others}".split()))


_NAMES = "NAME SPECIAL_NAME QUOTED_NAME"
_TESTS = "IN IS BETWEEN CONTAINS MATCHES EXISTS SUBSTRING ISUBSTRING STARTS ISTARTS ENDS IENDS IEQUALS"
_FAMILIES = (
    _family(
        "a clause (WHERE, RANK, GROUP BY, ORDER BY, LIMIT, OFFSET, SELECT)",
        "WHERE RANK GROUP ORDER LIMIT OFFSET SELECT",
        "",
    ),
    _family("a condition", "ALL ANY NOT NAME", f"{_NAMES} LPAR"),
    _family("a condition (CONTAINS, MATCHES, NOT, ...)", "ALL ANY NOT CONTAINS", f"{_TESTS} LPAR"),
    _family("a test (=, !=, <, <=, >, >=, IN, CONTAINS, MATCHES, EXISTS, ...)", "COMPARISON EQUALS", f"{_TESTS} NOT"),
    _family("a test (CONTAINS, MATCHES, SUBSTRING, STARTS WITH, ...)", "CONTAINS MATCHES", f"{_TESTS} NOT"),
    _family("a rank (a function, a field, a number, ...)", "IF NAME NUMBER", f"{_NAMES} MINUS LPAR PARAMETER"),
    _family(
        "a value (number, string in single quotes, true, false, null, $name)",
        "STRING NUMBER TRUE FALSE",
        "NULL PARAMETER",
    ),
    _family("an operator (+ - * / ^)", "PLUS TIMES", "MINUS DIVIDED POWER"),
)


def words_for(terminals: Iterable[str]) -> tuple[str, ...]:
    """Return the words that could have stood there, sorted, each once."""
    return tuple(sorted({word for each in terminals for word in WORDS.get(each, (each,))}))


def summary(terminals: Collection[str]) -> str:
    """Return the same for a message: families of words under one name, at most a handful."""
    left, phrases = set(terminals), list[str]()
    for family in _FAMILIES:
        if family.needed <= left:
            phrases.append(family.phrase)
            left -= family.members
    end = WORDS["$END"][0]
    singles = words_for(left)
    return listed([*phrases, *(each for each in singles if each != end), *(each for each in singles if each == end)])


def hint_for(text: str, start: int, terminals: Collection[str], fields: Collection[str], rule: str) -> str:
    """Return how to mend the mistake at `start`, or "".

    Args:
        text, start: the text and the character where it went wrong.
        terminals: what could have stood there.
        fields: known metadata fields.
        rule: the start rule of the grammar: `search`, or one of the parts of a search.
    """
    rest = text[start : start + 200]
    if rule != "search" and (_CLAUSE.match(text) or _CLAUSE.match(rest)):
        return f"only {_PARTS[rule]} stands here; a whole search with its clauses goes to Search.from_text"
    for quote, pattern in _UNCLOSED.items():
        if text.startswith(quote, start) and pattern.match(text, start):
            return _CLOSING[quote]
    for needed, pattern, hint in _SLIPS:
        if (not needed or needed in terminals) and re.match(pattern, rest, re.IGNORECASE):
            return hint
    before, after = _NAME_BEFORE.search(text[max(0, start - 100) : start]), _NAME_AFTER.match(rest)
    if before and after and before[0] + after[0] in fields:
        return f'a field name with such characters stands in double quotes: "{shown(before[0] + after[0])}"'
    if before and after and not before[0].endswith(" ") and before[0].upper() not in WORDS:
        return f'a field name with such characters stands in double quotes: "{shown(before[0] + after[0])}"'
    word = re.match(r"[#$]?\w+", rest)
    if word is None:
        return ""
    if word[0].startswith("#"):
        close = nearest(word[0], SPECIAL_NAMES)
        return f"did you mean {close}?" if close else f"the names with # are {', '.join(SPECIAL_NAMES)}"
    known = [each for each in words_for(terminals) if each.replace(" ", "").isalpha() and each.isupper()]
    close = nearest(word[0], [*known, *(fields if "NAME" in terminals else ())])
    if close:
        return f"did you mean {close}?"
    return f"a string stands in single quotes: '{shown(word[0])}'" if "STRING" in terminals else ""


_SLIPS: tuple[tuple[str, str, str], ...] = (
    ("STRING", r'"', "a string stands in single quotes; double quotes are for field names"),
    ("NAME", r"'", "a field name stands alone or in double quotes; single quotes are for strings"),
    ("", r"&&?|\|\|?", "join conditions with AND and OR"),
    ("", r"!(?!=)", "write NOT before a condition"),
    ("MISSING", r"(NOT\s+)?NULL\b", "IS MISSING finds the records without the field"),
    ("CONTAINS", r"I?LIKE\b", "use SUBSTRING, STARTS WITH, ENDS WITH or MATCHES"),
    ("CONTAINS", r"[-+*/]\s", "filters have no arithmetic: give the result as a parameter"),
    ("", r"\{", "this is the text form of a search; pass the JSON form as a dict"),
    ("WHERE", r";", "one search per text, without a semicolon"),
)
"""What people write out of habit: what could have stood there, what stands there, what to do."""

_UNCLOSED = {quote: re.compile(rf"{quote}[^{quote}]*(?:{quote * 2}[^{quote}]*)*\Z") for quote in "'\"`"}
_CLOSING = {
    "'": "this string has no closing single quote; write '' for a quote inside a string",
    '"': "this name has no closing double quote",
    "`": "this name has no closing backtick",
}
_PARTS = {
    "where_text": "a filter",
    "where_document_text": "a filter on the document",
    "rank_text": "a rank",
    "group_by_text": "a grouping",
}
_CLAUSE = re.compile(r"\s*(?:WHERE|RANK|SELECT|LIMIT|OFFSET|(?:GROUP|ORDER)\s+BY)\b", re.IGNORECASE)
_NAME_BEFORE = re.compile(r"[^\W\d][\w.]*[ ]?$")
_NAME_AFTER = re.compile(r"[-/:@\w.]+")
"""Around a mistake: what would be one name if it stood in quotes, such as `created-at` or `my key`."""
