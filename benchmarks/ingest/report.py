"""Tables of the last run of each measurement in `results/`; measures nothing.

python -m benchmarks.ingest.report
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ingest.processes import RESULTS
from benchmarks.ingest.source import MADE_UP

Row = dict[str, Any]


def main() -> None:
    """Print the tables."""
    print_report()


def print_report(folder: Path = RESULTS) -> None:
    """Print a table for each file of results that is there."""
    for title, table in (
        ("Writing", _ingest_table(_rows(folder / "ingest.jsonl"))),
        ("Room on the disk", _room_table(_rows(folder / "ingest.jsonl"))),
        ("Syncs per acknowledged write", _sync_table(_rows(folder / "syncs.jsonl"))),
        ("Opening, first answer (warm page cache)", _open_table(_rows(folder / "open.jsonl"))),
        ("The log while it is written to", _log_table(_rows(folder / "log_size.jsonl"))),
    ):
        if len(table) > 1:
            print(f"\n### {title}\n\n{_drawn(table)}")


def _rows(path: Path) -> list[Row]:
    """Return the rows of the last run for each number of rows and rival, smaller ones first."""
    if not path.exists():
        return []
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    last: dict[tuple[object, ...], str] = {}
    for row in rows:
        last[_key(row)] = max(last.get(_key(row), ""), row["run"])
    return sorted((row for row in rows if row["run"] == last[_key(row)]), key=lambda row: row.get("rows", 0))


def _key(row: Row) -> tuple[object, ...]:
    return row.get("rows"), row.get("source"), row["measure"], row.get("rival")


def _size(row: Row) -> str:
    return f"{row['rows']:,}" + (" made up" if row["source"] == MADE_UP else "")


def _ingest_table(rows: Sequence[Row]) -> list[list[str]]:
    timed = ("rows/s", "batch p50, p99, max ms", "single add p50, p99 ms", "update/s", "delete/s")
    table = [["rows", "rival", *timed, "all in the graph s (cpu s)", "x hnswlib (cpu)", "last row found at once"]]
    for row in rows:
        n_rows = _size(row)
        if row["measure"] == "disk":
            page, batch = row["page"], row["batch"]
            writes = f"{batch['p50_ms']:.1f}, {batch['p99_ms']:.1f}, -"
            single = f"{page['p50_ms']:.2f}, {page['p99_ms']:.2f}"
            table.append([n_rows, "write + fdatasync alone", f"{1e6 / batch['p50_ms']:,.0f}", writes, single, *"-----"])
        elif row["measure"] in ("graph", "shuffled graph"):
            name = "hnswlib alone" + (", shuffled" if row["measure"] == "shuffled graph" else "")
            table.append([n_rows, name, *"-----", f"{row['build_s']:.1f} ({row['build_cpu_s']:.1f})", *"--"])
        elif row["measure"] == "ingest":
            batch, single = row["add_batch_ms"], row["single_add_ms"]
            rates = [f"{row[name]:,.0f}" for name in ("add_rows_per_s", "update_rows_per_s", "delete_rows_per_s")]
            writes = f"{batch['p50']:.1f}, {batch['p99']:.1f}, {batch['max']:.0f}"
            singles = f"{single['p50']:.2f}, {single['p99']:.2f}"
            at_once = "yes" if row["found_last_at_once"] and row["found_single_at_once"] else "NO"
            indexed = f"{row['indexed_s']:.1f} ({row['indexed_cpu_s']:.1f})"
            cells = [n_rows, row["rival"], rates[0], writes, singles, *rates[1:], indexed]
            table.append([*cells, _to_hnswlib(row, rows), at_once])
    return table


def _to_hnswlib(row: Row, rows: Sequence[Row]) -> str:
    """Return the ratio to hnswlib with the rows in their order, by the clock and by processor time."""
    builds = [each for each in rows if each["measure"] == "graph" and _size(each) == _size(row)]
    if not builds:
        return "-"
    by_clock, by_cpu = (row[f"indexed{kind}_s"] / builds[-1][f"build{kind}_s"] for kind in ("", "_cpu"))
    return f"{by_clock:.2f} ({by_cpu:.2f})"


def _room_table(rows: Sequence[Row]) -> list[list[str]]:
    sizes = ("ingest_bytes", "deleted_bytes", "compacted_bytes", "fresh_bytes")
    heads = ("MB after ingest", "after delete of 90 %", "after compaction", "fresh")
    table = [["rows", "rival", *heads, "compacted / fresh", "compaction", "s", "answers after delete, compaction"]]
    for row in rows:
        if row["measure"] != "ingest":
            continue
        checks = [row[name] for name in ("after_delete", "after_compaction")]
        right = ", ".join(f"{each['found_share']:.0%}" + ("" if each["count_is_right"] else "!") for each in checks)
        megabytes = [f"{row[name] / 1e6:,.0f}" for name in sizes]
        ratio = f"{row['compacted_bytes'] / row['fresh_bytes']:.2f}"
        how = [row["compaction"] or "none", f"{row['compaction_s']:.1f}"]
        table.append([_size(row), row["rival"], *megabytes, ratio, *how, right])
    return table


def _sync_table(rows: Sequence[Row]) -> list[list[str]]:
    table = [["rival", "batch", "single add", "calls per single add"]]
    for row in rows:
        calls = ", ".join(f"{call} {n:g}" for call, n in row["calls"]["single"].items())
        table.append([row["rival"], f"{row['batch']:g}", f"{row['single']:g}", calls or "none"])
    return table


def _open_table(rows: Sequence[Row]) -> list[list[str]]:
    times = ("rounds", "first answer s: median (best)", "of it imports, open, query", "next query ms")
    memory = ("at rest MB: rss, private, anonymous", "after 100 queries: rss, private, anonymous")
    table = [["rows", "rival", *times, *memory, "right of 10", "folder MB"]]
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((_size(row), row["rival"]), []).append(row)
    for (n_rows, name), group in groups.items():
        answers = [row["answer_s"] for row in group]
        parts, later, right, size = "----"
        if "opened_s" in group[0]:
            steps = [[row["imported_s"], row["opened_s"], row["answer_s"]] for row in group]
            parts = ", ".join(f"{part:.2f}" for part in np.diff(np.median(steps, axis=0), prepend=0.0))
            later = f"{np.median([row['next_p50_ms'] for row in group]):.2f}"
            right, size = f"{group[0]['right']}", f"{group[0]['bytes'] / 1e6:,.0f}"
        answer = f"{np.median(answers):.3f} ({min(answers):.3f})"
        held = (_memory(group, "at_rest"), _memory(group, "in_use"))
        table.append([n_rows, name, f"{len(group)}", answer, parts, later, *held, right, size])
    return table


def _memory(group: Sequence[Row], name: str) -> str:
    kinds = ("rss", "private", "anonymous")
    return ", ".join(f"{np.median([row[name][kind] for row in group]):.0f}" for kind in kinds)


def _log_table(rows: Sequence[Row]) -> list[list[str]]:
    heads = ("rows/s", "slowest batch s", "added s", "indexed s", "log MB: highest, end", "folder MB: highest, end")
    table = [["rows", "written MB", *heads, "peak rss MB"]]
    for row in rows:
        course = [f"{row[f'{name}_max'] / 1e6:,.0f}, {row[f'{name}_end'] / 1e6:,.1f}" for name in ("log", "folder")]
        times = [f"{row['slowest_batch_s']:.2f}", f"{row['added_s']:.0f}", f"{row['indexed_s']:.0f}"]
        facts = [_size(row), f"{row['payload_bytes'] / 1e6:,.0f}", f"{row['add_rows_per_s']:,.0f}"]
        table.append([*facts, *times, *course, f"{row['memory']['peak']:,.0f}"])
    return table


def _drawn(table: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(cells)} |" for cells in table]
    return "\n".join([lines[0], "|" + "---|" * len(table[0]), *lines[1:]])


if __name__ == "__main__":
    main()
