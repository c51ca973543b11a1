"""A server under mixed load for minutes: no error, memory flat.

    python -m benchmarks.server.soak --data DIR [--minutes 10] [--servers ours]

Queries, filtered queries, gets, hybrid searches, adds and deletes run side by side; as many records are deleted as are
added, so that memory has no reason to grow. A row per minute goes to `results/soak.jsonl`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # so that the file also runs by its path

from benchmarks.ingest.processes import Recorder, user_environment
from benchmarks.ingest.source import Source, load
from benchmarks.server.load import write_requests
from benchmarks.server.run import RESULTS, fill
from benchmarks.server.subjects import BASE, ROOT, Subject
from benchmarks.server.workloads import WORKLOADS, Body, record_body, request_of, requests_of

READ_CONNECTIONS = 4
WRITTEN_ROWS, N_WRITTEN_BATCHES = 20, 200
STEP_S = 60.0


def main() -> None:
    """Run the load and print a line per minute."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of measurement data; rows are made up without it")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--server", default="ours")
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()
    source, recorder = load(args.data), Recorder("soak", args.results)
    with tempfile.TemporaryDirectory() as held:
        folder = Path(held)
        fill(args.server, source, args.rows, folder / "kept", folder)
        subject = Subject(args.server, folder / "kept" / f"{args.server.partition('-')[0]}-{args.rows}", folder / "log")
        try:
            id_ = subject.ask("GET", f"{BASE}/docs")["id"]
            files = _files(source, id_, args.rows, folder, is_ours=args.server != "upstream")
            _soak(subject, files, args.minutes, recorder)
        finally:
            subject.stop()
        print((folder / "log").read_text(errors="replace")[-2000:])


def _soak(subject: Subject, files: dict[str, Path], minutes: float, recorder: Recorder) -> None:
    until = time.monotonic() + minutes * 60
    minute = 0
    while time.monotonic() < until:
        seconds = min(STEP_S, max(1.0, until - time.monotonic()))
        running = {
            name: _generator(subject, file, 1 if name == "writes" else READ_CONNECTIONS, seconds)
            for name, file in files.items()
        }
        rows = {name: _row(each) for name, each in running.items()}
        minute += 1
        n_failed = sum(
            n for row in rows.values() for status, n in row["statuses"].items() if not status.startswith("2")
        )
        facts: dict[str, Any] = {
            "server": subject.name,
            "minute": minute,
            "memory_mb": round(subject.rss_mb(), 1),
            "anonymous_mb": round(subject.anonymous_mb(), 1),
            "failed": n_failed,
            "per_s": {name: round(row["per_s"], 1) for name, row in rows.items()},
            "p99_ms": {name: round(row["p99_ms"], 1) for name, row in rows.items()},
        }
        recorder.write("soak", facts)
        print(facts, flush=True)


def _files(source: Source, id_: str, rows: int, folder: Path, *, is_ours: bool) -> dict[str, Path]:
    """Write the requests of each kind."""
    files: dict[str, Path] = {}
    for workload in WORKLOADS:
        if workload.n_timed is None and (is_ours or not workload.ours_alone):
            files[workload.name] = folder / f"{workload.path}-{len(files)}"
            write_requests(files[workload.name], requests_of(workload, id_, list(workload.bodies(source, rows, 0))))
    files["writes"] = folder / "writes"
    write_requests(files["writes"], [request_of(id_, path, body) for path, body in _writes(source, rows)])
    return files


def _writes(source: Source, rows: int) -> list[tuple[str, Body]]:
    """Return adds, each followed by an update of half of its records and the deletion of all of them."""
    made: list[tuple[str, Body]] = []
    for at in range(N_WRITTEN_BATCHES):
        first = rows + at * WRITTEN_ROWS
        batch = source.batch(range(first, first + WRITTEN_ROWS))
        changed = source.batch(range(first, first + WRITTEN_ROWS // 2), 1)
        made.append(("add", record_body(batch)))
        made.append(("update", record_body(changed)))
        made.append(("delete", {"ids": batch.ids}))
    return made


def _generator(subject: Subject, file: Path, connections: int, seconds: float) -> subprocess.Popen[str]:
    spec = {"host": "127.0.0.1", "port": subject.port, "file": str(file), "connections": connections}
    command = [sys.executable, "-m", "benchmarks.server.load", json.dumps({**spec, "seconds": seconds})]
    return subprocess.Popen(command, cwd=ROOT, env=user_environment(), stdout=subprocess.PIPE, text=True)


def _row(generator: subprocess.Popen[str]) -> dict[str, Any]:
    said, _ = generator.communicate()
    if generator.returncode:
        raise RuntimeError(f"the load generator ended with {generator.returncode}")
    return json.loads(said.splitlines()[-1])


if __name__ == "__main__":
    main()
