"""Run a history in a child process, kill it, and look at what it left: what was acknowledged, damage, leftovers."""

from __future__ import annotations

import os
import re
import signal
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import chroma_search
from chroma_search.engine.catalog import Catalog
from chroma_search.engine.collection_card import CARD
from chroma_search.engine.collection_home import LOG, SEGMENTS
from chroma_search.engine.database_folder import CATALOG, COLLECTIONS
from chroma_search.storage.log import SqliteLog
from chroma_search.storage.segment_folder import LOCK, SUFFIX, UNNAMED
from tests.crash.history import operation
from tests.crash.nursery import Nursery
from tests.oracle import OracleCollection

ROOT = Path(__file__).parents[2]
MEMORY = next((each for each in ("/dev/shm",) if os.access(each, os.W_OK)), None)
"""A folder in memory, or None. What a killed process has written is there, synced or not."""

HISTORY = "tests.crash.history:write"
REPEATED = 40
"""States of this many histories are remembered: the seeds of a test are killed at many places."""

_OF_SQLITE = r"(-wal|-shm)?"
_FILES = re.compile(
    rf"({re.escape(CATALOG)}{_OF_SQLITE}|catalog\.head|{COLLECTIONS}/[^/]+/"
    rf"({re.escape(LOG)}{_OF_SQLITE}|log\.head|log\.\d+\.entries|{re.escape(CARD)}"
    rf"|{SEGMENTS}/(({UNNAMED}/)?{re.escape(LOCK)}{_OF_SQLITE}|[^/]+{re.escape(SUFFIX)}|[0-9a-f.]+\.words)))"
)
"""What may be in a folder."""
ENTRIES = ".entries"


@dataclass(frozen=True)
class Killed:
    """What a killed child had acknowledged: the number of the last write, `first` - 1 for none."""

    acknowledged: int
    was_killed: bool


@dataclass(frozen=True)
class Ended:
    """How a child ended, and what it had said."""

    lines: list[str]
    was_killed: bool


def run_child(
    nursery: Nursery,
    function: str,
    *arguments: Any,
    point: str | None = None,
    kill_after: int | None = None,
    delay_s: float = 0.0,
) -> Ended:
    """Run a child; it dies at a failpoint, or is killed `delay_s` after it has said `kill_after` lines."""
    said: list[str] = []
    with nursery.child(function, *arguments, point=point) as child:
        if kill_after == 0:
            time.sleep(delay_s)
            child.kill()
        for line in child.lines:
            said.append(line.strip())
            if len(said) == kill_after:
                time.sleep(delay_s)
                child.kill()
    status = nursery.status(child)
    assert status in (0, -signal.SIGKILL), f"a child failed with status {status}; it has written why"
    return Ended(said, status != 0)


def run_until_killed(
    nursery: Nursery,
    folder: str | Path,
    seed: int,
    count: int,
    *,
    first: int = 0,
    point: str | None = None,
    kill_after: int | None = None,
    delay_s: float = 0.0,
) -> Killed:
    """Run writes `first` to `first + count` of a history in a child; see `run_child`."""
    arguments = (str(folder), seed, first, count)
    ended = run_child(nursery, HISTORY, *arguments, point=point, kill_after=kill_after, delay_s=delay_s)
    numbers = [int(line) for line in ended.lines if line.isdigit()]
    return Killed(numbers[-1] if numbers else first - 1, ended.was_killed)


def points_passed(nursery: Nursery, function: str, *arguments: Any) -> Counter[str]:
    """Return how often an undisturbed child passes each failpoint."""
    with nursery.child("tests.crash.nursery:counting", function, *arguments) as child:
        passed = Counter(line.strip().removeprefix("at ") for line in child.lines if line.startswith("at "))
    assert nursery.status(child) == 0
    return passed


# --- what must be there -----------------------------------------------------------------------------------------------


def state_after(seed: int, count: int) -> dict[str, Any]:
    """What the oracle holds after the first `count` writes."""
    states = _states(seed)
    while len(states) <= count:
        oracle = states[-1][0]
        apply(oracle, seed, len(states) - 1)
        states.append((oracle, oracle.get()))
    return states[count][1]


@lru_cache(REPEATED)
def _states(seed: int) -> list[tuple[OracleCollection, dict[str, Any]]]:
    oracle = OracleCollection()
    return [(oracle, oracle.get())]


