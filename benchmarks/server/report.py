"""Tables of the last run of each kind of request in `results/`; measures nothing.

python -m benchmarks.server.report
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).parent / "results"
Row = dict[str, Any]


def main() -> None:
    """Print the tables."""
    print_report()


def print_report(folder: Path = RESULTS) -> None:
    """Print the tables."""
    rows = [json.loads(line) for line in (folder / "server.jsonl").read_text().splitlines()]
    last = {row["workload"]: row["run"] for row in rows if row["measure"] == "load"}
    _print_load([row for row in rows if row["measure"] == "load" and row["run"] == last[row["workload"]]])
    _print_answers([row for row in rows if row["measure"] == "answers" and row["run"] in last.values()])


def _print_load(rows: list[Row]) -> None:
    groups: dict[tuple[str, int], dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        groups[row["workload"], row["connections"]][row["server"]].append(row)
    print(
        "\n| request | connections | server | per second (each round) | p50 ms | p99 ms | server cpu ms | "
        "generator cpu | x upstream: throughput, p50, p99 |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for (workload, connections), servers in groups.items():
        base = servers.get("upstream")
        for name, turns in sorted(servers.items()):
            rates = ", ".join(f"{each['per_s']:,.0f}" for each in turns)
            ratio = "" if base is None or name == "upstream" else _ratios(turns, base)
            failed = {status for each in turns for status in each["statuses"] if not status.startswith("2")}
            noted = f" FAILED {failed}" if failed else ""
            cells = [_median(turns, each) for each in ("per_s", "p50_ms", "p99_ms", "server_cpu_ms", "generator_cpu")]
            print(
                f"| {workload} | {connections} | {name}{noted} | {cells[0]:,.0f} ({rates}) | {cells[1]:.2f} | "
                f"{cells[2]:.2f} | {cells[3]:.2f} | {cells[4]:.2f} | {ratio} |"
            )


def _ratios(turns: list[Row], base: list[Row]) -> str:
    """Return how many times better: throughput up, times down."""
    up = _median(turns, "per_s") / _median(base, "per_s")
    down = [_median(base, each) / _median(turns, each) for each in ("p50_ms", "p99_ms")]
    return f"{up:.1f}, {down[0]:.1f}, {down[1]:.1f}"


def _median(rows: list[Row], name: str) -> float:
    return float(np.median([row[name] for row in rows]))


def _print_answers(rows: list[Row]) -> None:
    print("\n| server | when | records | memory MB | right |")
    print("|---|---|---|---|---|")
    for row in rows:
        shares = ", ".join(f"{name} {share:.3f}" for name, share in row["right"].items())
        memory = f"{row['memory_mb']:,.0f}" if "memory_mb" in row else ""
        print(f"| {row['server']} | {row['when']} | {row['count']:,} | {memory} | {shares} |")


if __name__ == "__main__":
    main()
