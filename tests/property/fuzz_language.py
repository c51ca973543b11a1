"""Throw broken inputs at the language: each must give a search or a typed error, quickly.

    python -m tests.property.fuzz_language --n 100000

Inputs: random bytes and characters, soups of the language's words, valid texts and valid JSON with a few places
changed, and nestings of every kind. Whatever is accepted is also checked, printed, parsed and turned into JSON. The
report names the input that took longest to read (time of the processor) and each failure, with the number that repeats
it (`--only`).
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from chroma_search.dsl import Search
from chroma_search.dsl.parser import (
    _remembered_tree,
    parse_group_by,
    parse_rank,
    parse_search,
    parse_where,
    parse_where_document,
)
from chroma_search.dsl.printer import print_search
from chroma_search.dsl.validation import check_search, check_where_dict, check_where_document_dict
from chroma_search.errors import ChromaSearchError, InvalidArgumentError

WORDS = (
    "WHERE RANK GROUP BY ORDER LIMIT OFFSET SELECT KEEP MIN MAX ASC DESC AND OR NOT ALL ANY IF IN CONTAINS MATCHES "
    "BETWEEN EXISTS IS MISSING SUBSTRING STARTS WITH IENDS I= TRUE false null inf nan -inf year tags area _x a.b "
    "ſelect #score #document #nope knn bm25 rrf decay field max sqrt sparse val key= limit= k= weights= default= ( ) "
    "[ ] { } , ; : + - * / ^ ** = == != <> < <= > >= $q $v $missing 'en' 'it''s' ' \" ` \"my key\" `b` -- 1 2.5 -3 "
    "1e9 .5 1e999 [1,2] [] {1:2} {1:0.5,7:2} 9999999999999999999999 \n \t \x00 é 😀 \ud800"
).split(" ")

TEXTS = (
    "WHERE year >= 2024 AND (lang = 'en' OR tags CONTAINS 'x') RANK rrf(knn($q), bm25('sso saml')) GROUP BY area "
    "KEEP 2 MIN #score ORDER BY year DESC LIMIT 20 OFFSET 10 SELECT #document, title",
    "WHERE NOT (a IN (1, 2.5) OR b NOT IN ['x', 'y']) AND #document MATCHES '(?i)fox' AND c IS MISSING LIMIT 3",
    "RANK knn([0.1, 0.2], limit=50, default=9.5) * 0.8 - 0.2 * log(views) ^ 2 + if(year > 2020, 1, -inf)",
    "RANK rrf(knn(sparse({1: 0.5, 7: 2.0}, tokens=['a', 'b']), key=\"my key\"), knn($q), weights=[2, 1], k=10)",
    "RANK decay(ts, origin=$v, scale=3, kind='gauss') - max(a, min(b, 2)) -- note\n WHERE t STARTS WITH 'a' SELECT *",
    "WHERE x BETWEEN 1 AND 2 AND y ISUBSTRING 'q' AND z I= 'w' AND all(a = 1, any(b = true, c = null))",
)

JSON_FORMS: tuple[dict[str, Any], ...] = (
    {
        "filter": {"$and": [{"year": {"$gte": 2024}}, {"$or": [{"a": 1}, {"$not": {"b": {"$in": ["x", "y"]}}}]}]},
        "rank": {"$sum": [{"$knn": {"query": [0.1, 0.2], "limit": 5, "default": 1.5}}, {"$val": 2}]},
        "group_by": {"keys": ["area"], "aggregate": {"$min_k": {"keys": ["#score"], "k": 2}}},
        "limit": {"offset": 1, "limit": 5},
        "select": {"keys": ["#score", "title"]},
        "order_by": {"keys": ["year", {"key": "price", "descending": True}]},
    },
    {
        "filter": {"#document": {"$regex": "a+"}},
        "rank": {
            "$rrf": {
                "ranks": [
                    {"$knn": {"query": {"#type": "sparse_vector", "indices": [1, 7], "values": [0.5, 2]}, "key": "s"}},
                    {"$bm25": {"query": "words", "k1": 1.2, "return_rank": True}},
                ],
                "weights": [1, 2],
                "k": 60,
            }
        },
    },
    {
        "filter": {"d": {"$exists": False}},
        "rank": {
            "$if": {
                "condition": {"x": {"$contains": 3}},
                "then": {"$div": {"left": {"$log": {"$field": {"key": "views"}}}, "right": {"$val": 3}}},
                "else": {"$decay": {"key": "ts", "origin": 5, "scale": 2, "kind": "gauss"}},
            }
        },
    },
)

PARSERS: tuple[Callable[..., Any], ...] = (parse_search, parse_where, parse_rank, parse_group_by, parse_where_document)
PARAMS = {"q": [0.5, 1.0], "v": 3}


@dataclass
class Report:
    """What a run gave; times in seconds of the processor, so that a busy machine does not count."""

    n_accepted: int = 0
    n_refused: int = 0
    slowest_s: float = 0.0
    slowest: str = ""
    errors: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


class Fuzzer:
    """Makes inputs from a seed and runs them; input number i is the same in every run."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def run(self, n: int, only: int | None = None) -> Report:
        """Run inputs 0..n-1, or the one numbered `only`."""
        report = Report()
        PARSERS[0]("", {})  # loads the grammar, so that the first input is not the slowest
        for number in range(n) if only is None else [only]:
            rng = random.Random(f"{self._seed}:{number}")
            subject, read, use = self._input(rng)
            try:
                use(read())
                report.n_accepted += 1
            except ChromaSearchError as error:
                report.n_refused += 1
                report.errors[type(error).__name__] += 1
            except Exception as error:
                report.failures.append(f"#{number} {type(error).__name__}: {error!s:.200} for {_shown(subject)}")
            took = _seconds(read)
            if took > report.slowest_s:
                took = min(took, _seconds(read), _seconds(read))  # not the collector's, who comes now and then
            if took > report.slowest_s:
                report.slowest_s, report.slowest = took, f"#{number} {_shown(subject)}"
        return report

    def _input(self, rng: random.Random) -> tuple[Any, Callable[[], Any], Callable[[Any], object]]:
        """Return an input, what reads it, and what is done with what was read."""
        if rng.random() < 0.3:
            form = _mutated_json(rng) if rng.random() < 0.9 else _deep_json(rng)
            if isinstance(form, dict) and "where" in form:
                return form, lambda: check_where_dict(form["where"]), hash
            if isinstance(form, dict) and "where_document" in form:
                return form, lambda: check_where_document_dict(form["where_document"]), hash
            return form, lambda: Search.from_dict(form), _use
        makers = (_noise, _bytes, _soup, _mutated_text, _mutated_text, _deep_text)
        text, parse = rng.choice(makers)(rng), rng.choice(PARSERS)
        params = {name: value for name, value in PARAMS.items() if f"${name}" in text}
        is_whole = parse is parse_search
        return text, lambda: parse(text, params), lambda found: _use(Search.of(found)) if is_whole else hash(found)


