"""A process that opens a folder, answers, and tells its memory. Called by `open.py`, which knows when it was started.

Nothing is imported that the rival would not load itself: numpy, and the standard library.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np


def main() -> None:
    """Open, answer, report."""
    from benchmarks.ingest.memory import memory_mb

    spec = json.loads(sys.argv[1])
    queries = np.load(spec["queries"])
    if spec["rival"] == "python and numpy":
        print(json.dumps({"answered_at": time.monotonic(), "at_rest": memory_mb(), "in_use": memory_mb(), "first": []}))
        return
    from benchmarks.ingest.rivals import rival

    subject = rival(spec["rival"])
    imported_at = time.monotonic()
    subject.open(Path(spec["folder"]))
    opened_at = time.monotonic()
    first = subject.query(queries[0], 10)
    answered_at = time.monotonic()
    at_rest = memory_mb()
    latencies: list[float] = []
    for query in queries[1:]:
        started = time.perf_counter()
        subject.query(query, 10)
        latencies.append((time.perf_counter() - started) * 1000)
    row = {
        "imported_at": imported_at,
        "opened_at": opened_at,
        "answered_at": answered_at,
        "first": first,
        "at_rest": at_rest,
        "in_use": memory_mb(),
        "next_p50_ms": float(np.median(latencies)),
    }
    print(json.dumps(row), flush=True)
    subject.close()


if __name__ == "__main__":
    main()
