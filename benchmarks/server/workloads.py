"""What is asked: per workload the bodies of its requests, the same for every server.

A read goes round over `N_READS` different requests, so no answer can be kept; the ranges of the filter differ, too.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from benchmarks.ingest.rivals.protocol import Batch
from benchmarks.ingest.source import Source
from benchmarks.server.subjects import BASE

N_READS = 512
N_RESULTS = 10
BATCH_ROWS = 100
WITH = ["documents", "metadatas"]

Body = dict[str, Any]


@dataclass(frozen=True)
class Workload:
    """One kind of request.

    Attributes:
        name: in tables.
        path: below the collection.
        bodies: makes them, from the source, the rows that are there and how many are wanted (writes).
        n_timed: requests of one turn, or None for reads, which go on for a time.
        ours_alone: whether upstream's server refuses it.
    """

    name: str
    path: str
    bodies: Callable[[Source, int, int], Iterator[Body]]
    n_timed: int | None = None
    ours_alone: bool = False


def requests_of(workload: Workload, collection_id: str, bodies: Sequence[Body]) -> list[bytes]:
    """Return complete HTTP requests."""
    return [request_of(collection_id, workload.path, each) for each in bodies]


def request_of(collection_id: str, path: str, body: Body) -> bytes:
    """Return one complete HTTP request."""
    sent = orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
    head = (
        f"POST {BASE}/{collection_id}/{path} HTTP/1.1\r\nhost: 127.0.0.1\r\n"
        f"content-type: application/json\r\ncontent-length: {len(sent)}\r\n\r\n"
    )
    return head.encode("ascii") + sent


def query_vectors(source: Source, seed: int = 21) -> NDArray[np.float32]:
    """Return the vectors that are asked for: real questions, float32, shape (N_READS, dim)."""
    picked = np.random.default_rng(seed).permutation(len(source.queries))[:N_READS]
    return source.queries[picked]


def bucket_range(at: int) -> tuple[int, int]:
    """Return first and last `bucket` of the filter of request `at`: a tenth of all rows."""
    first = at * 37 % 900
    return first, first + 99


def record_body(batch: Batch) -> Body:
    """Return the body of an `add`."""
    return {
        "ids": batch.ids,
        "embeddings": [base64.b64encode(each.tobytes()).decode("ascii") for each in batch.vectors],
        "documents": batch.documents,
        "metadatas": batch.metadatas,
    }


def _queries(source: Source, n_rows: int, n_wanted: int) -> Iterator[Body]:
    for vector in query_vectors(source):
        yield {"query_embeddings": [vector], "n_results": N_RESULTS, "include": [*WITH, "distances"]}


def _filtered_queries(source: Source, n_rows: int, n_wanted: int) -> Iterator[Body]:
    for at, body in enumerate(_queries(source, n_rows, n_wanted)):
        first, last = bucket_range(at)
        yield {**body, "where": {"$and": [{"bucket": {"$gte": first}}, {"bucket": {"$lte": last}}]}}


def _gets_by_id(source: Source, n_rows: int, n_wanted: int) -> Iterator[Body]:
    rng = np.random.default_rng(22)
    for _ in range(N_READS):
        yield {"ids": [f"row-{row:08d}" for row in rng.choice(n_rows, 10, replace=False).tolist()], "include": WITH}


def _gets_by_filter(source: Source, n_rows: int, n_wanted: int) -> Iterator[Body]:
    for at in range(N_READS):
        yield {"where": {"bucket": at * 37 % 1000}, "limit": 20, "include": WITH}


def _hybrid_searches(source: Source, n_rows: int, n_wanted: int) -> Iterator[Body]:
    rng = np.random.default_rng(23)
    places = rng.integers(0, len(source.documents), N_READS).tolist()
    for vector, place in zip(query_vectors(source), places, strict=True):
        words = " ".join(str(source.documents[place]).split()[:8])
        ranks = [
            {"$knn": {"query": vector, "limit": 100, "return_rank": True}},
            {"$bm25": {"query": words, "limit": 100, "return_rank": True}},
        ]
        page = {"limit": N_RESULTS, "offset": 0}
        rank = {"$rrf": {"ranks": ranks, "k": 60}}
        yield {"searches": [{"rank": rank, "limit": page, "select": {"keys": ["#document", "#score"]}}]}


def _batches(source: Source, n_rows: int, n_wanted: int) -> Iterator[Body]:
    for at in range(n_wanted):
        first = n_rows + at * BATCH_ROWS
        yield record_body(source.batch(range(first, first + BATCH_ROWS)))


def _singles(source: Source, n_rows: int, n_wanted: int) -> Iterator[Body]:
    for at in range(n_wanted):
        yield record_body(source.batch([10_000_000 + at]))


WORKLOADS = (
    Workload("query", "query", _queries),
    Workload("filtered query", "query", _filtered_queries),
    Workload("get by ids", "get", _gets_by_id),
    Workload("get by filter", "get", _gets_by_filter),
    Workload("hybrid search", "search", _hybrid_searches, ours_alone=True),
    Workload("add of 100", "add", _batches, n_timed=32),
    Workload("add of 1", "add", _singles, n_timed=256),
)
