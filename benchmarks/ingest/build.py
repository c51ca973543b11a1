"""Write a folder for others to open: all rows, everything in the graph. Called by `open.py`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from benchmarks.ingest import source
from benchmarks.ingest.processes import folder_bytes
from benchmarks.ingest.rivals import rival

BATCH = 1000


def main() -> None:
    """Write what the specification says."""
    spec = json.loads(sys.argv[1])
    data = source.load(Path(spec["data"]) if spec["data"] else None)
    folder, n_rows = Path(spec["folder"]), int(spec["rows"])
    folder.mkdir(parents=True)
    subject = rival(spec["rival"])
    subject.create(folder, source.DIMENSION)
    started = time.perf_counter()
    for first in range(0, n_rows, BATCH):
        subject.add(data.batch(range(first, min(first + BATCH, n_rows))))
    subject.finish_index()
    took_s = time.perf_counter() - started
    subject.close()
    print(json.dumps({"build_s": took_s, "bytes": folder_bytes(folder)}))


if __name__ == "__main__":
    main()
