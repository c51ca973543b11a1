"""What "acknowledged" means: the syncs that the system sees while a rival writes, counted by `strace`.

    python -m benchmarks.ingest.syncs [--rivals ours,chromadb,zvec,zvec-flush,lancedb]

A traced process writes 20 batches of 100 rows and 20 single rows; before and after each write it looks for a file that
does not exist, and the name marks the place in the trace. Syncs of any thread between two marks count. A write that no
sync belongs to is lost when the power fails, whatever the documentation says.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.ingest.processes import Recorder, measured

N_WRITES = 20
MARK = "/benchmarks-ingest-mark/"
SYNCS = ("fsync", "fdatasync", "sync_file_range", "msync", "syncfs", "sync")
TRACED = (*SYNCS, "access", "faccessat", "faccessat2", "openat", "io_uring_enter")


def main() -> None:
    """Trace each rival and record what was seen; with a specification, be the traced process."""
    if len(sys.argv) == 2 and sys.argv[1].startswith("{"):
        write(json.loads(sys.argv[1]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rivals", default="ours,chromadb,zvec,zvec-flush,lancedb")
    from benchmarks.ingest.rivals import chosen

    trace_all(chosen(parser.parse_args().rivals), Recorder("syncs"))


def trace_all(names: list[str], recorder: Recorder) -> None:
    """Record the syncs per write of each rival; a printed line where there is no strace."""
    if shutil.which("strace") is None:
        print("syncs: left out, strace is not installed", flush=True)
        return
    for name in names:
        with tempfile.TemporaryDirectory() as held:
            trace = Path(held) / "trace"
            prefix = ("strace", "-f", "-qq", "-e", f"trace={','.join(TRACED)}", "-o", str(trace))
            if measured("syncs", {"rival": name, "folder": f"{held}/data"}, prefix=prefix) is None:
                continue
            row = {"rival": name, **counted(trace.read_text(errors="replace"))}
        recorder.write("syncs", row)
        print(f"{name:>12} syncs per write: batches {row['batch']}, single adds {row['single']}", flush=True)


def write(spec: dict[str, Any]) -> None:
    """Be the traced process."""
    from benchmarks.ingest import source
    from benchmarks.ingest.rivals import rival

    folder = Path(spec["folder"])
    folder.mkdir()
    data, subject = source.load(None), rival(spec["rival"])
    subject.create(folder, source.DIMENSION)
    subject.add(data.batch(range(100)))
    for kind, size, first in (("batch", 100, 1000), ("single", 1, 5000)):
        for at in range(N_WRITES):
            batch = data.batch(range(first + at * size, first + (at + 1) * size))
            os.access(f"{MARK}{kind}", os.F_OK)
            subject.add(batch)
            os.access(f"{MARK}after", os.F_OK)
    subject.close()
    print("{}")


def counted(trace: str) -> dict[str, Any]:
    """Return the mean number of syncs per write, by kind of write, and which calls they were."""
    found: dict[str, Counter[str]] = {"batch": Counter(), "single": Counter()}
    kind = "after"
    for line in trace.splitlines():
        mark = re.search(re.escape(MARK) + r"(\w+)", line)
        if mark:
            kind = mark[1]
            continue
        call = re.match(r"(?:\d+ +)?(\w+)\(", line)  # "<... fsync resumed>" is the end of a call counted before
        if kind in found and call:
            if call[1] in SYNCS:
                found[kind][call[1]] += 1
            elif re.search(r"O_D?SYNC", line):
                found[kind]["opened with O_SYNC"] += 1
            elif call[1] == "io_uring_enter":
                found[kind]["io_uring_enter"] += 1
    means = {kind: {call: n / N_WRITES for call, n in calls.items()} for kind, calls in found.items()}
    return {kind: sum(n for call, n in calls.items() if call in SYNCS) for kind, calls in means.items()} | {
        "calls": means
    }


if __name__ == "__main__":
    main()
