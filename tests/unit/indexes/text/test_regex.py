"""Patterns mean what Chroma makes of them: its stored answers, its errors, and what we refuse instead of guessing."""

from __future__ import annotations

import json
import random
import re
import time
from pathlib import Path

import numpy as np
import pytest

from chroma_search.errors import InvalidArgumentError
from chroma_search.indexes.text import regex_automaton
from chroma_search.indexes.text.re2_writer import re2_pattern
from chroma_search.indexes.text.regex import check_regex, compile_regex, required_literals
from chroma_search.indexes.text.regex_automaton import Automaton
from chroma_search.indexes.text.regex_parser import MAX_NESTING, MAX_PATTERN_CHARS, parse_regex

CHROMA = json.loads((Path(__file__).parent / "regex_answers_of_chroma.json").read_text(encoding="utf-8"))
DOCUMENTS: list[str] = CHROMA["documents"]


def found_in(pattern: str, *texts: str) -> list[bool]:
    return compile_regex(pattern).matches(texts).tolist()


def test_every_answer_equals_the_stored_one_of_chroma() -> None:
    wrong: list[str] = []
    for pattern, answer in CHROMA["answers"].items():
        bits = "".join(str(int(hit)) for hit in compile_regex(pattern).matches(DOCUMENTS))
        if int(bits, 2) != int(answer, 16):
            wrong.append(pattern)
    assert wrong == []
    assert len(CHROMA["answers"]) > 150


@pytest.mark.parametrize("pattern", CHROMA["refused"])
def test_what_chroma_refuses_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^Regex syntax error"):
        check_regex(pattern)


