"""How large the log gets while a gigabyte is written: it has to be bounded by the flushes, not by what was written.

    python -m benchmarks.ingest.log_size [--data DIR] [--gigabytes 1]

Batches of 1,000 go in as fast as they are acknowledged. After each the files of the log and the whole folder are
measured; the row has the highest of each, and the course of both in steps.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.ingest import source
from benchmarks.ingest.memory import memory_mb
from benchmarks.ingest.processes import Recorder, folder_bytes, measured
from benchmarks.ingest.rivals import rival

BATCH = 1000
N_STEPS = 100


def main() -> None:
    """Record the sizes; with a specification, be the process that writes."""
    if len(sys.argv) == 2 and sys.argv[1].startswith("{"):
        spec = json.loads(sys.argv[1])
        data = source.load(Path(spec["data"]) if spec["data"] else None)
        print(json.dumps(sizes(data, Path(spec["folder"]), float(spec["gigabytes"]) * 1e9)))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of measurement data; rows are made up without it")
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--folder", type=Path, help="where the database is written, on the disk to measure")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as held:
        spec = {"data": str(args.data.resolve()) if args.data else None, "gigabytes": args.gigabytes}
        row = measured("log_size", {**spec, "folder": f"{held}/data"})
    if row is not None:
        Recorder("log_size").write("log size", row)
        print(
            f"{row['rows']:,} rows, {row['payload_bytes'] / 1e9:.2f} GB in {row['added_s']:.0f} s: "
            f"log at most {row['log_max'] / 1e6:,.0f} MB, folder {row['folder_max'] / 1e6:,.0f} MB; "
            f"indexed after {row['indexed_s']:.0f} s, then log {row['log_end'] / 1e6:,.1f} MB, "
            f"folder {row['folder_end'] / 1e6:,.0f} MB"
        )


def sizes(data: source.Source, folder: Path, n_bytes: float) -> dict[str, Any]:
    """Write that many bytes of vectors, texts and metadata; return the sizes on the way."""
    folder.mkdir(parents=True)
    subject = rival("ours")
    subject.create(folder, source.DIMENSION)
    course: list[tuple[int, int, int]] = []
    written, n_rows, started, adding_s, slowest_s = 0, 0, time.perf_counter(), 0.0, 0.0
    while written < n_bytes:
        batch = data.batch(range(n_rows, n_rows + BATCH))
        before = time.perf_counter()
        subject.add(batch)
        took_s = time.perf_counter() - before
        adding_s, slowest_s = adding_s + took_s, max(slowest_s, took_s)
        n_rows += BATCH
        texts = (*batch.documents, *batch.ids, json.dumps(batch.metadatas))
        written += batch.vectors.nbytes + sum(len(each.encode()) for each in texts)
        course.append((written, log_bytes(folder), folder_bytes(folder)))
    added_s = time.perf_counter() - started
    subject.finish_index()
    indexed_s = time.perf_counter() - started
    end = (log_bytes(folder), folder_bytes(folder))
    subject.close()
    return {
        "rows": n_rows,
        "source": data.name,
        "payload_bytes": written,
        "added_s": added_s,
        "add_rows_per_s": n_rows / adding_s,
        "slowest_batch_s": slowest_s,
        "indexed_s": indexed_s,
        "log_max": max(each[1] for each in course),
        "folder_max": max(each[2] for each in course),
        "log_end": end[0],
        "folder_end": end[1],
        "memory": memory_mb(),
        "course": course[:: max(1, len(course) // N_STEPS)],
    }


def log_bytes(folder: Path) -> int:
    """Return the bytes of the logs below a folder, with write-ahead files and long entries."""
    return sum(path.stat().st_size for pattern in ("log.sqlite*", "log.*.entries") for path in folder.rglob(pattern))


if __name__ == "__main__":
    main()
