"""`make crash`: kill processes by the hundred and count what was lost.

    python -m tests.crash.run [--kills 1000] [--seed 0]

Each round kills one history at a random failpoint (a random time that it is passed) or at a random instant, opens the
folder again and compares it with the oracle. The exit status is 1 if anything acknowledged was lost.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from chroma_search.storage.failpoint import NAMES
from tests.crash.killing import assert_nothing_lost, run_until_killed

COUNT = 60


def main() -> None:
    """Kill, look, count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    chosen, began = random.Random(args.seed), time.monotonic()
    n_killed = n_acknowledged = n_lost = 0
    while n_killed < args.kills:
        seed = chosen.randrange(10**9)
        folder = Path(tempfile.mkdtemp())
        if chosen.random() < 0.5:
            point = f"{chosen.choice(NAMES)}:{chosen.randint(1, 12)}"
            killed = run_until_killed(folder, seed, COUNT, failpoint=point)
        else:
            point = "a random instant"
            after, delay_s = chosen.randrange(COUNT), chosen.random() * 0.02
            killed = run_until_killed(folder, seed, 10_000, kill_after=after, delay_s=delay_s)
        n_killed += killed.was_killed
        n_acknowledged += killed.acknowledged + 1
        try:
            assert_nothing_lost(folder, seed, killed)
        except AssertionError as error:
            n_lost += 1
            print(f"seed {seed}, killed at {point}: {error}")
        shutil.rmtree(folder, ignore_errors=True)
        if n_killed % 50 == 0:
            print(f"{n_killed} kills, {n_acknowledged} acknowledged writes, {n_lost} histories with a loss")
    print(f"{n_killed} kills, {n_acknowledged} acknowledged writes, {n_lost} lost, {time.monotonic() - began:.0f} s")
    sys.exit(1 if n_lost else 0)


if __name__ == "__main__":
    main()
