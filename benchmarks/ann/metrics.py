"""Turn raw results into recall and latency: a table on the terminal and `results/summary.json`.

python -m benchmarks.ann.metrics --data DIR [--queries 500] [--rows 60000]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ann.datasets import load
from benchmarks.ann.ground_truth import kth_distances, recall
from benchmarks.ann.scenarios import SCENARIOS

HERE = Path(__file__).parent


def main() -> None:
    """Compute, print and store the summary of every raw result of the data set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--out", type=Path, default=HERE / "results")
    args = parser.parse_args()
    data = load(args.data, n_rows=args.rows, n_queries=args.queries)
    truths = {each.name: kth_distances(data, each, 10) for each in SCENARIOS}
    summary: list[dict[str, Any]] = []
    for path in sorted(args.out.glob(f"{data.name}.*.json")):
        if path.name == f"{data.name}.summary.json":  # of an earlier run
            continue
        raw = json.loads(path.read_text())
        for name, measured in raw["scenarios"].items():
            if len(measured["found"]) != len(data.test):
                raise SystemExit(f"{path.name} holds {len(measured['found'])} queries: pass --queries accordingly")
            p50, p95, p99 = np.percentile(measured["us"], [50, 95, 99])
            summary.append(
                {
                    "algorithm": raw["spec"]["algorithm"],
                    "run": raw["spec"]["name"],
                    "scenario": name,
                    "recall": round(recall(data, measured["found"], *truths[name]), 4),
                    "p50_us": round(float(p50)),
                    "p95_us": round(float(p95)),
                    "p99_us": round(float(p99)),
                    "build_s": round(raw["build_s"], 1),
                    "peak_mb": round(raw["peak_mb"]),
                }
            )
    (args.out / f"{data.name}.summary.json").write_text(json.dumps(summary, indent=1) + "\n")
    for row in summary:
        print(
            f"{row['algorithm']:>8} {row['run']:<10} {row['scenario']:<12} recall {row['recall']:.4f}  "
            f"p50 {row['p50_us']:>7} us  p95 {row['p95_us']:>7}  p99 {row['p99_us']:>7}"
        )


if __name__ == "__main__":
    main()
