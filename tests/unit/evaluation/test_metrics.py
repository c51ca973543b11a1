"""Metrics against values worked out by hand, and their relations over random rankings."""

import math

import numpy as np
import pytest

from chroma_search.errors import InvalidInputError
from chroma_search.evaluation import ann_recall_at_k, mrr_at_k, ndcg_at_k, recall_at_k

RANKING_METRICS = [ndcg_at_k, recall_at_k, mrr_at_k]
LOG3, LOG5 = math.log2(3), math.log2(5)


def test_ndcg_is_the_gain_over_the_best_gain_with_log2_discount():
    got = ndcg_at_k(["x", "a", "y", "b"], {"a": 3, "b": 2, "c": 1}, k=10)
    assert got == pytest.approx((3 / LOG3 + 2 / LOG5) / (3 + 2 / LOG3 + 1 / 2), rel=1e-15)


def test_ndcg_gain_is_linear_not_exponential():
    assert ndcg_at_k(["b", "a"], {"a": 3, "b": 1}) == pytest.approx((1 + 3 / LOG3) / (3 + 1 / LOG3), rel=1e-15)


def test_ndcg_compares_with_the_best_k_not_with_all_relevant():
    assert ndcg_at_k(["a"], {"a": 1, "b": 1, "c": 1}, k=1) == 1.0


def test_ndcg_of_one_relevant_document_is_its_discount():
    assert ndcg_at_k(["x", "y", "a"], {"a": 7}) == pytest.approx(0.5, rel=1e-15)


def test_recall_divides_by_all_relevant_even_when_they_exceed_k():
    assert recall_at_k(["a", "b"], {"a": 1, "b": 1, "c": 1, "d": 1}, k=2) == 0.5


def test_mrr_counts_the_first_relevant_document_only():
    assert mrr_at_k(["x", "y", "a", "b"], {"a": 1, "b": 1}) == pytest.approx(1 / 3, rel=1e-15)


@pytest.mark.parametrize("metric", RANKING_METRICS)
def test_a_relevant_document_beyond_k_does_not_count(metric):
    assert metric(["x", "y", "a"], {"a": 1}, k=2) == 0.0
    assert metric(["x", "y", "a"], {"a": 1}, k=3) > 0.0


@pytest.mark.parametrize("metric", RANKING_METRICS)
def test_an_empty_ranking_scores_zero(metric):
    assert metric([], {"a": 1}) == 0.0


@pytest.mark.parametrize("metric", RANKING_METRICS)
def test_documents_judged_zero_or_below_are_not_relevant(metric):
    assert metric(["z", "n"], {"a": 1, "z": 0, "n": -2}) == 0.0
    assert metric(["a"], {"a": 1, "z": 0, "n": -2}) == 1.0


@pytest.mark.parametrize("metric", RANKING_METRICS)
def test_a_perfect_ranking_scores_one_whatever_follows(metric):
    assert metric(["a", "b", "x"], {"a": 2, "b": 2}) == 1.0


@pytest.mark.parametrize("metric", RANKING_METRICS)
def test_values_stay_within_0_and_1_and_never_fall_as_relevant_documents_move_up(metric):
    rng = np.random.default_rng(7)
    for _ in range(200):
        ids = [f"d{i}" for i in range(12)]
        judgements = {each: float(rng.integers(0, 4)) for each in ids[:8]} | {"d0": 1.0}
        ranked = list(rng.permutation(ids))
        at = int(rng.integers(1, len(ranked)))
        k = int(rng.integers(1, 14))
        before = metric(ranked, judgements, k)
        assert 0.0 <= before <= 1.0 + 1e-12
        if judgements.get(ranked[at], 0.0) > judgements.get(ranked[at - 1], 0.0):
            ranked[at - 1 : at + 1] = ranked[at], ranked[at - 1]
            assert metric(ranked, judgements, k) >= before - 1e-12


@pytest.mark.parametrize("metric", RANKING_METRICS)
@pytest.mark.parametrize("judgements", [{}, {"a": 0}, {"a": -1.0}])
def test_a_query_without_a_relevant_document_is_refused(metric, judgements):
    with pytest.raises(InvalidInputError, match="no relevant document"):
        metric(["a"], judgements)


