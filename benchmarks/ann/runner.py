"""Measure algorithms over scenarios; one process per algorithm and parameter set, raw figures to `results/`.

    python -m benchmarks.ann.runner --data DIR [--algorithm hnsw] [--queries 500] [--rows 60000]

One thread per query. Raw results (ids and latencies) are written first; `metrics.py` and `plot.py` read them.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks.ann.datasets import Dataset, load
from benchmarks.ann.scenarios import SCENARIOS, Scenario

HERE = Path(__file__).parent
K = 10
Search = Callable[[np.ndarray, "dict[str, Any] | None"], list[int]]


def main() -> None:
    """Run every parameter set of the chosen algorithms, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--algorithm", action="append")
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--out", type=Path, default=HERE / "results")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        run_one(json.loads(args.one), args)
        return
    for path in sorted((HERE / "algorithms").glob("*.yml")):
        if args.algorithm and path.stem not in args.algorithm:
            continue
        for run in yaml.safe_load(path.read_text())["runs"]:
            spec = {"algorithm": path.stem, **run}
            command = [sys.executable, "-m", "benchmarks.ann.runner", "--one", json.dumps(spec)]
            command += ["--queries", str(args.queries), "--out", str(args.out)]
            command += ["--data", str(args.data)] if args.data else []
            command += ["--rows", str(args.rows)] if args.rows else []
            subprocess.run(command, check=True)


def run_one(spec: dict[str, Any], args: argparse.Namespace) -> None:
    """Build one index and measure every scenario it supports."""
    data = load(args.data, n_rows=args.rows, n_queries=args.queries)
    started = time.perf_counter()
    search = BUILDERS[spec["engine"]](data, spec)
    build_s = time.perf_counter() - started
    scenarios = [each for each in SCENARIOS if spec.get("filters", True) or each.name == "unfiltered"]
    raw = {
        "spec": spec,
        "dataset": data.name,
        "k": K,
        "build_s": build_s,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "cpus": os.cpu_count(),
        "scenarios": {each.name: measure(search, data, each) for each in scenarios},
    }
    args.out.mkdir(exist_ok=True)
    name = f"{data.name}.{spec['algorithm']}.{spec['name']}.json"
    (args.out / name).write_text(json.dumps(raw))
    medians = {name: round(float(np.median(each["us"]))) for name, each in raw["scenarios"].items()}
    print(f"{spec['algorithm']:>12} {spec['name']:<14} build {build_s:6.1f} s   p50 us {medians}", flush=True)


def measure(search: Search, data: Dataset, scenario: Scenario) -> dict[str, Any]:
    """Return the rows found and the latency in microseconds of each query; the first ten queries warm up."""
    for at in range(min(10, len(data.test))):
        search(data.test[at], scenario.where(int(data.test_label[at])))
    found: list[list[int]] = []
    latencies: list[float] = []
    for at, query in enumerate(data.test):
        where = scenario.where(int(data.test_label[at]))
        started = time.perf_counter()
        rows = search(query, where)
        latencies.append((time.perf_counter() - started) * 1e6)
        found.append(rows)
    return {"us": latencies, "found": found}


def build_collection(data: Dataset, spec: dict[str, Any]) -> Search:
    """Return the search of a collection of ours."""
    import chroma_search

    collection = chroma_search.EphemeralClient().create_collection(
        "bench", configuration=spec["configuration"], embedding_function=None
    )
    collection.add(
        ids=[str(row) for row in range(len(data.train))],
        embeddings=data.train,
        metadatas=[
            {"label": int(label), "bucket": int(bucket)}
            for label, bucket in zip(data.train_label, data.bucket, strict=True)
        ],
    )
    exact = bool(spec.get("exact", False))

    def search(query: np.ndarray, where: dict[str, Any] | None) -> list[int]:
        found = collection.query(query_embeddings=[query], n_results=K, where=where, include=[], exact=exact)
        return [int(each) for each in found["ids"][0]]

    return search


def build_raw_hnswlib(data: Dataset, spec: dict[str, Any]) -> Search:
    """Return hnswlib's own search, without filters."""
    import hnswlib

    index = hnswlib.Index("l2", data.train.shape[1])
    index.init_index(len(data.train), ef_construction=spec["ef_construction"], M=spec["M"], random_seed=100)
    index.add_items(data.train, num_threads=spec.get("build_threads", 1))
    index.set_ef(spec["ef"])
    index.set_num_threads(1)

    def search(query: np.ndarray, where: dict[str, Any] | None) -> list[int]:
        assert where is None
        labels, _ = index.knn_query(query, k=K)
        return labels[0].tolist()

    return search


BUILDERS: dict[str, Callable[[Dataset, dict[str, Any]], Search]] = {
    "collection": build_collection,
    "hnswlib": build_raw_hnswlib,
}

if __name__ == "__main__":
    main()
