"""Servers under load: ours beside upstream's, on the same rows, machine and load generator, in one run.

    python -m benchmarks.server.run --data DIR [--servers ours,upstream] [--rows 50000] [--keep FOLDER]

Servers take turns, round after round, so that what else the machine does hits all of them. Raw rows go to
`results/server.jsonl`, and `report.py` makes the tables of them.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # so that the file also runs by its path

from benchmarks.ingest.processes import Recorder, user_environment
from benchmarks.ingest.source import Source, load
from benchmarks.server.load import write_requests
from benchmarks.server.report import print_report
from benchmarks.server.right_answers import check
from benchmarks.server.subjects import BASE, ROOT, Subject
from benchmarks.server.workloads import WORKLOADS, Workload, record_body, requests_of

RESULTS = Path(__file__).parent / "results"
CONNECTIONS = (1, 8, 64)
WARM_S = 0.3
FILL_ROWS = 1000


def main() -> None:
    """Measure and print the report."""
    args = _arguments()
    rows = args.rows or (50_000 if args.data else 5_000)
    source = load(args.data)
    names = args.servers.split(",")
    chosen = [each for each in WORKLOADS if not args.only or each.name in args.only.split(",")]
    recorder = Recorder("server", args.results)
    with tempfile.TemporaryDirectory(dir=args.folder) as held:
        folder = Path(held)
        kept = args.keep or folder / "kept"
        for name in names:
            fill(name, source, rows, kept, folder)
        subjects = [_started(name, rows, kept, folder) for name in names]
        try:
            _measure(subjects, source, rows, chosen, folder, recorder, args)
        finally:
            for subject, _ in subjects:
                subject.stop()
    print_report(args.results)


def fill(name: str, source: Source, rows: int, kept: Path, folder: Path) -> None:
    """Make a server's folder with the collection, unless it is kept from an earlier run."""
    kind = name.partition("-")[0]
    made = kept / f"{kind}-{rows}"
    if made.exists():
        return
    subject = Subject(name, folder / "filling", folder / f"{name}.log")
    try:
        made_of = subject.ask("POST", BASE, {"name": "docs"})
        for first in range(0, rows, FILL_ROWS):
            batch = source.batch(range(first, min(first + FILL_ROWS, rows)))
            subject.ask("POST", f"{BASE}/{made_of['id']}/add", record_body(batch))
        subject.rest()
    finally:
        subject.stop()
    kept.mkdir(parents=True, exist_ok=True)
    (folder / "filling").rename(made) if made.parent.stat().st_dev == folder.stat().st_dev else shutil.move(
        str(folder / "filling"), made
    )


def turn(subject: Subject, file: Path, connections: int, asked: dict[str, Any]) -> dict[str, Any]:
    """Let the load generator send what is asked and return its row, with the server's processor time beside."""
    spec = {"host": "127.0.0.1", "port": subject.port, "file": str(file), "connections": connections, **asked}
    rested_s = subject.rest()
    before = subject.cpu_s()
    command = [sys.executable, "-m", "benchmarks.server.load", json.dumps(spec)]
    spoken = subprocess.run(command, cwd=ROOT, env=user_environment(), capture_output=True, text=True, check=True)
    row: dict[str, Any] = json.loads(spoken.stdout.splitlines()[-1])
    n_sent = sum(row["statuses"].values())
    row["server_cpu_ms"] = (subject.cpu_s() - before) * 1000 / max(1, n_sent)
    row["rested_s"] = rested_s
    return row


def _measure(
    subjects: Sequence[tuple[Subject, str]],
    source: Source,
    rows: int,
    chosen: Sequence[Workload],
    folder: Path,
    recorder: Recorder,
    args: argparse.Namespace,
) -> None:
    checked = list({each.name: each for each in (*chosen, WORKLOADS[0])}.values())  # the query in any case
    for subject, id_ in subjects:
        found = check(subject, id_, source, rows, checked)
        recorder.write("answers", {"server": subject.name, "when": "before", **found})
    for workload in chosen:
        n_turns = len(args.connections) * args.rounds
        bodies = list(workload.bodies(source, rows, (workload.n_timed or 0) * n_turns))
        files: dict[str, Path] = {}
        for subject, id_ in subjects:
            files[subject.name] = folder / f"{subject.name}.requests"
            write_requests(files[subject.name], requests_of(workload, id_, bodies))
        for at in range(n_turns):
            connections = args.connections[at % len(args.connections)]
            for subject, _ in subjects if at % 2 else reversed(subjects):
                if workload.ours_alone and subject.name == "upstream":
                    continue
                asked: dict[str, Any] = {"warm_s": WARM_S, "seconds": args.seconds}
                if workload.n_timed is not None:
                    asked = {"first": at * workload.n_timed, "count": workload.n_timed}
                row = turn(subject, files[subject.name], connections, asked)
                facts = {"server": subject.name, "workload": workload.name, "connections": connections}
                recorder.write("load", {**facts, "rows": rows, "source": source.name, **row})
    for subject, id_ in subjects:
        found = check(subject, id_, source, rows, checked)
        recorder.write("answers", {"server": subject.name, "when": "after", **found, "memory_mb": subject.rss_mb()})


def _started(name: str, rows: int, kept: Path, folder: Path) -> tuple[Subject, str]:
    shutil.copytree(kept / f"{name.partition('-')[0]}-{rows}", folder / name)
    subject = Subject(name, folder / name, folder / f"{name}.log")
    return subject, subject.ask("GET", f"{BASE}/docs")["id"]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of measurement data; rows are made up without it")
    parser.add_argument("--rows", type=int, help="50,000 by default, 5,000 of made-up ones")
    parser.add_argument("--servers", default="ours,upstream")
    parser.add_argument("--only", help="workloads, by comma")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=1.5, help="of a turn of reads")
    parser.add_argument("--connections", type=lambda text: [int(each) for each in text.split(",")], default=CONNECTIONS)
    parser.add_argument("--folder", type=Path, help="where the data are written, on the disk to measure")
    parser.add_argument("--keep", type=Path, help="where filled folders are kept for later runs")
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
