"""The disk fails at the n-th call, and the program goes on: typed errors, nothing lost, nothing half.

    python -m tests.crash.failing_disk [--cases 3000] [--seed 0]

The process starts itself again above `disk.c`, and then lets a program (`failing_program.py`) run once per case: n, the
error, and whether it lasts until space is freed. At the end it looks at what a new client finds, and at what power cuts
during the case would have left. `--lines` prints each case as a line of JSON. The exit status is 1 if anything was
wrong.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import chroma_search
from chroma_search.errors import StorageError
from tests.crash.crash_states import SURVIVORS, Cut, TracedFolder
from tests.crash.failing_program import MODES, Case, GaveUp, Numbers, Program, state_after_writes
from tests.crash.history import choose_long_entries
from tests.crash.killing import found_in
from tests.crash.traced_disk import MEMORY, ROOT, Disk, compiled, environment, read_trace

N_CUTS = 6
"""Power cuts that are looked at in each case, half of them right after a step, when a missing sync shows."""


def run_case(disk: Disk, work: Path, case: Case) -> Case:
    """Run a history with a failure in it, and look at what it leaves."""
    top, trace = work / "disk", work / "trace"
    choose_long_entries(case.seed)
    gc.collect()  # nothing of the case before shall be closed in this one
    top.mkdir(parents=True)
    program = Program(disk, top / "folder", case)
    disk.trace(trace)
    disk.break_at(case.n, *MODES[case.mode])
    try:
        program.run()
    except GaveUp:
        pass
    except Exception as error:  # no error but ours, judged above, may reach the user
        case.problems.append(f"{type(error).__name__}: {error}")
    case.n_calls, case.failed = disk.n_calls, disk.first_failed.removeprefix(str(top))
    disk.mend()
    disk.trace(None)
    _check_left(case, top / "folder", program.seen, "a new client")
    _check_cuts(case, work, program)
    shutil.rmtree(work)
    return case


def _check_left(case: Case, folder: Path, allowed: set[Numbers] | None, who: str) -> None:
    try:
        found = found_in(folder)
    except chroma_search.ChromaSearchError as error:
        case.problems.append(f"{who} fails: {type(error).__name__}: {error}")
        return
    if found is None and allowed is not None:
        case.problems.append(f"{who} finds no collection")
    if found is not None and not any(found == state_after_writes(case.seed, each) for each in allowed or {()}):
        case.problems.append(f"{who} finds {len(found['ids'])} records, not those of {sorted(allowed or {()})}")


def _check_cuts(case: Case, work: Path, program: Program) -> None:
    operations = read_trace(work / "trace")
    chosen = random.Random(f"{case.seed} {case.n} {case.mode}")
    traced, at = TracedFolder(work / "disk"), 0
    allowed: set[Numbers] | None = None
    marks = [at + 1 for at, each in enumerate(operations) if each.kind == "A"]
    moments = chosen.choices(range(1, len(operations) + 1), k=N_CUTS // 2) + chosen.choices(marks, k=N_CUTS // 2)
    for nth, moment in enumerate(sorted(moments)):
        for each in operations[at:moment]:
            traced.play(each)
            allowed = program.allowed[each.number] if each.kind == "A" else allowed
        at = moment
        survivors, left = chosen.choice(("nothing", *SURVIVORS)), work / f"cut-{nth}"
        traced.write_after(Cut(survivors, f"{case.seed} {case.n} {nth}"), left)
        _check_left(case, left / "folder", allowed, f"after a power cut at operation {at} ({survivors} survives), one")


# --- a flush in the background ----------------------------------------------------------------------------------------

N_ROWS = 5000
"""Rows of a batch; after two the policy flushes."""


def run_flush_behind(disk: Disk, work: Path, case: Case) -> Case:
    """Let a flush in the background fail: writes go on, `stats` tells, and the next flush makes up for it."""
    work.mkdir()
    disk.break_at(0, 0)
    with chroma_search.PersistentClient(work) as client:
        collection = client.create_collection("behind", embedding_function=None, configuration={"flat": {}})
        _add(collection, 0, N_ROWS)
        disk.break_at(case.n, *MODES[case.mode])
        counts = [2 * N_ROWS]
        try:
            _add(collection, 1, N_ROWS)
        except StorageError as error:
            case.errors.append(str(error))
            counts.append(N_ROWS)
        _wait_for_threads()
        case.n_calls, case.failed = disk.n_calls, disk.first_failed.removeprefix(str(work))
        disk.mend()
        stats = collection.stats()
        if stats["flush_error"] is not None:
            case.errors.append(stats["flush_error"])
        if stats["log_bytes"] and not case.errors:
            case.problems.append("nothing was flushed, and nobody was told")
        if collection.count() not in counts:
            case.problems.append(f"{collection.count()} records are left, not one of {counts}")
        _add(collection, 1, N_ROWS)
        _wait_for_threads()
        _add(collection, 2, 2 * N_ROWS)  # now one is due, whatever the one before has done
        _wait_for_threads()
        stats = collection.stats()
        if stats["flush_error"] is not None:
            case.problems.append(f"the next flush fails on a sound disk: {stats['flush_error']}")
        if stats["log_bytes"]:
            case.problems.append(f"the next flush has not made up for it: {stats}")
    with chroma_search.PersistentClient(work) as client:
        ids = client.get_collection("behind", embedding_function=None).get(include=[])["ids"]
        if ids != [f"{batch}-{row}" for batch, n in ((0, N_ROWS), (1, N_ROWS), (2, 2 * N_ROWS)) for row in range(n)]:
            case.problems.append(f"{len(ids)} records are left of {4 * N_ROWS}")
    shutil.rmtree(work)
    return case


def _add(collection: chroma_search.Collection, batch: int, n: int) -> None:
    collection.add(ids=[f"{batch}-{row}" for row in range(n)], embeddings=[[float(row), 1.0] for row in range(n)])


def _wait_for_threads() -> None:
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join()


# --- many cases -------------------------------------------------------------------------------------------------------


def cases(count: int, seed: int, n_calls: dict[str, int]) -> Iterator[Case]:
    """Yield different cases: each mode as often, and the calls of its history from one end to the other."""
    chosen = random.Random(seed)
    for nth in range(count):
        mode = list(MODES)[nth % len(MODES)]
        n = 1 + int((nth + chosen.random()) / count * n_calls[mode])
        yield Case(seed * 1000 + nth // 100, n, mode, goes_on=chosen.random() < 0.5)


def run_all(disk: Disk, top: Path, count: int, seed: int) -> Iterator[Case]:
    """Run `count` cases of the history, and a tenth as many of the flush in the background."""
    for run, n_cases in ((run_case, count), (run_flush_behind, count // 10)):
        n_calls: dict[str, int] = {}
        for mode in MODES:
            sound = run(disk, top / "sound", Case(seed * 1000, 0, mode))
            yield sound
            n_calls[mode] = sound.n_calls
        for case in cases(n_cases, seed, n_calls):
            yield run(disk, top / "case", case)


def command(top: Path, count: int, seed: int) -> list[str]:
    """Return the command that runs cases in a folder; its environment has to load the library."""
    options = {"--cases": count, "--seed": seed, "--top": top.resolve()}
    words = [str(word) for option in options.items() for word in option]
    return [sys.executable, "-m", "tests.crash.failing_disk", *words]


def main() -> None:
    """Fail, look, count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--lines", action="store_true")
    parser.add_argument("--top", type=Path, help="a folder, given when the library is loaded")
    args = parser.parse_args()
    if args.top is None:
        with tempfile.TemporaryDirectory(dir=MEMORY) as temporary, tempfile.TemporaryDirectory() as built:
            top, lines = Path(temporary), ["--lines"] * args.lines
            child = [*command(top, args.cases, args.seed), *lines]
            sys.exit(subprocess.run(child, env=environment(compiled(Path(built)), top), cwd=ROOT).returncode)
    began, counts = time.monotonic(), Counter[str]()
    for case in run_all(Disk.loaded(), args.top, args.cases, args.seed):
        counts["cases"] += 1
        counts["in which a call failed"] += bool(case.failed)
        counts["in which the program was told"] += bool(case.errors)
        counts["with a problem"] += bool(case.problems)
        if args.lines:
            print(json.dumps(asdict(case)), flush=True)
        elif case.problems:
            print(json.dumps(asdict(case), indent=1), flush=True)
        if not args.lines and counts["cases"] % 100 == 0:
            print(f"{dict(counts)}, {time.monotonic() - began:.0f} s", flush=True)
    if not args.lines:
        print(f"{dict(counts)}, {time.monotonic() - began:.0f} s")
    sys.exit(1 if counts["with a problem"] else 0)


if __name__ == "__main__":
    main()
