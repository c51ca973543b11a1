"""What nobody can beat: hnswlib building the graph alone, and the disk writing the bytes alone. Called by `run.py`.

hnswlib gets the rows of the same source with the same parameters and one thread, which is how chroma_search builds: in
their order, and shuffled, which is what rows of many topics come as.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ingest import source
from benchmarks.ingest.rivals.protocol import EF_CONSTRUCTION, MAX_NEIGHBORS

N_WRITES = 200


def main() -> None:
    """Measure the floor that the specification names and print the row."""
    spec = json.loads(sys.argv[1])
    if spec["floor"] == "disk":
        print(json.dumps(disk(Path(spec["folder"]))))
        return
    data = source.load(Path(spec["data"]) if spec["data"] else None)
    print(json.dumps(graph(data, int(spec["rows"]), is_shuffled=spec["floor"] == "shuffled graph")))


def graph(data: source.Source, n_rows: int, *, is_shuffled: bool) -> dict[str, Any]:
    """Return how long raw hnswlib takes to build the graph with one thread."""
    import hnswlib

    order = np.random.default_rng(1).permutation(n_rows) if is_shuffled else np.arange(n_rows)
    vectors = data.batch(order).vectors
    index = hnswlib.Index("l2", source.DIMENSION)
    index.init_index(n_rows, ef_construction=EF_CONSTRUCTION, M=MAX_NEIGHBORS, random_seed=100)
    started, started_cpu = time.perf_counter(), time.process_time()
    index.add_items(vectors, num_threads=1)
    times = {"build_s": time.perf_counter() - started, "build_cpu_s": time.process_time() - started_cpu}
    return {"rows": n_rows, "source": data.name, **times}


def disk(folder: Path) -> dict[str, Any]:
    """Return the milliseconds of appending to a file and syncing it: one page, and as many bytes as a batch has."""
    folder.mkdir(parents=True, exist_ok=True)
    figures: dict[str, Any] = {}
    for name, n_bytes in (("page", 4096), ("batch", 2_400_000)):
        path, block, times = folder / "floor", os.urandom(n_bytes), list[float]()
        with path.open("wb", buffering=0) as file:
            for _ in range(N_WRITES):
                started = time.perf_counter()
                file.write(block)
                os.fdatasync(file.fileno())
                times.append((time.perf_counter() - started) * 1000)
        path.unlink()
        p50, p99 = np.percentile(times, [50, 99])
        figures[name] = {"bytes": n_bytes, "p50_ms": round(float(p50), 3), "p99_ms": round(float(p99), 3)}
    return figures


if __name__ == "__main__":
    main()