@pytest.mark.parametrize("metric", RANKING_METRICS)
@pytest.mark.parametrize("gain", [math.nan, math.inf])
def test_a_gain_that_is_not_finite_is_refused(metric, gain):
    with pytest.raises(InvalidInputError, match="'b' must be a finite number"):
        metric(["a"], {"a": 1, "b": gain})


@pytest.mark.parametrize("metric", RANKING_METRICS)
def test_an_id_that_comes_twice_within_k_is_refused(metric):
    with pytest.raises(InvalidInputError, match="'a' twice"):
        metric(["a", "b", "a"], {"a": 1})
    assert metric(["a", "b", "a"], {"a": 1}, k=2) == 1.0


@pytest.mark.parametrize("metric", RANKING_METRICS)
def test_a_single_string_is_not_taken_for_a_ranking(metric):
    with pytest.raises(InvalidInputError, match="wrap it in a list"):
        metric("abc", {"a": 1})


@pytest.mark.parametrize("k", [0, -1, 2.5, True, None])
def test_k_must_be_a_positive_int(k):
    for metric in RANKING_METRICS:
        with pytest.raises(InvalidInputError, match="k must be an int >= 1"):
            metric(["a"], {"a": 1}, k)
    with pytest.raises(InvalidInputError, match="k must be an int >= 1"):
        ann_recall_at_k([0.0], [0.0], k)


def test_ann_recall_counts_results_within_the_kth_true_distance():
    assert ann_recall_at_k([1, 2, 9, 8], [1, 2, 3, 4, 5], k=4) == 0.5


def test_ann_recall_takes_any_of_equally_near_rows():
    assert ann_recall_at_k([1, 2, 2], [1, 2, 2, 2, 2], k=3) == 1.0


def test_ann_recall_counts_a_short_answer_as_misses():
    assert ann_recall_at_k([1], [1, 2, 3, 4], k=4) == 0.25
    assert ann_recall_at_k([], [1, 2], k=2) == 0.0


def test_ann_recall_ignores_what_was_returned_beyond_k():
    assert ann_recall_at_k([9, 9, 1, 2], [1, 2], k=2) == 0.0


def test_ann_recall_wants_only_as_many_as_exist():
    assert ann_recall_at_k([1, 2], [1, 2], k=10) == 1.0
    assert ann_recall_at_k([1], [1, 2], k=10) == 0.5


def test_ann_recall_never_exceeds_one_when_more_results_than_rows_lie_within():
    assert ann_recall_at_k([1, 1, 1], [1, 1], k=5) == 1.0


def test_ann_recall_epsilon_is_absolute_and_strict_by_default():
    assert ann_recall_at_k([1.0, 2.001], [1.0, 2.0], k=2) == 0.5
    assert ann_recall_at_k([1.0, 2.001], [1.0, 2.0], k=2, epsilon=0.01) == 1.0
    assert ann_recall_at_k([-5.001, -4.0], [-5.0, -4.0], k=2) == 1.0


def test_ann_recall_never_counts_a_nan_distance():
    assert ann_recall_at_k([math.nan, 1.0], [1.0, math.inf], k=2) == 0.5


@pytest.mark.parametrize("truth", [[], [2.0, 1.0], [1.0, math.nan], [math.nan]])
def test_ann_recall_refuses_a_truth_that_is_empty_unsorted_or_nan(truth):
    with pytest.raises(InvalidInputError, match="true_distances"):
        ann_recall_at_k([1.0], truth, k=1)


def test_ann_recall_refuses_many_queries_at_once():
    with pytest.raises(InvalidInputError, match="one query"):
        ann_recall_at_k(np.zeros((2, 3)), np.zeros(3), k=3)


@pytest.mark.parametrize("epsilon", [-1e-9, math.nan])
def test_ann_recall_refuses_a_negative_epsilon(epsilon):
    with pytest.raises(InvalidInputError, match="epsilon"):
        ann_recall_at_k([1.0], [1.0], k=1, epsilon=epsilon)
