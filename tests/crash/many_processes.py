"""Many processes on one folder, or many threads on one client; what they did is proved to be a serial order.

    python -m tests.crash.many_processes [--seconds 60] [--seed 1] [--threads]

Four writers add, change, delete, flush and compact, on ids of their own and on shared ones; one of them is killed now
and then, and started again. Four readers, one of them with `mode="r"`, read all the time, and an opener opens the
folder anew. All keep journals (`many_roles.py`), from which the order is worked out (`serial_order.py`).
The exit status is 1 if something is wrong.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import chroma_search
from tests.crash.killing import MEMORY, leftovers
from tests.crash.many_roles import (
    NAME,
    Journal,
    Row,
    opener,
    place_of,
    read,
    read_until,
    reader,
    watch_appends,
    write_until,
    writer,
)
from tests.crash.nursery import Child, Nursery
from tests.crash.serial_order import Proof, Write, prove, reads_of, writes_of

N_WRITERS, N_READERS, N_CLIENTS = 4, 4, 4
LIFE = 1_000_000
"""First number of a writer's next life."""
KILLS_EVERY_S = (0.4, 1.6)


@dataclass
class Figures:
    """What came of a run.

    Attributes:
        faults: what is wrong; empty when everything is proved.
        n_writes, n_reads, n_opened: acknowledged calls of writers, reads, openings.
        n_kills, n_killed_whole: writers that were killed, and writes that they had not acknowledged but that are there.
        n_refused: writes that waited for too long.
        slowest_opener_s, slowest_write_s, p99_write_s: from the call to the answer; without flushes and compactions.
    """

    faults: list[str]
    n_writes: int = 0
    n_reads: int = 0
    n_opened: int = 0
    n_kills: int = 0
    n_killed_whole: int = 0
    n_refused: int = 0
    slowest_opener_s: float = 0.0
    slowest_write_s: float = 0.0
    p99_write_s: float = 0.0

    def __str__(self) -> str:
        return (
            f"{self.n_writes} acknowledged calls of writers, {self.n_reads} reads, {self.n_opened} openings, "
            f"{self.n_kills} kills ({self.n_killed_whole} left a write that nobody acknowledged, whole), "
            f"{self.n_refused} refused; a write took {self.p99_write_s * 1e3:.1f} ms (p99), "
            f"{self.slowest_write_s * 1e3:.0f} ms at most, an opening {self.slowest_opener_s * 1e3:.0f} ms at most; "
            + ("proved" if not self.faults else f"{len(self.faults)} FAULTS")
        )


@dataclass
class _Lives:
    """The lives of one writer: its journals, and when it was killed in each."""

    number: int
    journals: list[Path] = field(default_factory=list)
    killed: list[float | None] = field(default_factory=list)


def run_processes(folder: Path, seconds: float, seed: int) -> Figures:
    """Run writers, readers and an opener as processes, kill writers, and check."""
    data, chosen = folder / "data", random.Random(seed)
    journals, readers = folder / "journals", dict[str, Path]()
    journals.mkdir(parents=True)
    _make(data)
    lives, n_kills = [_Lives(at) for at in range(N_WRITERS)], 0
    with Nursery() as nursery, ExitStack() as children:
        deadline = time.monotonic() + seconds

        def start(each: _Lives) -> Child:
            life = len(each.journals)
            path = journals / f"writer-{each.number}-{life}"
            path.touch()
            each.journals.append(path)
            each.killed.append(None)
            arguments = (str(data), str(path), seed, each.number, life * LIFE, deadline)
            return children.enter_context(nursery.child(_name_of(writer), *arguments))

        for at in range(N_READERS):
            readers[f"reader {at}"] = path = journals / f"reader-{at}"
            mode = "rw" if at else "r"
            children.enter_context(
                nursery.child(_name_of(reader), str(data), str(path), f"{seed} {at}", mode, deadline)
            )
        readers["opener"] = path = journals / "opener"
        children.enter_context(nursery.child(_name_of(opener), str(data), str(path), f"{seed}", deadline))
        running = [start(each) for each in lives]
        while time.monotonic() + KILLS_EVERY_S[1] < deadline:
            time.sleep(chosen.uniform(*KILLS_EVERY_S))
            at = chosen.randrange(N_WRITERS)
            running[at].kill()
            nursery.status(running[at])
            lives[at].killed[-1] = time.monotonic()
            running[at] = start(lives[at])
            n_kills += 1
        children.close()  # all end at the deadline
        bad = [each for each in nursery.statuses if each not in (0, -signal.SIGKILL)]
    writes = [
        write
        for each in lives
        for path, killed in zip(each.journals, each.killed, strict=True)
        for write in writes_of(Journal.read(path), seed, each.number, killed)
    ]
    lines = {who: Journal.read(path) for who, path in readers.items()}
    figures = _checked(data, writes, lines)
    figures.n_kills = n_kills
    figures.faults += [f"a child failed with status {each}" for each in bad]
    return figures


