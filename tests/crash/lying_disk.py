"""The power fails while a process writes, and the disk forgets what was not synced: is all that was acknowledged there?

    python -m tests.crash.lying_disk [--states 5000] [--seed 0]

A child writes a random history, traced by `disk.c`; from the trace come folders that a power cut could have left
(`crash_states.py`), each is opened by a real client and compared with the oracle. A later round goes on from one of
these folders, so that recoveries are cut short too. The exit status is 1 if anything was lost.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

import chroma_search
from tests.crash.crash_states import SURVIVORS, Cut, Forgotten, Survivors, TracedFolder
from tests.crash.killing import found_in, state_of
from tests.crash.traced_disk import MEMORY, ROOT, Operation, compiled, environment, read_trace
from tests.crash.traced_history import catalog_history, do_catalog, do_records, listing

Kind = Literal["records", "catalog"]

N_CALLS = 24
"""Calls of one round: enough for some flushes and compactions, and for the folder to be closed and opened twice."""
FOLDER = "made/by_us"
"""Where on the disk the client's folder is: it makes two folders, whose names can be lost too."""
AFTERWARDS = (901, 902, 903, 904)
"""Calls of `history.py` that are made on what was found, to see that it can be written."""


@dataclass(frozen=True)
class State:
    """A folder as a power cut may leave it.

    Attributes:
        disk: where it is.
        n_done: calls that were acknowledged before; -1 when not even the collection was.
        lost: what the cut took.
        story: which cut this is, and the operations before it.
    """

    disk: Path
    n_done: int
    lost: Sequence[str]
    story: str


@dataclass(frozen=True)
class Round:
    """A traced process.

    Attributes:
        kind, seed: of its history.
        disk: above the folder that it wrote.
        before: what it found; None for nothing.
        first: calls of the history that were done before; -1 when not even the collection was made.
        operations: what it did; first what a process before it did, if that was killed and no power was lost.
        n_earlier: how many of these there are.
    """

    kind: Kind
    seed: int
    disk: Path
    before: Path | None
    first: int
    operations: Sequence[Operation]
    n_earlier: int = 0

    def played_back(self) -> TracedFolder:
        """Return the folder after all operations."""
        found = TracedFolder(self.disk, self.before)
        for each in self.operations:
            found.play(each)
        return found

    def sample(self, count: int) -> list[tuple[int, Survivors]]:
        """Return random cuts, in order: the number of operations before each, and what survives it.

        A third of them are right after a call was acknowledged, when a missing sync shows.
        """
        chosen = random.Random(f"{self.seed} {len(self.operations)}")
        marks = [at for at in range(self.n_earlier + 1, len(self.operations)) if self.operations[at - 1].kind == "A"]
        anywhere = range(self.n_earlier + 1, len(self.operations) + 1)
        moments = sorted(chosen.choice(marks if chosen.random() < 1 / 3 else anywhere) for _ in range(count))
        return [(moment, chosen.choice(SURVIVORS)) for moment in moments]

    def states(
        self, cuts: Iterable[tuple[int, Survivors]], target: Path, *, forgets: Forgotten = "none"
    ) -> Iterator[State]:
        """Yield what each of the cuts leaves, in order, in a new folder in `target`; the caller may remove it."""
        traced = TracedFolder(self.disk, self.before, forgets=forgets)
        n_done, at = self.first if self.before is not None else -1, 0
        for nth, (moment, survivors) in enumerate(cuts):
            for operation_ in self.operations[at:moment]:
                traced.play(operation_)
                n_done = operation_.number if operation_.kind == "A" else n_done
            at = moment
            disk = target / f"state-{nth}"
            lost = traced.write_after(Cut(survivors, f"{self.seed} {len(self.operations)} {nth}"), disk)
            last = "\n    ".join(map(str, self.operations[max(0, at - 8) : at]))
            story = (
                f"seed {self.seed}, {self.kind}, cut {nth} at operation {at}, {survivors} survives, after\n    {last}"
            )
            yield State(disk, n_done, lost, story)


