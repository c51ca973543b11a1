"""What the layers above the graph cost: ratios of `query()` and `search()` to raw hnswlib, in one run.

    python -m benchmarks.ann.overhead --data DIR [--rows 60000] [--queries 300]

Both sides build the same graph from the same rows in the same order and search with the same beam; the calls alternate
query by query, so that a machine that slows down slows both.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import chroma_search
from benchmarks.ann.datasets import load
from chroma_search import Knn, Search

BEAM = 100
FAR_HALF = 556
"""Buckets of a thousand that make half of all rows of nine classes in ten."""
HARDEST = 20
"""Queries for which a filter is made up that allows just the half of all rows that is farther off."""
HEAVY = ("sklearn", "hnswlib", "pyarrow", "lark", "pydantic")


def alternate(calls: dict[str, Callable[[int], object]], n_queries: int, rounds: int = 3) -> dict[str, float]:
    """Return the median microseconds of each call, the calls taking turns."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for at in range(10):
        for call in calls.values():
            call(at)
    for _ in range(rounds):
        for at in range(n_queries):
            for name, call in calls.items():
                started = time.perf_counter()
                call(at)
                times[name].append((time.perf_counter() - started) * 1e6)
    return {name: float(np.median(each)) for name, each in times.items()}


def main() -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--queries", type=int, default=300)
    args = parser.parse_args()
    import hnswlib

    data = load(args.data, n_rows=args.rows, n_queries=args.queries)
    n_rows, dim = data.train.shape
    raw = hnswlib.Index("l2", dim)
    raw.init_index(n_rows, ef_construction=100, M=16, random_seed=100)
    started = time.perf_counter()
    raw.add_items(data.train, num_threads=1)
    raw_s = time.perf_counter() - started
    raw.set_ef(BEAM)
    raw.set_num_threads(1)
    collection = chroma_search.EphemeralClient().create_collection(
        "overhead", configuration={"hnsw": {"space": "l2"}}, embedding_function=None
    )
    metadatas: list[dict[str, int | bool]] = [
        {"bucket": int(bucket), "label": int(label)}
        for bucket, label in zip(data.bucket, data.train_label, strict=True)
    ]
    for at in range(HARDEST):
        distances = ((data.train - data.test[at]) ** 2).sum(axis=1)
        for row in np.argsort(distances)[n_rows // 2 :].tolist():
            metadatas[row][f"farther_{at}"] = True
    started = time.perf_counter()
    collection.add(ids=[str(row) for row in range(n_rows)], embeddings=data.train, metadatas=metadatas)
    ours_s = time.perf_counter() - started
    print(f"{n_rows} x {dim}: hnswlib builds in {raw_s:.1f} s, add() takes {ours_s:.1f} s, ratio {ours_s / raw_s:.2f}")

    def query(where: Callable[[int], dict[str, object] | None]) -> Callable[[int], object]:
        return lambda at: collection.query(
            query_embeddings=[data.test[at]], n_results=10, where=where(at), include=["distances"]
        )

    def of_class(operator: str, at: int) -> dict[str, object]:
        return {"label": {operator: int(data.test_label[at])}}

    calls: dict[str, Callable[[int], object]] = {
        "hnswlib k=10": lambda at: raw.knn_query(data.test[at], k=10),
        "query()": query(lambda _: None),
        "search()": lambda at: collection.search(Search(rank=Knn(data.test[at], limit=10)).limit(10)),
    }
    for share in (500, 100, 10, 1):
        calls[f"query() where {share / 10:g} %"] = query(lambda _, share=share: {"bucket": {"$lt": share}})
    calls["query() where near (its class, 10 %)"] = query(lambda at: of_class("$eq", at))
    calls["query() where far (others, 90 %)"] = query(lambda at: of_class("$ne", at))
    calls["query() where far (others, 50 %)"] = query(
        lambda at: {"$and": [of_class("$ne", at), {"bucket": {"$lt": FAR_HALF}}]}
    )
    calls["query() where the farther half"] = lambda at: query(lambda of: {f"farther_{of}": True})(at % HARDEST)
    medians = alternate(calls, args.queries)
    for name, median in medians.items():
        to_raw, to_query = median / medians["hnswlib k=10"], median / medians["query()"]
        print(f"{name:36} {median:8.0f} us   {to_raw:5.2f} x hnswlib   {to_query:5.2f} x unfiltered")
    import_cost()


def import_cost() -> None:
    """Print how long `import chroma_search` takes in a fresh process, and which heavy packages it loads."""
    program = "import time; t = time.perf_counter(); import chroma_search, sys; print(time.perf_counter() - t); "
    program += f"print([m for m in {HEAVY!r} if m in sys.modules])"
    runs = [
        subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.splitlines()
        for _ in range(7)
    ]
    seconds = sorted(float(run[0]) for run in runs)
    print(f"import chroma_search: median {seconds[3] * 1000:.0f} ms ({seconds[0] * 1000:.0f}-{seconds[-1] * 1000:.0f})")
    print(f"heavy packages it loads: {runs[0][1]}")


if __name__ == "__main__":
    main()
