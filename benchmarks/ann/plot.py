"""Plot recall@10 against latency from a summary: `python -m benchmarks.ann.plot results/NAME.summary.json`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt


def main() -> None:
    """Write `<summary>.png` beside the summary: one panel without a filter, one per kind of filter."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("summary", type=Path)
    args = parser.parse_args()
    rows = json.loads(args.summary.read_text())
    kinds = ["unfiltered", "random", "near", "far"]
    figure, panels = plt.subplots(1, len(kinds), figsize=(5 * len(kinds), 4), sharey=True)
    for kind, panel in zip(kinds, panels, strict=True):
        for algorithm in sorted({row["algorithm"] for row in rows}):
            points = sorted(
                (row["p50_us"], row["recall"])
                for row in rows
                if row["algorithm"] == algorithm and row["scenario"].startswith(kind)
            )
            if points:
                panel.plot(*zip(*points, strict=True), "o-" if kind == "unfiltered" else "o", label=algorithm)
        panel.set_xscale("log")
        panel.set_xlabel("p50 latency, us")
        panel.set_title(kind)
        panel.grid(visible=True, alpha=0.3)
        panel.legend()
    panels[0].set_ylabel("recall@10")
    figure.tight_layout()
    figure.savefig(args.summary.with_suffix(".png"), dpi=110)


if __name__ == "__main__":
    main()
