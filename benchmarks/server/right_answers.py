"""Are the answers right: a fast wrong one does not count. Truth is computed here, in float64, over the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.ingest.source import Source
from benchmarks.server.subjects import BASE, Subject
from benchmarks.server.workloads import N_RESULTS, Workload, bucket_range, query_vectors

N_CHECKED = 40
"""Few, for a filtered query of upstream's server takes most of a second."""


def check(
    subject: Subject, collection_id: str, source: Source, n_rows: int, chosen: Sequence[Workload]
) -> dict[str, Any]:
    """Return recall of queries, and the share of right records of `get`, for the chosen requests that read.

    A hit counts by its distance (ties, and rows that were added meanwhile and are as near, count too).
    """
    truth = _distances(source, n_rows)
    shares: dict[str, float] = {}
    for workload in chosen:
        if workload.path not in ("query", "get"):
            continue
        bodies = list(workload.bodies(source, n_rows, 0))[:N_CHECKED]
        right: list[float] = []
        for at, body in enumerate(bodies):
            sent = {name: [value[0].tolist()] if name == "query_embeddings" else value for name, value in body.items()}
            answer = subject.ask("POST", f"{BASE}/{collection_id}/{workload.path}", sent)
            if workload.path == "query":
                allowed = bucket_range(at) if "where" in body else None
                right.append(_recall(answer, truth[at], allowed))
            else:
                right.append(_share_right(answer, body, source, n_rows))
        shares[workload.name] = sum(right) / len(right)
    return {"right": shares, "count": subject.ask("GET", f"{BASE}/{collection_id}/count")}


def _recall(answer: Any, distances: NDArray[np.float64], allowed: tuple[int, int] | None) -> float:
    if allowed is not None:
        buckets = np.arange(len(distances)) * 7919 % 1000
        distances = distances[(buckets >= allowed[0]) & (buckets <= allowed[1])]
        inside = [allowed[0] <= each["bucket"] <= allowed[1] for each in answer["metadatas"][0]]
        if not all(inside):
            return 0.0
    bound = np.partition(distances, N_RESULTS - 1)[N_RESULTS - 1]
    return sum(each <= bound + 1e-5 for each in answer["distances"][0]) / N_RESULTS


def _share_right(answer: Any, body: dict[str, Any], source: Source, n_rows: int) -> float:
    if "ids" in body:
        if set(answer["ids"]) != set(body["ids"]):
            return 0.0
    elif len(answer["ids"]) < min(body["limit"], n_rows // 1000):
        return 0.0
    numbers = [int(each.removeprefix("row-")) for each in answer["ids"]]
    truth = source.batch(numbers)
    same = [
        document == true_document and metadata == true_metadata
        for document, metadata, true_document, true_metadata in zip(
            answer["documents"], answer["metadatas"], truth.documents, truth.metadatas, strict=True
        )
    ]
    if "where" in body and any(each["bucket"] != body["where"]["bucket"] for each in answer["metadatas"]):
        return 0.0
    return sum(same) / len(same)


def _distances(source: Source, n_rows: int) -> NDArray[np.float64]:
    """Return the squared distances of the checked queries to all rows, float64, shape (N_CHECKED, n_rows)."""
    global _known
    found = _known
    if found is None or found.shape[1] != n_rows:
        held = source.batch(range(n_rows)).vectors.astype(np.float64)
        queries = query_vectors(source)[:N_CHECKED].astype(np.float64)
        found = _known = (queries**2).sum(axis=1)[:, None] - 2.0 * queries @ held.T + (held**2).sum(axis=1)
    return found


_known: NDArray[np.float64] | None = None
