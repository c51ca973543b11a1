"""One rival writes, updates and deletes; prints a row of figures. Called by `run.py`, in a process of its own.

In order: batches of 1,000; a query for the last row at once; until everything is in the graph; single adds; updates;
deletes of nine tenths; compaction, and the folder beside a fresh one that was given only the rest. All batches are made
before the clock starts, and what they hold is kept from the garbage collector, so that only the rival is measured.
"""

from __future__ import annotations

import gc
import json
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.ingest import source
from benchmarks.ingest.memory import memory_mb
from benchmarks.ingest.processes import folder_bytes
from benchmarks.ingest.rivals import rival
from benchmarks.ingest.rivals.protocol import Batch, Rival

BATCH = 1000
N_SINGLE = 1000
N_UPDATED = 20_000
KEPT_SHARE = 0.1


def main() -> None:
    """Measure what the specification says and print the row."""
    spec = json.loads(sys.argv[1])
    data = source.load(Path(spec["data"]) if spec["data"] else None)
    print(json.dumps(measure(spec["rival"], data, int(spec["rows"]), Path(spec["folder"]))))


def measure(name: str, data: source.Source, n_rows: int, folder: Path) -> dict[str, Any]:
    """Return the figures of one rival."""
    subject = _created(name, folder)
    row: dict[str, Any] = {"rival": name, "rows": n_rows, "source": data.name, "acknowledged": subject.acknowledged}
    row |= write(subject, data, n_rows, folder)
    row |= add_singly(subject, data, n_rows)
    n_total = n_rows + N_SINGLE
    updated = np.sort(np.random.default_rng(2).permutation(n_total)[: min(N_UPDATED, n_rows // 5)])
    row |= update(subject, data, updated)
    kept = np.sort(np.random.default_rng(3).permutation(n_total)[: round(KEPT_SHARE * n_total)])
    row |= delete(subject, np.setdiff1d(np.arange(n_total), kept))
    row["after_delete"] = _right_answers(subject, data, kept, updated)
    row |= shrink(subject, folder)
    row["after_compaction"] = _right_answers(subject, data, kept, updated)
    subject.close()
    shutil.rmtree(folder)
    row["fresh_bytes"] = fresh_bytes(name, data, kept, updated, folder)
    row["memory"] = memory_mb()
    return row


def write(subject: Rival, data: source.Source, n_rows: int, folder: Path) -> dict[str, Any]:
    """Add all rows in batches, ask for the last one, and wait for the graph."""
    batches = _batches(data, np.arange(n_rows))
    started, started_cpu = time.perf_counter(), time.process_time()
    times = _timed(subject.add, batches)
    added_s = time.perf_counter() - started
    found_first = subject.query(batches[-1].vectors[-1], 10)[:1]
    searched_s = time.perf_counter() - started
    subject.finish_index()
    indexed_s = time.perf_counter() - started
    return {
        "add_rows_per_s": n_rows / added_s,
        "add_batch_ms": _spread(times),
        "found_last_at_once": found_first == batches[-1].ids[-1:],
        "first_query_s": searched_s - added_s,
        "indexed_s": indexed_s,
        "indexed_cpu_s": time.process_time() - started_cpu,
        "ingest_bytes": folder_bytes(folder),
        "memory_after_ingest": memory_mb(),
    }


def add_singly(subject: Rival, data: source.Source, first: int) -> dict[str, Any]:
    """Add rows one by one, and ask for the last."""
    batches = [data.batch([first + at]) for at in range(N_SINGLE)]
    times = _timed(subject.add, batches)
    found = subject.query(batches[-1].vectors[-1], 10)[:1]
    return {"single_add_ms": _spread(times), "found_single_at_once": found == batches[-1].ids}


def update(subject: Rival, data: source.Source, rows: NDArray[np.int64]) -> dict[str, Any]:
    """Give existing records other vectors, documents and metadata."""
    batches = _batches(data, rows, 1)
    started = time.perf_counter()
    times = _timed(subject.update, batches)
    took_s = time.perf_counter() - started
    return {"n_updated": len(rows), "update_rows_per_s": len(rows) / took_s, "update_batch_ms": _spread(times)}


def delete(subject: Rival, rows: NDArray[np.int64]) -> dict[str, Any]:
    """Delete rows by id, in no particular order."""
    ids = [f"row-{number:08d}" for number in np.random.default_rng(4).permutation(rows).tolist()]
    started = time.perf_counter()
    times = _timed(subject.delete, [ids[at : at + BATCH] for at in range(0, len(ids), BATCH)])
    took_s = time.perf_counter() - started
    return {"n_deleted": len(ids), "delete_rows_per_s": len(ids) / took_s, "delete_batch_ms": _spread(times)}


def shrink(subject: Rival, folder: Path) -> dict[str, Any]:
    """Compact, and see what that leaves."""
    before = folder_bytes(folder)
    started = time.perf_counter()
    how = subject.compact()
    return {
        "compaction": how,
        "compaction_s": time.perf_counter() - started,
        "deleted_bytes": before,
        "compacted_bytes": folder_bytes(folder),
    }


def fresh_bytes(
    name: str, data: source.Source, kept: NDArray[np.int64], updated: NDArray[np.int64], folder: Path
) -> int:
    """Return the bytes of a folder that was given only the records that are left, and compacted too."""
    subject = _created(name, folder)
    is_updated = np.isin(kept, updated)
    for rows, generation in ((kept[~is_updated], 0), (kept[is_updated], 1)):
        for batch in _batches(data, rows, generation):
            subject.add(batch)
    subject.finish_index()
    subject.compact()
    size = folder_bytes(folder)
    subject.close()
    shutil.rmtree(folder)
    return size


def _created(name: str, folder: Path) -> Rival:
    folder.mkdir(parents=True)
    subject = rival(name)
    subject.create(folder, source.DIMENSION)
    return subject


def _batches(data: source.Source, rows: NDArray[np.int64], generation: int = 0) -> list[Batch]:
    made = [data.batch(rows[at : at + BATCH], generation) for at in range(0, len(rows), BATCH)]
    gc.collect()
    gc.freeze()
    return made


def _timed(call: Callable[[Any], None], inputs: Sequence[Any]) -> list[float]:
    times: list[float] = []
    for each in inputs:
        started = time.perf_counter()
        call(each)
        times.append((time.perf_counter() - started) * 1000)
    return times


def _spread(times_ms: Sequence[float]) -> dict[str, float]:
    p50, p99 = np.percentile(times_ms, [50, 99])
    return {"p50": round(float(p50), 4), "p99": round(float(p99), 4), "max": round(max(times_ms), 4)}


def _right_answers(
    subject: Rival, data: source.Source, kept: NDArray[np.int64], updated: NDArray[np.int64]
) -> dict[str, Any]:
    """Return whether the number of records is right, and the share of sampled records that their own vector finds."""
    sample = np.random.default_rng(6).permutation(kept)[:100]
    is_updated = np.isin(sample, updated)
    n_found = 0
    for generation in (0, 1):
        batch = data.batch(sample[is_updated == bool(generation)], generation)
        for id, vector in zip(batch.ids, batch.vectors, strict=True):
            n_found += subject.query(vector, 10)[:1] == [id]
    return {"count_is_right": subject.count() == len(kept), "found_share": n_found / len(sample)}


if __name__ == "__main__":
    main()