def _seconds(read: Callable[[], Any]) -> float:
    _remembered_tree.cache_clear()
    start = time.thread_time()
    with suppress(ChromaSearchError):
        read()
    return time.thread_time() - start


def _shown(subject: Any) -> str:
    try:
        return f"{subject!r:.200}"
    except (ValueError, RecursionError):  # an int of thousands of digits, a nesting deeper than Python prints
        return f"a {type(subject).__name__} that cannot be printed"


def _use(search: Search) -> None:
    """Do with an accepted search what comes next; a typed error is a fine answer here too."""
    hash(search)
    try:
        check_search(search.clauses, strict=False)
    except ChromaSearchError:
        return
    search.to_dict()
    json.dumps(search.to_dict(expand_rrf=False), default=str)
    text = print_search(search.clauses)
    try:
        again = parse_search(text)
    except InvalidArgumentError as error:
        if "at most" in str(error):  # a text longer than the language takes
            return
        raise AssertionError(f"printed text is refused: {error}") from error
    if again != search.clauses:
        raise AssertionError("parsing what was printed gave another search")


def _noise(rng: random.Random) -> str:
    return "".join(chr(rng.choice((rng.randrange(32, 127), rng.randrange(0x11000)))) for _ in range(rng.randrange(80)))


def _bytes(rng: random.Random) -> str:
    return rng.randbytes(rng.randrange(200)).decode(rng.choice(("latin-1", "utf-8")), "replace")


def _soup(rng: random.Random) -> str:
    joint = rng.choice((" ", "", " "))
    return joint.join(rng.choices(WORDS, k=rng.randrange(1, rng.choice((6, 30, 400)))))


def _mutated_text(rng: random.Random) -> str:
    text = rng.choice(TEXTS)
    for _ in range(rng.choice((0, 1, 1, 1, 2, 4))):
        at, end = sorted((rng.randrange(len(text) + 1), rng.randrange(len(text) + 1)))
        end = min(end, at + rng.choice((0, 1, 1, 8, 60)))
        piece = rng.choice((rng.choice(WORDS), "", chr(rng.randrange(0x300)), text[at:end] * 2, rng.choice(TEXTS)))
        text = text[:at] + piece + text[end:]
    return text


def _deep_text(rng: random.Random) -> str:
    n = rng.choice((3, 90, 100, 101, 150, 700, 3_000, 20_000, 70_000))
    opening, inside, closing = rng.choice(
        (
            ("(", "a = 1", ")"), ("NOT ", "a = 1", ""), ("all(", "a = 1", ")"), ("a = 1 OR (b = 2 AND ", "c = 3", ")"),
            ("(", "1", ")"), ("- ", "x", ""), ("-", "x", ""), ("abs(", "x", ")"), ("2 ^ ", "x", ""),
            ("1 - (", "x", ")"), ("rrf(", "knn('a')", ")"), ("if(a = 1, ", "x", ", 2)"), ("1 + ", "x", ""),
            ("a - ", "x", ""), ("[", "1", "]"), ("{", "", "}"), ("'", "a", "'"), ('"', "a", '"'), ("--", "\n", ""),
            ("''", "", "'"), ("a IN (1, ", "2", ")"), ("[1,", "", ""), ("sum(", "x", ")"), ("max(x, ", "1", ")"),
            (" ", "a = 1", "\n"), ("9", "", ""), ("a.", "a = 1", ""), ("$", "q", ""), ("1 ", "", ""),
            ("knn([", "1", "])"),
            ("a, ", "b", ""), ("f([1,2", "", "'"),
        )
    )  # fmt: skip
    n_closing = rng.choice((n, n, n - 1, 0))
    prefix = rng.choice(("", "", "WHERE ", "RANK ", "SELECT "))
    return prefix + opening * n + inside + closing * n_closing


