"""Rows to write: real sentence embeddings with their texts, tiled with noise where more are wanted than there are.

From the folder of `--data`: the sets of `SETS`, stacked, each with `doc_emb.npy` and `docs.parquet`. Rows beyond them
repeat the texts; their vectors get seeded noise of length `NOISE` and are normalised again. Without a folder everything
is made up from a seed. A row's content depends on its number and generation alone (1 is what an update writes), so that
every rival gets the same and a reader can make the same again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.ingest.rivals.protocol import Batch

SETS = ("medquad", "squad-sentences", "scifact", "cisi", "med")
REAL, MADE_UP = "minilm", "made-up"
"""Names of the two sources."""
DIMENSION = 384
NOISE = 0.2
"""Length of the noise on unit vectors: two copies of a text are at a cosine of about 0.96."""
_NOISES = 8192


@dataclass(frozen=True)
class Source:
    """Where rows come from.

    Attributes:
        name: for result files.
        vectors: float32, shape (n, 384), unit length.
        documents: n texts.
        sets: n names, a field of the metadata.
        queries: float32, shape (q, 384).
    """

    name: str
    vectors: NDArray[np.float32]
    documents: Sequence[str]
    sets: Sequence[str]
    queries: NDArray[np.float32]

    def batch(self, rows: Sequence[int] | NDArray[np.int64] | range, generation: int = 0) -> Batch:
        """Return the rows of these numbers, as first written (0) or as an update changes them (1)."""
        numbers = np.asarray(rows, np.int64)
        places = (numbers + generation) % len(self.vectors)
        vectors = self.vectors[places]
        noisy = np.flatnonzero((numbers >= len(self.vectors)) | (generation > 0))
        if len(noisy):
            vectors[noisy] += _noise()[(numbers[noisy] * 7919 + generation * 4099) % _NOISES]
            vectors[noisy] /= np.linalg.norm(vectors[noisy], axis=1, keepdims=True)
        return Batch(
            ids=[f"row-{number:08d}" for number in numbers.tolist()],
            vectors=vectors,
            documents=[self.documents[place] for place in map(int, places)],
            metadatas=[
                _metadata(number + generation, self.sets[place])
                for number, place in zip(numbers.tolist(), map(int, places), strict=True)
            ],
        )


def load(data: Path | None) -> Source:
    """Return the sets of the folder, or made-up rows without one."""
    if data is None:
        return _made_up()
    import pyarrow.parquet  # a quarter of a second that made-up rows need not wait for

    vectors: list[NDArray[np.float32]] = []
    documents: list[str] = []
    sets: list[str] = []
    for name in SETS:
        vectors.append(np.load(data / name / "doc_emb.npy").astype(np.float32))
        documents += pyarrow.parquet.read_table(data / name / "docs.parquet", columns=["text"])["text"].to_pylist()
        sets += [name] * len(vectors[-1])
    queries = np.load(data / "medquad" / "query_emb.npy")[:1000].astype(np.float32)
    return Source(REAL, np.concatenate(vectors), documents, sets, queries)


def _made_up(n_rows: int = 10_000) -> Source:
    rng = np.random.default_rng(11)
    centres = rng.normal(size=(100, DIMENSION))
    vectors = (centres[rng.integers(0, 100, n_rows)] + rng.normal(size=(n_rows, DIMENSION))).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    words = np.array([f"word{at}" for at in range(2000)])
    texts = [" ".join(words[row]) for row in rng.integers(0, 2000, (n_rows, 120))]
    return Source(MADE_UP, vectors, texts, [MADE_UP] * n_rows, vectors[:1000].copy())


def _metadata(number: int, name: str) -> dict[str, Any]:
    return {
        "set": name,
        "bucket": number * 7919 % 1000,
        "price": (number * 104729 % 100_000) / 100 + 0.25,
        "year": 1990 + number * 31 % 35,
        "flag": number % 10 == 0,
    }


def _noise() -> NDArray[np.float32]:
    global _made_noise
    found = _made_noise
    if found is None:
        made = np.random.default_rng(5).normal(size=(_NOISES, DIMENSION))
        found = _made_noise = (made * (NOISE / DIMENSION**0.5)).astype(np.float32)
    return found


_made_noise: NDArray[np.float32] | None = None
