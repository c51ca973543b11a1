"""A new process opens a folder and answers its first query: how long, and what it holds in memory then.

    python -m benchmarks.ingest.open --data DIR [--rows 200000] [--rounds 5] [--rivals ours,chromadb,zvec]

The folders are written first, unless `--folder` has them from an earlier run. Then rounds: each opens every rival once,
in a process of its own, from `exec` to the answer (ten nearest, with documents and metadata); a hundred more queries
tell the memory in use. The page cache is warm: it cannot be emptied without being root of the machine.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.ingest import source
from benchmarks.ingest.processes import Recorder, measured
from benchmarks.ingest.report import print_report
from benchmarks.ingest.rivals import chosen

N_QUERIES = 101
BLOCK = 10_000
FLOOR = "python and numpy"


def main() -> None:
    """Write the folders, open them, print the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of measurement data; rows are made up without it")
    parser.add_argument("--rows", type=int, help="200,000 by default, 5,000 of made-up ones")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rivals", default="ours,chromadb,zvec,lancedb")
    parser.add_argument("--folder", type=Path, help="where the databases are written, and kept for the next run")
    args = parser.parse_args()
    rows = args.rows or (200_000 if args.data else 5_000)
    names, recorder = chosen(args.rivals), Recorder("open")
    with tempfile.TemporaryDirectory() as held:
        kept = args.folder or Path(held)
        queries = Path(held) / "queries.npy"
        spec = {"data": str(args.data.resolve()) if args.data else None, "rows": rows, "queries": str(queries)}
        data = source.load(args.data)
        np.save(queries, data.queries[:N_QUERIES])
        truth = nearest(data, rows, data.queries[0])
        built = {name: written({**spec, "rival": name}, kept) for name in names}
        for _ in range(args.rounds):
            for name in (FLOOR, *(name for name in names if built[name] is not None)):
                row = opened({**spec, "rival": name, "folder": str(_folder(kept, spec, name))})
                if row is not None:
                    right = len(truth.intersection(row["first"]))
                    recorder.write(
                        "open", {"rows": rows, "source": data.name, **(built.get(name) or {}), **row, "right": right}
                    )
                    rest = row["at_rest"]
                    print(
                        f"{name:>17} {row['answer_s']:.3f} s   rss {rest['rss']:.0f}  private {rest['private']:.0f}  "
                        f"anonymous {rest['anonymous']:.0f} MB",
                        flush=True,
                    )
    print_report()


def written(spec: dict[str, Any], kept: Path) -> dict[str, Any] | None:
    """Write the folder of a rival unless it is there, and return what that took; None when it has failed."""
    folder = _folder(kept, spec, spec["rival"])
    note = folder.with_suffix(".json")
    if note.exists():
        return json.loads(note.read_text())
    shutil.rmtree(folder, ignore_errors=True)  # what a failed run has left
    row = measured("build", {**spec, "folder": str(folder)})
    if row is not None:
        note.write_text(json.dumps(row))
        print(f"{spec['rival']:>17} written in {row['build_s']:.0f} s, {row['bytes'] / 1e6:,.0f} MB", flush=True)
    return row


def opened(spec: dict[str, Any]) -> dict[str, Any] | None:
    """Start a process that opens and answers; times are seconds since before its start."""
    started = time.monotonic()  # the same clock in every process of a machine
    row = measured("first_answer", spec)
    if row is None:
        return None
    times = {name.replace("_at", "_s"): row.pop(name) - started for name in [*row] if name.endswith("ed_at")}
    times["answer_s"] = times.pop("answered_s")
    return {"rival": spec["rival"], **times, **row}


def nearest(data: source.Source, n_rows: int, query: NDArray[np.float32]) -> set[str]:
    """Return the ids of the ten nearest rows, by comparing with each."""
    products: list[NDArray[np.float32]] = []
    for first in range(0, n_rows, BLOCK):
        products.append(data.batch(range(first, min(first + BLOCK, n_rows))).vectors @ query)
    best = np.argsort(-np.concatenate(products), kind="stable")[:10]
    return set(data.batch(best).ids)


def _folder(kept: Path, spec: dict[str, Any], name: str) -> Path:
    return kept / f"{source.REAL if spec['data'] else source.MADE_UP}-{spec['rows']}-{name.replace(' ', '-')}"


if __name__ == "__main__":
    main()