@pytest.mark.parametrize(
    ("pattern", "hits", "misses"),
    [
        (r"^$", [""], ["\n", "a"]),
        (r"a$", ["a", "ba"], ["a\n"]),
        (r"(?m)a$", ["a", "a\nb"], ["a\r\n"]),
        (r"(?mR)^b$", ["a\r\nb\r\n", "b"], ["\rb\nc b", "xb"][1:]),
        (r"a.b", ["a\rb", "aéb"], ["a\nb"]),
        (r"(?R)a.b", ["aéb"], ["a\nb", "a\rb"]),
        (r"(?s)a.b", ["a\nb"], ["ab"]),
        (r"^\w+$", ["été_9", "中文", "١२", "ⅷ", "e\u0301"], ["a-b", "", "½"]),
        (r"^\d$", ["0", "٣", "९"], ["½", "²", "x"]),
        (r"^\s$", ["\v", "\x85", "\u3000", "\xa0"], ["\u200b", "x"]),
        (r"^[^\W\d_]+$", ["éa"], ["a1", "_"]),
        (r"^[a-z&&[^aeiou]]+$", ["xyz"], ["xaz", "&"]),
        (r"^[0-9--4]+$", ["123"], ["4", "-"]),
        (r"^[a-g~~b-h]$", ["a", "h"], ["b", "~"]),
        (r"^[[:alpha:][:digit:]]+$", ["a1"], ["é", ":"]),
        (r"^[\s\S]$", ["\n", "é"], ["ab"]),
        (r"(?i)^k$", ["k", "K", "\u212a"], ["x"]),
        (r"(?i)^[^k]$", ["x"], ["K", "\u212a"]),
        (r"(?i)straße", ["STRAßE", "STRA\u1e9eE"], ["strasse"]),
        (r"a++b", ["aab"], ["b"]),
        (r"(?x) a b # no c", ["ab"], ["a b"]),
        (r"(?x)a\ b[ \# ]", ["a b#"], ["ab#", "a b "]),
        (r"(?<year>\d{4})-(?P<month>\d\d)", ["in 2024-05"], ["24-05"]),
        (r"\bété\b", ["un été.", "été"], ["étéa", "\u00e9t\u00e9\u0301", "été_"]),
        (r"é\B", ["éa"], ["é", "é."]),
        (r"(?-u:\b)é", ["aé"], ["é", " é"]),
        (r"\b{start}a\b{end}", ["x a.", "a"], ["ab", "xa"]),
        (r"\<中", ["(中"], ["国中"]),
        (r"a{1001}", ["a" * 1001], ["a" * 1000]),
        (r"^(?:a{100}){11}$", ["a" * 1100], ["a" * 1099]),
        (r"^(a{3,}){2,500}$", ["a" * 6], ["a" * 5]),
        (r"\x{1F600}|\u00e9", ["😀", "é"], ["x"]),
        (r"\x00", ["a\0b"], ["ab"]),
        (r"^\p{Cn}$", ["\u0378"], ["a", "\n"]),
        (r"^\PC$", ["a"], ["\u0378", "\n"]),
        (r"^\p{sc!=Greek}$", ["a"], ["α"]),
        (r"[]-]x", ["]x", "-x"], ["x"]),
        (r"[a&&b]|c", ["c"], ["a", "b"]),
        (r"[\P{L}&&[\x{50000}-\x{50010}]]", ["\U00050005"], ["\U00050011", "a"]),
        (r"[^\D\x{40000}]|[\W--\x{F0000}-\x{FFFFD}]", ["7", "\U00040000", "\U00100000"], ["\U000f0000", "a"]),
        (r"(?i)[\W--[^\x{100000}-\x{100001}]]", ["\U00100001"], ["\U00100002", "k"]),
    ],
)
def test_what_a_pattern_finds(pattern: str, hits: list[str], misses: list[str]) -> None:
    assert found_in(pattern, *hits) == [True] * len(hits)
    assert found_in(pattern, *misses) == [False] * len(misses)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(?=a)", "look-around"),
        ("(?<!a)b", r"\$and"),
        (r"(a)\1", "backreferences"),
        ("(?>a)", "flag '>'"),
        (r"(?-u:\d)", r"\[0-9\]"),
        (r"(?-u:\w)", "ASCII"),
        (r"(?-u)é", "ASCII"),
        (r"(?-u:.)", "ASCII"),
        (r"a\Z", r"\\z"),
        (r"\Qa.b\E", "escape"),
        ("[a", "unclosed character class"),
        ("[a[b]", r"\\\["),
        ("a)", "without its"),
        ("(a", "unclosed group"),
        ("{", "repeat"),
        ("a{2", "{n}"),
        ("a{,2}", "{n}"),
        ("[z-a]", "ascends"),
        (r"[a-\d]", "range"),
        (r"\p{Klingon}", "script"),
        (r"\p{Alphabetic}", "general categories"),
        (r"\p{}", "not known"),
        (r"\xZZ", "hexadecimal"),
        ("(?i-)a", "flag"),
        ("(?P<1a>b)", "group name"),
        ("(?<n>a)(?<n>b)", "two groups"),
        (r"[\b]", "assertion"),
        (r"\b{mid}", "start-half"),
        ("a" * (MAX_PATTERN_CHARS + 1), "at most"),
        ("(" * (MAX_NESTING + 1) + "a" + ")" * (MAX_NESTING + 1), "deep"),
        ("[" * (MAX_NESTING + 1) + "a" + "]" * (MAX_NESTING + 1), "deep"),
        ("(?:a{1000}){1000}", "too large"),
        ("a{99999999999}", "at most"),
        (r"\w{3000}", "too large|cannot be run"),
        (r"\b(?:abc){1000}", "word boundaries"),
        ("".join(f"[^\\W{chr(97 + n)}]" for n in range(20)), "more than"),
        ("\ud800", "Unicode"),
    ],
)
def test_what_cannot_be_answered_alike_is_refused_with_advice(pattern: str, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=f"(?s)^Regex syntax error.*(?:{message})"):
        check_regex(pattern)


def test_an_error_names_the_place_and_shows_a_long_pattern_shortened() -> None:
    with pytest.raises(InvalidArgumentError, match=r"at position 6 of 'abc\(d\)\)'") as caught:
        check_regex("abc(d))")
    assert caught.value.status == 400
    with pytest.raises(InvalidArgumentError) as caught:
        check_regex("x" * 5_000 + "(")
    assert len(str(caught.value)) < 250


def test_a_pattern_that_hangs_backtracking_engines_runs_in_linear_time() -> None:
    text = "a" * 20_000
    started = time.perf_counter()
    assert found_in(r"(a|a)*(a+)+(a*)*$b", text, text + "é") == [False, False]
    assert found_in(r"\b(a|a)*(a+)+\b!", text + "!é") == [True]
    assert time.perf_counter() - started < 5


