"""BM25 equals the rank_bm25 package and a plain loop, with deletes, masks and any split into segments."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from rank_bm25 import BM25Okapi

from chroma_search.errors import InternalError, InvalidArgumentError
from chroma_search.indexes.base import TextStatistics
from chroma_search.indexes.text.analyzer import Analyzer
from chroma_search.indexes.text.bm25 import mean_okapi_idf, merged_frequencies, merged_statistics, query_statistics
from chroma_search.indexes.text.inverted import InvertedIndex
from chroma_search.kernels import bm25 as kernel
from chroma_search.model.mask import Mask

WORDS = Analyzer(stemming=False, stop_words=False)


def random_texts(rng: random.Random, n: int, n_words: int = 12) -> list[str | None]:
    """Texts where some words are in more than half of the documents; empty ones and None among them."""
    vocabulary = [f"w{number}" for number in range(n_words)]
    weights = [1 / (1 + number) ** 1.5 for number in range(n_words)]
    texts: list[str | None] = []
    for _ in range(n):
        length = rng.choice([0, 1, 3, 8, 20, 20])
        texts.append(None if rng.random() < 0.1 else " ".join(rng.choices(vocabulary, weights, k=length)))
    return texts


def loop_scores(
    texts: Sequence[str | None], live: Sequence[bool], query: Sequence[str], k1: float, b: float
) -> dict[int, float]:
    """Return the lucene BM25 score of each live row that shares a term with the query."""
    tokens = {row: text.split() for row, text in enumerate(texts) if text is not None and live[row]}
    n = len(tokens)
    total = sum(map(len, tokens.values()))
    scores: dict[int, float] = {}
    for row, words in tokens.items():
        if not set(words) & set(query):
            continue
        counts = Counter(words)
        score = 0.0
        for term in query:
            df = sum(term in other for other in tokens.values())
            if counts[term]:
                idf = math.log(1.0 + (n - df + 0.5) / (df + 0.5))
                tf = float(counts[term])
                score += tf * (k1 + 1) / (tf + k1 * (1 - b + b * len(words) / (total / n))) * idf
        scores[row] = score
    return scores


def ranked(
    index: InvertedIndex, query: Sequence[str], statistics: TextStatistics, **options: object
) -> dict[int, float]:
    found = index.score(query, statistics, **options)  # type: ignore[arg-type]
    assert len(set(found.rows.tolist())) == len(found.rows)
    assert found.rows.dtype == np.int64
    assert found.distances.dtype == np.float64
    return dict(zip(found.rows.tolist(), (-found.distances).tolist(), strict=True))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("k1", "b"), [(1.2, 0.75), (0.9, 0.4), (0.0, 0.0), (2.0, 1.0), (1, 0)])
def test_scores_equal_a_plain_loop_bit_for_bit(seed: int, k1: float, b: float) -> None:
    rng = random.Random(seed)
    texts = random_texts(rng, 60)
    live = [rng.random() < 0.8 for _ in texts]
    mask = Mask.of_bits(np.array(live))
    index = InvertedIndex.build(texts, WORDS)
    for _ in range(5):
        query = rng.choices([*(f"w{number}" for number in range(12)), "unknown"], k=rng.randint(1, 5))
        statistics = index.statistics(query, mask)
        assert ranked(index, query, statistics, k1=k1, b=b, k=1_000, mask=mask) == loop_scores(
            texts, live, query, k1, b
        )


@pytest.mark.parametrize("seed", range(6))
def test_okapi_scores_equal_rank_bm25(seed: int) -> None:
    rng = random.Random(seed)
    texts = random_texts(rng, 50, n_words=9)
    live = [rng.random() < 0.7 for _ in texts]
    rows = [row for row, text in enumerate(texts) if text is not None and live[row]]
    tokens = [(texts[row] or "").split() for row in rows]
    theirs = BM25Okapi(tokens, k1=1.4, b=0.6)
    assert any(df > len(rows) / 2 for df in Counter(word for each in tokens for word in set(each)).values())
    mask = Mask.of_bits(np.array(live))
    index = InvertedIndex.build(texts, WORDS)
    frequencies = index.vocabulary_frequencies(mask)
    mean = mean_okapi_idf(frequencies.values(), len(rows))
    assert mean == pytest.approx(theirs.average_idf, abs=1e-12)
    for _ in range(8):
        query = rng.choices([*(f"w{number}" for number in range(12)), "unknown"], k=rng.randint(1, 6))
        statistics = index.statistics(query, mask)
        assert statistics == query_statistics(query, frequencies, len(rows), statistics.n_tokens)
        ours = ranked(index, query, statistics, k1=1.4, b=0.6, idf="okapi", k=1_000, mask=mask, mean_idf=mean)
        expected = dict(zip(rows, theirs.get_scores(query).tolist(), strict=True))
        for row, score in expected.items():
            assert ours.get(row, 0.0) == pytest.approx(score, abs=1e-9)
        assert set(ours) == {row for row, words in zip(rows, tokens, strict=True) if set(words) & set(query)}


@pytest.mark.parametrize("seed", range(5))
def test_scores_do_not_depend_on_the_split_into_segments(seed: int) -> None:
    rng = random.Random(seed)
    texts = random_texts(rng, 80)
    query = rng.choices([f"w{number}" for number in range(12)], k=4)
    whole = InvertedIndex.build(texts, WORDS)
    cuts = [0, *sorted(rng.sample(range(80), 3)), 80]
    parts = [InvertedIndex.build(texts[a:b], WORDS) for a, b in pairwise(cuts)]
    statistics = merged_statistics(part.statistics(query, None) for part in parts)
    assert statistics == whole.statistics(query, None)
    assert merged_frequencies(part.vocabulary_frequencies(None) for part in parts) == whole.vocabulary_frequencies(None)
    together: dict[int, float] = {}
    for start, part in zip(cuts, parts, strict=False):
        together |= {start + row: score for row, score in ranked(part, query, statistics, k=500).items()}
    assert together == ranked(whole, query, statistics, k=500)


def test_statistics_count_live_rows_only_and_none_is_no_document() -> None:
    index = InvertedIndex.build(["a b a", "", None, "b", "a c c c"], WORDS)
    assert index.statistics(["a", "b", "zzz", "a"], None) == TextStatistics(4, 8, (2, 2, 0, 2))
    dead = Mask(5, rows=np.array([0]), exclude=True)
    assert index.statistics(["a", "b"], dead) == TextStatistics(3, 5, (1, 1))
    assert index.statistics(["a"], Mask.none(5)) == TextStatistics(0, 0, (0,))
    assert index.statistics(["a"], Mask.all(5)) == index.statistics(["a"], None)
    assert index.vocabulary_frequencies(None) == {"a": 2, "b": 2, "c": 1}
    assert index.vocabulary_frequencies(dead) == {"a": 1, "b": 1, "c": 1}
    assert index.vocabulary_frequencies(Mask.of_rows(5, np.array([3]))) == {"b": 1}


@pytest.mark.parametrize("texts", [[], [None], [""], [None, "", None], ["the of"]])
def test_an_index_without_terms_answers_nothing(texts: list[str | None]) -> None:
    index = InvertedIndex.build(texts, Analyzer())
    statistics = index.statistics(["a"], None)
    assert len(index.score(["a"], statistics)) == 0
    assert len(index.score([], TextStatistics(3, 9, ()))) == 0
    assert index.vocabulary_frequencies(None) == {}
    assert (index.n_terms, index.n_postings) == (0, 0)


@pytest.mark.parametrize("k", [1, 2, 5, 40])
def test_the_k_best_come_with_all_ties_of_the_last(k: int) -> None:
    texts = [f"a {'x ' * (row % 7)}" for row in range(5_000)]
    index = InvertedIndex.build(texts, WORDS)
    statistics = index.statistics(["a"], None)
    everything = ranked(index, ["a"], statistics, k=10_000)
    best = ranked(index, ["a"], statistics, k=k)
    kth = sorted(everything.values(), reverse=True)[k - 1]
    assert best == {row: score for row, score in everything.items() if score >= kth}
    assert index.score(["a"], statistics, k=k).exact


def test_a_term_given_twice_counts_twice() -> None:
    index = InvertedIndex.build(["a b", "b", "c"], WORDS)
    once = ranked(index, ["a"], index.statistics(["a"], None))
    twice = ranked(index, ["a", "a"], index.statistics(["a", "a"], None))
    assert twice == {0: once[0] + once[0]}


def test_masks_of_every_form_give_the_same_rows() -> None:
    rng = np.random.default_rng(1)
    texts = [" ".join(f"w{number}" for number in rng.integers(0, 6, 5)) for _ in range(3_000)]
    index = InvertedIndex.build(texts, WORDS)
    query = ["w1", "w2", "w1"]
    statistics = index.statistics(query, None)
    everything = ranked(index, query, statistics, k=5_000)
    for share in (0.0, 0.001, 0.02, 0.6, 1.0):
        bits = rng.random(3_000) < share
        allowed = {row: score for row, score in everything.items() if bits[row]}
        for mask in (
            Mask.of_bits(bits),
            Mask.of_rows(3_000, np.flatnonzero(bits)),
            Mask(3_000, rows=np.flatnonzero(~bits), exclude=True),
        ):
            assert ranked(index, query, statistics, k=5_000, mask=mask) == allowed


def test_scores_are_never_minus_zero_and_visited_counts_postings() -> None:
    index = InvertedIndex.build(["a", "b"], WORDS)
    found = index.score(["a"], TextStatistics(2, 2, (2,)), idf="okapi", mean_idf=0.0)
    assert str(found.distances[0]) == "0.0"
    assert found.visited == 1


def test_an_unknown_idf_is_refused_and_okapi_needs_its_mean() -> None:
    index = InvertedIndex.build(["a"], WORDS)
    statistics = index.statistics(["a"], None)
    with pytest.raises(InvalidArgumentError, match="plus"):
        index.score(["a"], statistics, idf="plus")
    with pytest.raises(InternalError, match="mean"):
        index.score(["a"], statistics, idf="okapi")


def test_the_mean_okapi_idf_of_no_terms_is_zero() -> None:
    assert mean_okapi_idf([], 10) == 0.0


@pytest.mark.parametrize("n_rows", [3_000, 400_000])
def test_all_ways_to_add_up_postings_give_the_same_bits(n_rows: int) -> None:
    rng = np.random.default_rng(2)
    norms = rng.random(n_rows) * 3
    lists: list[kernel.PostingList] = []
    for size in (1_000, 700, 2_500):
        rows = np.sort(rng.choice(n_rows, size, replace=False)).astype(np.int32)
        lists.append((rows, rng.integers(1, 9, size).astype(np.int32), float(rng.random() * 5)))
    sums: dict[int, float] = {}
    for rows, counts, weight in lists:
        for row, count in zip(rows.tolist(), counts.tolist(), strict=True):
            sums[row] = sums.get(row, 0.0) + count * (1.2 + 1.0) / (count + float(norms[row])) * weight
    expected = (sorted(sums), [sums[row] for row in sorted(sums)])
    for rows_beyond in (0, 100_000):  # few postings per row are added up in another way
        found, totals = kernel.scores(lists, np.concatenate([norms, np.ones(rows_beyond)]), 1.2)
        assert (found.tolist(), totals.tolist()) == expected