def run_round(
    library: Path,
    work: Path,
    kind: Kind,
    seed: int,
    *,
    n_calls: int = N_CALLS,
    first: int = 0,
    before: Path | None = None,
) -> Round:
    """Let a child make `n_calls` calls of a history from `first` on, in a copy of `before`.

    Args:
        library: `disk.c`, compiled.
        work: a folder for what the round leaves; made here.
    """
    work.mkdir()
    disk, trace = work.resolve() / "disk", work / "trace"
    if before is None:
        disk.mkdir()
    else:
        shutil.copytree(before, disk)
    command = [sys.executable, "-m", "tests.crash.traced_history", kind, str(disk / FOLDER), str(trace)]
    child = subprocess.run(
        [*command, str(seed), str(max(0, first)), str(n_calls)],
        env=environment(library, disk),
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert child.returncode == 0, child.stderr
    return Round(kind, seed, disk, before, first, read_trace(trace))


def check(kind: Kind, seed: int, state: State) -> int:
    """Open what is left of a folder, compare, write, open again; return how many calls it holds, as `State.n_done`.

    Raises:
        AssertionError: something acknowledged is lost, or something is there in half.
    """
    try:
        return _records_left(seed, state) if kind == "records" else _catalog_left(seed, state)
    except (AssertionError, chroma_search.ChromaSearchError) as error:
        lost = "\n    ".join(state.lost)
        raise AssertionError(f"{type(error).__name__}: {error}\n{state.story}\nlost were\n    {lost}") from error


def _records_left(seed: int, state: State) -> int:
    found = found_in(state.disk / FOLDER)
    if found is None:
        assert state.n_done == -1, f"the collection is gone, with {state.n_done} acknowledged writes"
        return -1
    n_done = max(0, state.n_done)
    n_found = next((n for n in (n_done, n_done + 1) if _records(seed, n, ()) == found), None)
    assert n_found is not None, f"after {n_done} acknowledged writes the folder holds neither these nor one more"
    with chroma_search.PersistentClient(state.disk / FOLDER) as client:
        for number in AFTERWARDS:
            do_records(client, seed, number)
    assert found_in(state.disk / FOLDER) == _records(seed, n_found, AFTERWARDS), (
        "it holds other records after more writes"
    )
    return n_found


@lru_cache(maxsize=1000)
def _records(seed: int, n_done: int, more: tuple[int, ...]) -> dict:
    state = state_of(seed, [*range(n_done), *more])
    return {name: state[name] for name in ("ids", "documents", "metadatas", "uris", "embeddings")}


def _catalog_left(seed: int, state: State) -> int:
    n_done = max(0, state.n_done)
    calls, states = catalog_history(seed, n_done + 2)
    with chroma_search.PersistentClient(state.disk / FOLDER) as client:
        found = listing(client)
        n_found = next((n for n in (n_done, n_done + 1) if states[n] == found), None)
        assert n_found is not None, f"found {found}, not {states[n_done]} nor {states[n_done + 1]}"
        do_catalog(client, calls[n_found], n_found)
    with chroma_search.PersistentClient(state.disk / FOLDER) as client:
        assert listing(client) == states[n_found + 1], "it holds other collections after one more call"
    return n_found


def after_kill(killed: Round, moment: int, later: Round) -> Round:
    """Return a round with what a process did that was killed at a moment: what it had not synced is still not safe."""

    def moved(path: str) -> str:
        return path.replace(str(killed.disk), str(later.disk), 1)

    earlier = [replace(each, path=moved(each.path), target=moved(each.target)) for each in killed.operations[:moment]]
    return replace(
        later,
        before=killed.before,
        first=killed.first,
        operations=[*earlier, *later.operations],
        n_earlier=moment,
    )


def check_rounds(
    library: Path, work: Path, kind: Kind, seed: int, n_rounds: int, n_states: int
) -> Iterator[str | None]:
    """Yield what was lost, or None, for `n_states` states of each of some rounds.

    Each round goes on from a state of the one before: what a power cut left, or, every other time, what a kill left.
    """
    chosen, killed, first = random.Random(f"rounds {seed}"), None, 0
    kept: Path | None = None
    for nth in range(n_rounds):
        round_ = run_round(library, work / f"round-{nth}", kind, seed, first=first, before=kept)
        if killed is not None:
            round_ = after_kill(*killed, round_)
        cuts, at_next = round_.sample(n_states), chosen.randrange(n_states)
        is_kill = (seed + nth) % 2 == 0
        if is_kill:
            cuts[at_next] = (cuts[at_next][0], "everything")
        killed = (round_, cuts[at_next][0]) if is_kill else None
        kept = work / f"kept-{nth}"
        for at, state in enumerate(round_.states(cuts, work)):
            if at == at_next:
                shutil.copytree(state.disk, kept)
            try:
                n_found = check(kind, seed, state)
                first = n_found if at == at_next else first
                yield None
            except AssertionError as error:
                yield str(error)
                if at == at_next:
                    return  # nothing can go on from here
            shutil.rmtree(state.disk)


def main() -> None:
    """Cut, look, count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--states", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    began, n_states, n_lost, seed = time.monotonic(), 0, 0, args.seed * 1_000_000
    with tempfile.TemporaryDirectory(dir=MEMORY) as temporary:
        library = compiled(Path(temporary))
        while n_states < args.states:
            kind: Kind = "catalog" if seed % 4 == 3 else "records"
            work = Path(temporary) / f"work-{seed}"
            work.mkdir()
            for lost in check_rounds(library, work, kind, seed, n_rounds=3, n_states=60):
                n_states += 1
                n_lost += lost is not None
                if lost is not None:
                    print(lost, flush=True)
            shutil.rmtree(work)
            seed += 1
            if seed % 5 == 0:
                print(f"{n_states} states, {n_lost} with a loss, {time.monotonic() - began:.0f} s", flush=True)
    print(f"{n_states} states, {n_lost} with a loss, {time.monotonic() - began:.0f} s")
    sys.exit(1 if n_lost else 0)


if __name__ == "__main__":
    main()
