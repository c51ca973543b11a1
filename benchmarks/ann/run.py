"""Everything of this folder in one go: sweeps, recall, plot, overhead. `make bench BENCH=ann DATA=folder`."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> None:
    """Run the steps as processes of their own, from the repository's root."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--rows", type=int)
    args = parser.parse_args()
    shared = [f"--queries={args.queries}"]
    shared += [f"--data={args.data}"] if args.data else []
    shared += [f"--rows={args.rows}"] if args.rows else []
    for module in ("runner", "metrics", "overhead"):
        run("benchmarks.ann." + module, *shared)
    for summary in sorted((HERE / "results").glob("*.summary.json")):
        run("benchmarks.ann.plot", str(summary))


def run(module: str, *arguments: str) -> None:
    """Run one module with this interpreter."""
    subprocess.run([sys.executable, "-m", module, *arguments], check=True, cwd=HERE.parents[1])


if __name__ == "__main__":
    main()
