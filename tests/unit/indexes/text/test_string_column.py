"""String tests are exact: the same rows as a loop, with and without trigram index, mask, None and odd texts."""

from __future__ import annotations

import random
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from chroma_search.errors import InternalError, InvalidArgumentError
from chroma_search.indexes.base import StringTest
from chroma_search.indexes.text import string_column
from chroma_search.indexes.text.string_column import StringColumn
from chroma_search.model.mask import Mask

ALPHABET = ["a", "b", "C", "ab", "error", "é", "É", "ß", "中", "😀", "\0", "\n", "%", "_", "\\", ".", "\ud800"]
PLAIN = {
    "substring": lambda text, needle: needle in text,
    "starts_with": lambda text, needle: text.startswith(needle),
    "ends_with": lambda text, needle: text.endswith(needle),
    "equals": lambda text, needle: text == needle,
}


def random_texts(rng: random.Random, n: int, share_none: float) -> list[str | None]:
    return [
        None if rng.random() < share_none else "".join(rng.choices(ALPHABET, k=rng.choice([0, 1, 2, 4, 12])))
        for _ in range(n)
    ]


def random_mask(rng: random.Random, n: int) -> Mask | None:
    bits = np.array([rng.random() < rng.choice([0.02, 0.9]) for _ in range(n)], np.bool_)
    return rng.choice(
        [
            None,
            Mask.all(n),
            Mask.none(n),
            Mask.of_bits(bits),
            Mask.of_rows(n, np.flatnonzero(bits)),
            Mask(n, rows=np.flatnonzero(bits), exclude=True),
        ]
    )


def loop(texts: list[str | None], test: StringTest, mask: Mask | None) -> list[int]:
    allowed = np.ones(len(texts), np.bool_) if mask is None else mask.to_bits()
    needle = test.text.casefold() if test.ignore_case else test.text
    rows: list[int] = []
    for row, text in enumerate(texts):
        if text is None or not allowed[row]:
            continue
        if test.op == "regex":
            hit = re.search(test.text.replace("$", r"\Z"), text) is not None
        else:
            hit = PLAIN[test.op](text.casefold() if test.ignore_case else text, needle)
        if hit:
            rows.append(row)
    return rows


def some_test(rng: random.Random, texts: list[str | None]) -> StringTest:
    if rng.random() < 0.3:
        return StringTest(
            "regex", rng.choice(["error", "err.r[ab]", "^$", "é|中", "a+b", "(?s).{3}", "[^a]error", "\\."])
        )
    text = rng.choice([each for each in texts if each] or ["ab"])
    start = rng.randrange(len(text))
    needle = rng.choice([text, text[start : start + rng.randint(1, 6)], "absent", "a", ""])
    return StringTest(rng.choice(list(PLAIN)), needle, ignore_case=rng.random() < 0.3)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("path", ["scan", "trigrams"])
def test_answers_equal_a_loop(seed: int, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)
    texts = random_texts(rng, rng.choice([1, 30, 400]), share_none=rng.choice([0.0, 0.2]))
    column = StringColumn(texts)
    if path == "trigrams":
        monkeypatch.setattr(string_column, "LOOKUP_NS", 0.0)
        monkeypatch.setattr(string_column, "BUILD_NS_PER_CHAR", 0.0)
    for _ in range(40):
        test, mask = some_test(rng, texts), random_mask(rng, len(texts))
        found = column.test(test, mask)
        assert found.exact
        assert found.n == len(texts)
        assert found.to_rows().tolist() == loop(texts, test, mask), (test, mask)
    assert column.has_trigrams == (path == "trigrams")


@pytest.mark.parametrize("texts", [[], [None], [None, None]])
def test_a_column_without_strings_matches_nothing(texts: list[str | None]) -> None:
    column = StringColumn(texts)
    for op in (*PLAIN, "regex"):
        assert column.test(StringTest(op, "")).count() == 0


def test_an_empty_string_is_a_string_and_none_is_not() -> None:
    column = StringColumn(["", None, "x"])
    assert column.test(StringTest("regex", "^$")).to_rows().tolist() == [0]
    assert column.test(StringTest("regex", ".*")).to_rows().tolist() == [0, 2]
    assert column.test(StringTest("substring", "")).to_rows().tolist() == [0, 2]
    assert column.test(StringTest("regex", ".*")).invert().to_rows().tolist() == [1]


def test_ignoring_case_compares_casefolded_forms() -> None:
    column = StringColumn(["STRASSE", "straße", "Straßen", None, "STRAẞE"])
    test = StringTest("equals", "Straße", ignore_case=True)
    assert column.test(test).to_rows().tolist() == [0, 1, 4]
    assert column.test(StringTest("starts_with", "STRASS", ignore_case=True)).to_rows().tolist() == [0, 1, 2, 4]


def test_the_trigram_index_is_made_once_looking_has_cost_as_much() -> None:
    texts = [f"document number {row} about topic {row % 91}" for row in range(20_000)]
    column = StringColumn(texts)
    test = StringTest("substring", "topic 77")
    expected = [row for row in range(20_000) if f"topic {row % 91}".startswith("topic 77")]
    answers = [column.test(test).to_rows().tolist()]
    assert not column.has_trigrams
    for _ in range(60):
        answers.append(column.test(test).to_rows().tolist())
    assert column.has_trigrams
    assert all(each == expected for each in answers)


def test_needles_that_trigrams_cannot_help_do_not_make_the_index() -> None:
    column = StringColumn([f"text {row} ab" for row in range(5_000)])
    for _ in range(500):
        column.test(StringTest("substring", "ab"))
        column.test(StringTest("regex", "[0-9] (ab|cd)"))
    assert not column.has_trigrams


def test_few_rows_are_looked_at_directly() -> None:
    column = StringColumn(["some text here"] * 5_000)
    mask = Mask.of_rows(5_000, np.array([3, 4_000]))
    for _ in range(2_000):
        assert column.test(StringTest("substring", "text"), mask).count() == 2
    assert not column.has_trigrams


def test_patterns_run_in_batches_and_give_the_same_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"{'x' * (row % 50)} {row}" for row in range(1_000)]
    expected = StringColumn(texts).test(StringTest("regex", r"\b\d*7$")).to_rows().tolist()
    assert expected == list(range(7, 1_000, 10))
    for texts_per_batch, chars_per_batch in ((7, 10**9), (10**9, 1), (10**9, 333)):
        monkeypatch.setattr(string_column, "REGEX_BATCH_TEXTS", texts_per_batch)
        monkeypatch.setattr(string_column, "REGEX_BATCH_CHARS", chars_per_batch)
        assert StringColumn(texts).test(StringTest("regex", r"\b\d*7$")).to_rows().tolist() == expected


def test_threads_share_a_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(string_column, "BUILD_NS_PER_CHAR", 5.0)
    texts = [f"row {row} of many" for row in range(20_000)]
    column = StringColumn(texts)
    test = StringTest("substring", "row 199")
    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda _: column.test(test).count(), range(40)))
    assert counts == [111] * 40
    assert column.has_trigrams


def test_a_mistake_in_the_test_is_refused() -> None:
    column = StringColumn(["a"])
    with pytest.raises(InvalidArgumentError, match=r"^Regex syntax error"):
        column.test(StringTest("regex", "("))
    with pytest.raises(InvalidArgumentError, match=r"\(\?i\)"):
        column.test(StringTest("regex", "a", ignore_case=True))
    with pytest.raises(InternalError, match="like"):
        column.test(StringTest("like", "a"))
