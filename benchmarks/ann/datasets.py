"""Data sets of the ANN benchmark: Fashion-MNIST from a folder, or made-up clusters where there is none.

The folder is that of `--data`: `fashion-mnist-784-euclidean/vectors.npz` with `train`, `test` (uint8) and their labels.
Every row gets a `label` (its class) and a `bucket` 0..999 that is independent of the vector.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Dataset:
    """Vectors with filter fields.

    Attributes:
        name: for result files.
        train, test: float32, shape (n, dim) and (q, dim).
        train_label, test_label: class per row.
        bucket: 0..999 per training row.
    """

    name: str
    train: NDArray[np.float32]
    test: NDArray[np.float32]
    train_label: NDArray[np.int64]
    test_label: NDArray[np.int64]
    bucket: NDArray[np.int64]


def load(data: Path | None, *, n_rows: int | None = None, n_queries: int = 500) -> Dataset:
    """Return Fashion-MNIST from `data`, or made-up clusters of the same shape (a tenth of the rows) without it."""
    if data is None:
        return _made_up(n_rows or 6_000, n_queries)
    held = np.load(data / "fashion-mnist-784-euclidean" / "vectors.npz")
    train = np.ascontiguousarray(held["train"][:n_rows], np.float32)
    bucket = np.random.default_rng(1).integers(0, 1000, len(train))
    return Dataset(
        f"fashion-mnist-{len(train)}",
        train,
        np.ascontiguousarray(held["test"][:n_queries], np.float32),
        held["train_label"][:n_rows].astype(np.int64),
        held["test_label"][:n_queries].astype(np.int64),
        bucket,
    )


def _made_up(n_rows: int, n_queries: int) -> Dataset:
    rng = np.random.default_rng(7)
    centres = rng.normal(size=(10, 128)) * 3
    labels = rng.integers(0, 10, n_rows + n_queries)
    vectors = (centres[labels] + rng.normal(size=(n_rows + n_queries, 128))).astype(np.float32)
    return Dataset(
        f"clusters-{n_rows}",
        vectors[:n_rows],
        vectors[n_rows:],
        labels[:n_rows],
        labels[n_rows:],
        rng.integers(0, 1000, n_rows),
    )
