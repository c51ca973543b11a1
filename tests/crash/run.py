"""`make crash`: kill processes by the thousand and count what was lost.

    python -m tests.crash.run [--kills 2000] [--seed 0] [--jobs 2]

Each round kills one child - that writes a history, makes and drops collections, or imports a file - at a random pass of
a random failpoint or at a random instant. What it left is verified, compared with what was acknowledged, searched for
leftovers, and used again. The exit status is 1 if anything was lost.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from chroma_search.storage.failpoint import NAMES
from tests.crash.catalog_kill import kill_and_check
from tests.crash.import_kill import IMPORT_FILE, Contents, export, kill_file_import, prepare
from tests.crash.killing import MEMORY, assert_nothing_lost, points_passed, run_until_killed
from tests.crash.nursery import Nursery

COUNT = 60
ELSEWHERE = ("repair.", "backup.")
"""Failpoints that other tests kill at."""
OF_CATALOG = ("catalog.", "collection.", "log.", "fork.", "copy.")
"""Failpoints that histories of collections pass."""
INSTANT = "a random instant"


@dataclass
class Tally:
    """What has happened so far; all threads write it, under the lock."""

    wanted: int
    n_acknowledged: int = 0
    n_rounds: int = 0
    n_lost: int = 0
    kills: Counter[str] = field(default_factory=Counter[str])
    lock: threading.Lock = field(default_factory=threading.Lock)
    began: float = field(default_factory=time.monotonic)

    def is_done(self) -> bool:
        return self.kills.total() >= self.wanted

    def count(self, point: str, acknowledged: int, *, was_killed: bool, is_lost: bool) -> None:
        with self.lock:
            self.n_rounds += 1
            self.n_acknowledged += acknowledged
            self.n_lost += is_lost
            if was_killed:
                self.kills[point.partition(":")[0]] += 1
                if self.kills.total() % 100 == 0:
                    print(self, flush=True)

    def __str__(self) -> str:
        seconds = time.monotonic() - self.began
        return (
            f"{self.kills.total()} kills in {self.n_rounds} rounds, {self.n_acknowledged} acknowledged batches, "
            f"{self.n_lost} lost, {seconds:.0f} s"
        )


class Worker:
    """Rounds of one thread, with children of its own.

    Args:
        chosen: what decides about everything.
        tally: what is counted.
    """

    def __init__(self, chosen: random.Random, tally: Tally) -> None:
        self._chosen = chosen
        self._tally = tally

    def run(self) -> None:
        """Kill until there are enough kills."""
        with Nursery() as nursery, tempfile.TemporaryDirectory(dir=MEMORY) as kept:
            self._nursery, self._kept = nursery, Path(kept)
            while not self._tally.is_done():
                with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
                    self._round(Path(folder))

    def _round(self, folder: Path) -> None:
        kind = self._chosen.choice(("history",) * 6 + ("catalog", "import"))
        seed, point = self._chosen.randrange(10**9), self._point(kind)
        acknowledged, was_killed, is_lost = 0, True, False
        try:
            acknowledged, was_killed = getattr(self, f"_kill_{kind}")(folder / "data", seed, point)
        except Exception:
            is_lost = True
            print(f"{kind}, seed {seed}, killed at {point}:\n{traceback.format_exc()}", flush=True)
        self._tally.count(point, acknowledged, was_killed=was_killed, is_lost=is_lost)

    def _point(self, kind: str) -> str:
        if self._chosen.random() < 0.4:
            return INSTANT
        if kind == "import":
            name = self._chosen.choice(sorted(self._import[2]))
            return f"{name}:{self._chosen.randint(1, self._import[2][name])}"
        names = [name for name in NAMES if not name.startswith(("import.", "fork.", "copy.", *ELSEWHERE))]
        if kind == "catalog":
            names = [name for name in NAMES if name.startswith(OF_CATALOG)]
        name = self._chosen.choice(names)
        most = 1 if name.startswith("collection.") and kind == "history" else 12
        return f"{name}:{self._chosen.randint(1, most)}"

    def _kill_history(self, folder: Path, seed: int, point: str) -> tuple[int, bool]:
        if point == INSTANT:
            after, delay_s = self._chosen.randrange(COUNT), self._chosen.random() * self._chosen.choice((0.001, 0.02))
            killed = run_until_killed(self._nursery, folder, seed, 10_000, kill_after=after, delay_s=delay_s)
        else:
            killed = run_until_killed(self._nursery, folder, seed, COUNT, point=point)
        assert_nothing_lost(folder, seed, killed)
        return killed.acknowledged + 1, killed.was_killed

    def _kill_catalog(self, folder: Path, seed: int, point: str) -> tuple[int, bool]:
        if point == INSTANT:
            return kill_and_check(self._nursery, folder, seed, 400, kill_after=self._chosen.randint(1, 40))
        return kill_and_check(self._nursery, folder, seed, 40, point=point)

    def _kill_import(self, folder: Path, _: int, point: str) -> tuple[int, bool]:
        path, source = self._import[:2]
        how: dict[str, Any] = {"point": point}
        if point == INSTANT:
            how = {"kill_after": self._chosen.randint(0, 5), "delay_s": self._chosen.random() * 0.02}
        ended = kill_file_import(self._nursery, folder, path, source, **how)
        return len(ended.lines), ended.was_killed

    @cached_property
    def _import(self) -> tuple[Path, Contents, Counter[str]]:
        """The file that is imported, what is in it, and how often an import passes each failpoint."""
        path, folder = self._kept / "docs.jsonl", self._kept / "counted"
        source = export(path)
        prepare(folder)
        return path, source, points_passed(self._nursery, IMPORT_FILE, str(folder), str(path))


def main() -> None:
    """Kill, look, count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    tally = Tally(args.kills)
    workers = [Worker(random.Random(f"{args.seed} {at}"), tally) for at in range(args.jobs)]
    threads = [threading.Thread(target=each.run) for each in workers]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    for name in (*NAMES, INSTANT):
        if not name.startswith(ELSEWHERE):
            print(f"{tally.kills[name]:6} {name}")
    print(tally)
    sys.exit(1 if tally.n_lost else 0)


if __name__ == "__main__":
    main()