def test_lone_surrogates_and_nul_bytes_in_texts_do_no_harm() -> None:
    assert found_in("a", "a\ud800", "\udfff", "\0a", "") == [True, False, True, False]
    assert found_in(r"\ba\b", "\ud800a\ud800", "\ud800") == [True, False]
    assert found_in(r"\w{9}", "\ud800" + "é" * 9, "a" * 9, "\ud800") == [True, True, False]


def test_no_texts_have_no_answers() -> None:
    for pattern in ("a", r"\ba", r"\w{9}", r"\b{start}"):
        assert compile_regex(pattern).matches([]).tolist() == []


@pytest.mark.parametrize(
    ("pattern", "literals"),
    [
        ("hello", ("hello",)),
        (r"error \d+: (disk|net) full", ("error ", ": ", " full")),
        ("(?i)abc 12-3", (" 12-3",)),
        ("(?i)é", ()),
        ("a|b", ()),
        ("(?:abc)+d", ("abc", "d")),
        ("(?:abc)*d", ("d",)),
        ("ab?c", ("a", "c")),
        (r"^foo\b bar$", ("foo bar",)),
        (r"a\.b[c]d", ("a.b", "d")),
        ("x{3}x", ("x",)),
        ("", ()),
        (".*", ()),
        ("(?:a(?:b(?:c)))", ("abc",)),
        ("(?:ab){0}cd", ("cd",)),
    ],
)
def test_required_literals(pattern: str, literals: tuple[str, ...]) -> None:
    assert required_literals(pattern) == literals


def test_every_match_contains_the_required_literals() -> None:
    for pattern in list(CHROMA["answers"])[::3]:
        compiled = compile_regex(pattern)
        for text, hit in zip(DOCUMENTS, compiled.matches(DOCUMENTS).tolist(), strict=True):
            assert not hit or all(each in text for each in compiled.literals), (pattern, text)


def test_the_automaton_agrees_with_re2_where_both_can_answer() -> None:
    texts = [text for text in DOCUMENTS if text.isascii()] + [text for text in DOCUMENTS if not text.isascii()]
    for pattern in list(CHROMA["answers"])[::4]:
        compiled = compile_regex(pattern)
        automaton = Automaton(parse_regex(pattern))
        for text, hit in zip(texts, compiled.matches(texts).tolist(), strict=True):
            assert automaton.matches(text) == hit, (pattern, text)


def test_the_automaton_agrees_with_python_on_word_boundaries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's \\b differs from Rust's only where \\w does: marks and joiners, which these texts lack."""
    monkeypatch.setattr(regex_automaton, "MAX_REMEMBERED", 5)  # forgets at every step
    rng = random.Random(4)
    texts = ["".join(rng.choices("aé_ .\nЖ", k=rng.randint(0, 8))) for _ in range(150)]
    for pattern in (
        r"\bé",
        r"a\b",
        r"\B.\B",
        r"\b\w\w\b",
        r"(?:\ba|é\b)+",
        r"\b(?:a|\W)*\b",
        r"^\B|\b$",
        r"\b\b",
        r"\b\B",
    ):
        expected = [re.search(pattern.replace("$", r"\Z"), text) is not None for text in texts]
        if r"\B" in pattern:  # Python before 3.14 finds no \B in an empty text
            expected = [hit for hit, text in zip(expected, texts, strict=True) if text]
            assert found_in(pattern, *filter(None, texts)) == expected
        else:
            assert found_in(pattern, *texts) == expected


def test_the_pattern_for_ascii_texts_agrees_with_the_one_for_all() -> None:
    texts = [text for text in DOCUMENTS if text.isascii()]
    n_compared = 0
    for pattern in list(CHROMA["answers"])[::2]:
        compiled = compile_regex(pattern)
        if compiled.automaton is None:
            from_ascii = re2_pattern(parse_regex(pattern), for_ascii=True)
            hits = compile_regex(pattern).matches(texts)
            assert np.array_equal(hits, _re2(texts, from_ascii)), pattern
            n_compared += 1
    assert n_compared > 30


def _re2(texts: list[str], pattern: str) -> np.ndarray:
    from chroma_search.indexes.text.re2 import re2_matches, string_array

    return re2_matches(string_array(texts), pattern)