def _mutated_json(rng: random.Random) -> Any:
    form = json.loads(json.dumps(rng.choice(JSON_FORMS)))
    if rng.random() < 0.2:
        kind = rng.choice(("where", "where_document"))
        return {kind: _changed(rng, rng.choice((form["filter"], {"$and": [{"$contains": "a"}, {"$regex": "b"}]})))}
    for _ in range(rng.choice((0, 1, 1, 1, 2, 4))):
        form = _changed(rng, form)
    return form


def _changed(rng: random.Random, form: Any) -> Any:
    """Return the form with one place replaced, renamed, dropped or doubled."""
    if not isinstance(form, (dict, list)) or not form or rng.random() < 0.15:
        return rng.choice(_VALUES)
    if isinstance(form, list):
        at = rng.randrange(len(form))
        return rng.choice(
            (form[:at] + form[at + 1 :], [*form, form[at]], [*form[:at], _changed(rng, form[at]), *form[at + 1 :]])
        )
    key = rng.choice(list(form))
    rest = {name: value for name, value in form.items() if name != key}
    match rng.randrange(6):
        case 0:
            return rest
        case 1:
            return {**rest, rng.choice(_NAMES): form[key]}
        case 2:
            return {**form, rng.choice(_NAMES): rng.choice(_VALUES)}
        case _:
            return {**form, key: _changed(rng, form[key])}


_NAMES: tuple[Any, ...] = (
    "$and", "$or", "$not", "$eq", "$gt", "$in", "$contains", "$regex", "$exists", "$isubstring", "$knn", "$sum", "$max",
    "$val", "$rrf", "$if", "$pow", "$abs", "$field", "#document", "#id", "", "x", "keys", "k", "query", "\ud800", 5,
)  # fmt: skip
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**63, 10**400, 10**5000, 0.5, -0.0, float("nan"), float("inf"), 1e300, "", "a",
    "#score", "\ud800", "x" * 5000, [], {}, [[]], [1, "a"], [True, 1], [None], ["a"] * 3000, [0.5] * 3000, [[1, 2]],
    [[1], [2, 3]], {"a": 1}, {"$eq": 1}, {"$gt": "x"}, {"$val": 1}, {"$and": []}, {"$sum": []}, b"x", (1, 2), {1: 2},
    {"#type": "sparse_vector"}, {"#type": "sparse_vector", "indices": [1], "values": [10**400]}, {1, 2}, object(),
    {"indices": [3, 1], "values": [1, 2]}, {"#type": "sparse_vector", "indices": [1], "values": [1], "tokens": [[]]},
)  # fmt: skip


def _deep_json(rng: random.Random) -> Any:
    n = rng.choice((20, 24, 50, 99, 100, 101, 150, 900, 50_000))
    form: Any = rng.choice(({"a": 1}, {"$val": 1}, {"$contains": "a"}))
    wrap = rng.choice(
        (
            lambda inner: {"$and": [inner, {"b": 1}]},
            lambda inner: {"$not": inner},
            lambda inner: {"$abs": inner},
            lambda inner: {"$sum": [inner, {"$val": 2}]},
            lambda inner: {"$sub": {"left": {"$val": 2}, "right": inner}},
            lambda inner: {"$rrf": {"ranks": [inner]}},
            lambda inner: {"$if": {"condition": {"a": 1}, "then": inner, "else": {"$val": 1}}},
            lambda inner: {"a": {"$eq": inner}},
            lambda inner: [inner],
        )
    )
    for _ in range(n):
        form = wrap(form)
    return {rng.choice(("filter", "rank", "where", "where_document")): form}


def main() -> int:
    """Run from the command line; 1 when something failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--n", type=int, default=100_000, help="inputs to run (default: 100000)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the inputs (default: 1)")
    parser.add_argument("--only", type=int, help="run one input by its number")
    arguments = parser.parse_args()
    report = Fuzzer(arguments.seed).run(arguments.n, arguments.only)
    print(f"accepted {report.n_accepted}, refused {report.n_refused}: {dict(report.errors.most_common())}")
    print(f"slowest {report.slowest_s * 1e3:.1f} ms: {report.slowest}")
    print(f"{len(report.failures)} failures", *report.failures[:20], sep="\n")
    return bool(report.failures)


if __name__ == "__main__":
    sys.exit(main())