def run_threads(folder: Path, seconds: float, seed: int, *, n_clients: int = 1) -> Figures:
    """Run four writers and four readers as threads of this process, on one client or on several."""
    data = folder / "data"
    _make(data)
    errors: list[str] = []
    journals = {at: folder / f"{at}" for at in range(N_WRITERS + N_READERS)}
    deadline = time.monotonic() + seconds

    def live(at: int, client: chroma_search.ClientAPI) -> None:
        journal = Journal(journals[at])
        try:
            collection = client.get_collection(NAME, embedding_function=None)
            if at < N_WRITERS:
                write_until(collection, journal, appended, seed, at, 0, lambda: time.monotonic() > deadline)
            else:
                read_until(collection, journal, f"{seed} {at}", lambda: time.monotonic() > deadline, is_alone=False)
        except Exception as error:
            errors.append(f"thread {at}: {error!r}")

    with ExitStack() as stack:
        clients = [stack.enter_context(chroma_search.PersistentClient(data)) for _ in range(n_clients)]
        appended = watch_appends(clients[0].get_collection(NAME, embedding_function=None))
        threads = [threading.Thread(target=live, args=(at, clients[at % n_clients])) for at in journals]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    writes = [write for at in range(N_WRITERS) for write in writes_of(Journal.read(journals[at]), seed, at, None)]
    lines = {f"reader {at}": Journal.read(path) for at, path in journals.items() if at >= N_WRITERS}
    figures = _checked(data, writes, lines)
    figures.faults += errors
    return figures


def _name_of(function: Callable[..., None]) -> str:
    return f"{function.__module__}:{function.__name__}"


def _make(data: Path) -> None:
    with chroma_search.PersistentClient(data) as client:
        client.create_collection(NAME, embedding_function=None)


def _checked(data: Path, writes: list[Write], lines: dict[str, list[list]]) -> Figures:
    with chroma_search.PersistentClient(data) as client:
        collection = client.get_collection(NAME, embedding_function=None)
        left = read(collection, "get", 0)
        reads = [each for who, told in lines.items() for each in reads_of(told, who)]
        proof = prove(writes, reads, 0, place_of(collection))
        _check_end(proof, left)
        collection.add(ids="the next flush", embeddings=[[0.0, 0.0, 0.0]])
        collection.flush()
    report = chroma_search.verify(data)
    proof.faults += [] if report.is_clean else [str(report)]
    proof.faults += [f"left over: {each}" for each in leftovers(data)]
    took = sorted(each.ended - each.began for each in writes if each.ended < float("inf") and not each.what.is_upkeep)
    opened = [
        ended - began
        for told in lines.values()
        for kind, *values in told
        if kind == "opened"
        for _, began, ended in [values]
    ]
    return Figures(
        faults=proof.faults,
        n_writes=proof.n_writes,
        n_reads=proof.n_reads,
        n_opened=len(opened),
        n_killed_whole=proof.n_killed_whole,
        n_refused=sum(each.is_refused for each in writes),
        slowest_opener_s=max(opened, default=0.0),
        slowest_write_s=took[-1] if took else 0.0,
        p99_write_s=took[int(len(took) * 0.99)] if took else 0.0,
    )


def _check_end(proof: Proof, left: list[Row]) -> None:
    expected = [(id_, *row) for id_, row in proof.state.items()]
    if not proof.faults and left != expected:
        proof.faults.append(f"in the end there is {left}, not {expected}")


def main() -> None:
    """Run, check, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", action="store_true", help="threads of one client instead of processes")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        run = run_threads if args.threads else run_processes
        figures = run(Path(folder), args.seconds, args.seed)
    for each in figures.faults[:20]:
        print(each)
    print(figures)
    sys.exit(1 if figures.faults else 0)


if __name__ == "__main__":
    main()