def state_of(seed: int, numbers: Iterable[int]) -> dict[str, Any]:
    """What the oracle holds after the given writes."""
    oracle = OracleCollection()
    for number in numbers:
        apply(oracle, seed, number)
    return oracle.get()


def apply(oracle: OracleCollection, seed: int, number: int) -> None:
    """Make one write of a history in the oracle."""
    name, arguments = operation(seed, number)
    if not arguments:  # a flush or a compaction changes no record
        return
    if "embeddings" in arguments:
        arguments = {**arguments, "embeddings": arguments["embeddings"].tolist()}
    getattr(oracle, name)(**arguments)


# --- what is there ----------------------------------------------------------------------------------------------------


def found_in(folder: str | Path) -> dict[str, Any] | None:
    """What a new client finds in the folder; None when the collection was not created yet."""
    with chroma_search.PersistentClient(folder) as client:
        if not client.count_collections():
            return None
        collection = client.get_collection("history", embedding_function=None)
        found = collection.get(include=["embeddings", "documents", "metadatas", "uris"])
        columns = {name: found[name] for name in ("ids", "documents", "metadatas", "uris")}
        return {**columns, "embeddings": [each.tolist() for each in found["embeddings"]]}


def assert_nothing_lost(folder: str | Path, seed: int, killed: Killed) -> None:
    """Every acknowledged write is there whole; of the one that was running, all or nothing; and nothing else is."""
    assert_sound(folder)
    found = found_in(folder)
    if found is None:
        assert killed.acknowledged == -1
    else:
        allowed = [state_after(seed, killed.acknowledged + 1 + more) for more in (0, 1)]
        assert any({name: each[name] for name in found} == found for each in allowed), (
            f"after {killed.acknowledged + 1} acknowledged writes the folder holds neither these nor one more"
        )
    assert_swept(folder)


def assert_sound(folder: str | Path) -> None:
    """No byte of what a crash has left is damaged.

    Until the next opening there may be what `verify` rightly tells: the folder of a collection that was being made, or
    deleted, which the catalog does not know; and, before the first collection, a catalog without tables, or none.
    """
    top = Path(folder)
    if (top / CATALOG).exists() or (top / COLLECTIONS).exists():
        report = chroma_search.verify(folder)
        if not any((top / COLLECTIONS).iterdir()) and [each.path for each in report.findings] == [CATALOG]:
            return
        unknown = [each for each in report.findings if Path(each.path).parent == Path(COLLECTIONS)]
        assert len(unknown) == len(report.findings), str(report)
        assert all((top / each.path).is_dir() for each in unknown), str(report)


def assert_swept(folder: str | Path) -> None:
    """Opening removes what a crash has left, but for segments and long entries: the next flush that writes does."""
    left = leftovers(folder)
    assert all(f"/{SEGMENTS}/" in each or each.endswith(ENTRIES) for each in left), left
    with chroma_search.PersistentClient(folder) as client:
        for collection in client.list_collections():
            dimension = collection.stats()["dimension"] or 4
            collection.add(ids="the next flush", embeddings=[[1.0] * dimension])
            collection.flush()
    assert not leftovers(folder), leftovers(folder)
    report = chroma_search.verify(folder)
    assert report.is_clean, str(report)


def leftovers(folder: str | Path) -> list[str]:
    """Return the files and folders that no catalog, log or manifest needs."""
    top = Path(folder)
    catalog = Catalog(top / CATALOG, "read")
    known = {str(each.id) for each in catalog.state().collections}
    catalog.close()
    named: set[str] = set()
    for id_ in known:
        place = top / COLLECTIONS / id_
        log = SqliteLog(place / LOG, "read")
        manifest, entries = log.news().manifest, log.long_files()
        log.close()
        named |= {f"{COLLECTIONS}/{id_}/{each.name}" for each in entries}
        named |= {f"{COLLECTIONS}/{id_}/{SEGMENTS}/{each.name}" for each in manifest.segments} if manifest else set()
    left = [each.name for each in (top / COLLECTIONS).iterdir() if each.name not in known]
    for path in top.rglob("*"):
        name = path.relative_to(top).as_posix()
        if path.is_file() and (not _FILES.fullmatch(name) or (name.endswith((SUFFIX, ENTRIES)) and name not in named)):
            left.append(name)
    return sorted(left)
