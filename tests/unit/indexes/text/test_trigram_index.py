"""A trigram answer may hold too many rows, never too few, however the text was cut into chunks."""

from __future__ import annotations

import random

import numpy as np
import pytest

from chroma_search.indexes.text import trigram
from chroma_search.indexes.text.trigram import TrigramIndex

ALPHABET = ["a", "b", "c", "ab", "é", "中", "😀", "\0", " ", "\ud800"]


def random_texts(rng: random.Random, n: int) -> list[str | None]:
    return [
        None if rng.random() < 0.1 else "".join(rng.choices(ALPHABET, k=rng.choice([0, 1, 2, 3, 9, 40])))
        for _ in range(n)
    ]


@pytest.mark.parametrize("chunk_bytes", [1, 2, 3, 7, 64, 2**21])
def test_rows_that_contain_all_literals_are_candidates(chunk_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trigram, "CHUNK_BYTES", chunk_bytes)
    rng = random.Random(chunk_bytes)
    texts = random_texts(rng, 60)
    index = TrigramIndex.build(texts)
    pool = [text for text in texts if text]
    for _ in range(200):
        literals = []
        for _ in range(rng.randint(1, 3)):
            text = rng.choice(pool)
            start = rng.randrange(len(text))
            literals.append(text[start : start + rng.randint(1, 8)])
        mask = index.candidates(literals)
        is_long = any(len(each.encode("utf-8", "surrogatepass")) >= 3 for each in literals)
        assert (mask is not None) == is_long
        if mask is None:
            continue
        rows = mask.to_rows()
        assert rows.tolist() == sorted(set(rows.tolist()))
        wanted = {row for row, text in enumerate(texts) if text and all(each in text for each in literals)}
        assert wanted <= set(rows.tolist())
        assert not mask.exact or mask.is_none


@pytest.mark.parametrize("chunk_bytes", [2, 5, 2**21])
def test_a_single_trigram_is_answered_without_a_row_too_many(chunk_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trigram, "CHUNK_BYTES", chunk_bytes)
    texts = ["abc", "ab", None, "xabcx", "", "bca", "ab" + "c" * 30, "a", "b", "c"]
    index = TrigramIndex.build(texts)
    for gram, rows in (("abc", [0, 3, 6]), ("bca", [5]), ("ccc", [6]), ("cab", [])):
        mask = index.candidates([gram])
        assert mask is not None
        assert mask.to_rows().tolist() == rows
        assert mask.n == len(texts)


def test_a_trigram_that_no_row_has_rules_out_every_row_exactly() -> None:
    mask = TrigramIndex.build(["abcd", None]).candidates(["abcd", "zzz"])
    assert mask is not None
    assert mask.is_none
    assert mask.exact
    assert mask.invert().count() == 2


@pytest.mark.parametrize("texts", [[], [None], [""], ["ab"], ["ab", None, "c"]])
def test_an_index_without_trigrams_rules_out_what_it_can(texts: list[str | None]) -> None:
    index = TrigramIndex.build(texts)
    mask = index.candidates(["abc"])
    assert mask is not None
    assert mask.count() == 0
    assert index.candidates([]) is None
    assert index.candidates(["ab", "", "é"]) is None


def test_literals_are_measured_in_bytes() -> None:
    index = TrigramIndex.build(["中国", "日本", "x"])
    mask = index.candidates(["中"])
    assert mask is not None
    assert mask.to_rows().tolist() == [0]


def test_many_candidates_come_as_a_dense_mask_and_the_size_is_known() -> None:
    index = TrigramIndex.build([f"common {row}" for row in range(1_000)])
    mask = index.candidates(["common"])
    assert mask is not None
    assert mask.count() == 1_000
    assert index.n_bytes > 4_000
    rare = index.candidates(["common 99"])
    assert rare is not None
    assert np.isin([99, 990, 999], rare.to_rows()).all()
    assert rare.count() < 100
