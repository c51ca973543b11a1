"""Writing beside other databases: rows per second, single adds, updates, deletes, the time until all is in the graph.

    python -m benchmarks.ingest.run --data DIR [--rows 100000] [--rivals ours,chromadb,zvec,zvec-flush,lancedb]

Every measurement is a process of its own, one after another; raw rows go to `results/ingest.jsonl`, and `report.py`
makes the tables of them. Opening (`open.py`) and the bound of the log (`log_size.py`) are apart.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # so that the file also runs by its path

from benchmarks.ingest.processes import Recorder, measured
from benchmarks.ingest.report import print_report
from benchmarks.ingest.rivals import chosen
from benchmarks.ingest.source import MADE_UP, REAL
from benchmarks.ingest.syncs import trace_all


def main() -> None:
    """Run everything and print the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of measurement data; rows are made up without it")
    parser.add_argument("--rows", type=int, help="100,000 by default, 5,000 of made-up ones")
    parser.add_argument("--rivals", default="ours,chromadb,zvec,zvec-flush,lancedb")
    parser.add_argument("--folder", type=Path, help="where the databases are written, on the disk to measure")
    args = parser.parse_args()
    rows = args.rows or (100_000 if args.data else 5_000)
    names, recorder = chosen(args.rivals), Recorder("ingest")
    spec = {"data": str(args.data.resolve()) if args.data else None, "rows": rows}
    with tempfile.TemporaryDirectory(dir=args.folder) as held:
        for floor in ("disk", "graph", "shuffled graph"):
            row = measured("floors", {**spec, "floor": floor, "folder": held})
            if row is not None:
                recorder.write(floor, {"rows": rows, "source": REAL if args.data else MADE_UP, **row})
                print(f"{floor}: {row}", flush=True)
        for name in names:
            row = measured("steps", {**spec, "rival": name, "folder": f"{held}/{name}"})
            if row is not None:
                recorder.write("ingest", row)
                print(
                    f"{name:>12} {row['add_rows_per_s']:,.0f} rows/s, single add {row['single_add_ms']['p50']:.2f} ms, "
                    f"indexed after {row['indexed_s']:.1f} s",
                    flush=True,
                )
    trace_all(names, Recorder("syncs"))
    print_report()


if __name__ == "__main__":
    main()
