"""Exact neighbours per scenario: brute force in float64, so that nothing measured here is believed by anyone else."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.ann.datasets import Dataset
from benchmarks.ann.scenarios import Scenario


def kth_distances(data: Dataset, scenario: Scenario, k: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return, per query, the squared distance of the k-th nearest match and how many of k there are."""
    train = data.train.astype(np.float64)
    norms = np.einsum("ij,ij->i", train, train)
    kth = np.full(len(data.test), np.inf)
    n_true = np.zeros(len(data.test), np.int64)
    masks = {label: scenario.matches(data, label) for label in sorted(set(data.test_label.tolist()))}
    for at, query in enumerate(data.test.astype(np.float64)):
        distances = (norms - 2 * (train @ query) + query @ query)[masks[int(data.test_label[at])]]
        n_true[at] = min(k, len(distances))
        if n_true[at]:
            kth[at] = np.partition(distances, n_true[at] - 1)[n_true[at] - 1]
    return kth, n_true


def recall(data: Dataset, found: list[list[int]], kth: NDArray[np.float64], n_true: NDArray[np.int64]) -> float:
    """Return the mean share of true neighbours found; a row counts when it is no farther than the k-th true one."""
    shares: list[float] = []
    for at, rows in enumerate(found):
        if not n_true[at]:
            continue
        differences = data.train[rows].astype(np.float64) - data.test[at].astype(np.float64)
        distances = np.einsum("ij,ij->i", differences, differences)
        near = int(np.count_nonzero(distances <= kth[at] * (1 + 1e-6) + 1e-6))
        shares.append(min(near, int(n_true[at])) / int(n_true[at]))
    return float(np.mean(shares))
