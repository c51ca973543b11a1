"""Metrics of one query's answer: ranking quality against judgements, and recall of an approximate index.

Not for: averages (take the mean over queries yourself), running queries, or measuring distances. A query without a
relevant document has no quality, so the ranking metrics refuse it; leave it out of the average, as trec_eval does by
default.

Invariant: every value lies in 0..1 and depends on at most the first k results.
Source: nDCG as trec_eval's `ndcg_cut` (linear gain, discount log2(rank + 1), rank from 1; Järvelin and Kekäläinen,
Cumulated gain-based evaluation of IR techniques, 2002). Recall of an index by distance, ties included, as
ann-benchmarks counts it (Aumüller, Bernhardsson, Faithfull, ANN-Benchmarks, 2020, section 3).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chroma_search.errors import InvalidInputError


def ndcg_at_k(ranked: Sequence[str], judgements: Mapping[str, float], k: int = 10) -> float:
    """Return the normalised discounted cumulated gain of the first k results.

    Args:
        ranked: ids, best first, each at most once; may be shorter than k or empty.
        judgements: gain of each judged id; 0 or less means judged not relevant, absent means not judged (no gain).
        k: how many results count, >= 1.

    Returns:
        0..1; 1 when no order of any documents could gain more within k.

    Raises:
        InvalidInputError: k below 1, an id twice, a gain that is not finite, or no relevant document.

    >>> ndcg_at_k(["a", "b", "c"], {"a": 1, "c": 1}, k=3)  # (1 + 1/2) / (1 + 1/log2(3))
    0.9197207891481876
    """
    gains = _relevant(judgements)
    found = _discounted(gains.get(each, 0.0) for each in _top(ranked, k))
    return found / _discounted(sorted(gains.values(), reverse=True)[:k])


def recall_at_k(ranked: Sequence[str], judgements: Mapping[str, float], k: int = 10) -> float:
    """Return the share of all relevant documents that the first k results hold.

    Arguments and errors as in `ndcg_at_k`. With more than k relevant documents the value cannot reach 1.

    >>> recall_at_k(["a", "b", "c"], {"a": 1, "c": 1, "d": 1, "b": 0}, k=2)
    0.3333333333333333
    """
    relevant = _relevant(judgements)
    return sum(each in relevant for each in _top(ranked, k)) / len(relevant)


def mrr_at_k(ranked: Sequence[str], judgements: Mapping[str, float], k: int = 10) -> float:
    """Return 1 / the rank (from 1) of the first relevant document, or 0.0 when the first k results hold none.

    Arguments and errors as in `ndcg_at_k`. The mean over queries is the MRR.

    >>> mrr_at_k(["b", "a", "c"], {"a": 1, "c": 1})
    0.5
    """
    relevant = _relevant(judgements)
    return next((1.0 / rank for rank, each in enumerate(_top(ranked, k), start=1) if each in relevant), 0.0)


def ann_recall_at_k(distances: ArrayLike, true_distances: ArrayLike, k: int, *, epsilon: float = 0.0) -> float:
    """Return the share of the k nearest that an approximate search found, equal distances being equally right.

    A result counts when its distance is at most the k-th true distance + epsilon. By id, a tie at the k-th place would
    count as a miss. Recompute the distances of the found rows yourself instead of believing the index.

    Args:
        distances: shape (m,), true distances of the distinct rows found, in the order of the answer; the first k
            count. m may be below k; NaN is never right.
        true_distances: shape (n,), ascending, the nearest of all rows that were allowed; n >= k unless fewer rows
            exist, then each of the n has to be found.
        k: neighbours wanted, >= 1.
        epsilon: absolute slack in the unit of the distances, >= 0: for distances computed in different arithmetic than
            the truth. 0 is strict; a slack near the gaps between neighbours flatters the index.

    Returns:
        0..1, found / min(k, n).

    Raises:
        InvalidInputError: k below 1; epsilon negative or NaN; true distances empty, not ascending or NaN; an argument
            that is not 1-D.

    >>> ann_recall_at_k([0.1, 0.4, 0.3], [0.1, 0.2, 0.3, 0.3], k=3)
    0.6666666666666666
    """
    _check_k(k)
    if not epsilon >= 0:
        raise InvalidInputError(f"epsilon must be a number >= 0, got {epsilon!r}")
    found = _one_dimensional(distances, "distances")
    truth = _one_dimensional(true_distances, "true_distances")
    if not len(truth):
        raise InvalidInputError("true_distances is empty: with nothing to find, leave the query out of the average")
    if np.isnan(truth).any() or np.any(truth[1:] < truth[:-1]):
        raise InvalidInputError("true_distances must be ascending and hold no NaN: sort them first")
    wanted = min(k, len(truth))
    right = int(np.count_nonzero(found[:k] <= truth[wanted - 1] + epsilon))
    return min(right, wanted) / wanted


def _relevant(judgements: Mapping[str, float]) -> dict[str, float]:
    """Return the ids with a positive gain."""
    for each, gain in judgements.items():
        if not math.isfinite(gain):
            raise InvalidInputError(f"the gain of {each!r} must be a finite number, got {gain!r}")
    relevant = {each: float(gain) for each, gain in judgements.items() if gain > 0}
    if not relevant:
        raise InvalidInputError("judgements name no relevant document: leave the query out of the average")
    return relevant


def _top(ranked: Sequence[str], k: int) -> Sequence[str]:
    """Return the first k ids, after checking that none of them comes twice."""
    _check_k(k)
    if isinstance(ranked, str):
        raise InvalidInputError(f"ranked must be a sequence of ids, got one string {ranked!r}: wrap it in a list")
    top = ranked[:k]
    seen: set[str] = set()
    for each in top:
        if each in seen:
            raise InvalidInputError(f"ranked holds {each!r} twice within the first {k}: each id may count once")
        seen.add(each)
    return top


def _check_k(k: int) -> None:
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
        raise InvalidInputError(f"k must be an int >= 1, got {k!r}")


def _discounted(gains: Iterable[float]) -> float:
    """Return the sum of the gains, each divided by log2(rank + 1), rank from 1."""
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))


def _one_dimensional(values: ArrayLike, name: str) -> NDArray[np.float64]:
    array = np.asarray(values, np.float64)
    if array.ndim != 1:
        raise InvalidInputError(f"{name} must be 1-D (one query), got shape {array.shape}")
    return array
