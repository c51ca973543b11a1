"""Run a history in a child process, kill it, and compare what the folder holds with what was acknowledged."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import chroma_search
from tests.crash.history import operation
from tests.oracle import OracleCollection

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Killed:
    """What a killed child had acknowledged: the number of the last write, -1 for none."""

    acknowledged: int
    was_killed: bool


def run_until_killed(folder, seed, count, *, failpoint=None, kill_after=None, delay_s=0.0):
    """Run a child; it dies at a failpoint, or is killed `delay_s` after it has acknowledged write `kill_after`."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CHROMA_SEARCH_FAILPOINT": failpoint or ""}
    command = [sys.executable, "-m", "tests.crash.history", str(folder), str(seed), str(count)]
    with subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        acknowledged = -1
        for line in child.stdout:
            if line.strip().isdigit():
                acknowledged = int(line)
            if acknowledged == kill_after:
                time.sleep(delay_s)
                child.send_signal(signal.SIGKILL)
                kill_after = None
        child.wait()
    assert child.returncode in (0, -signal.SIGKILL)
    return Killed(acknowledged, child.returncode != 0)


def state_after(seed, count):
    """What the oracle holds after the first `count` writes."""
    return state_of(seed, range(count))


def state_of(seed, numbers):
    """What the oracle holds after the given writes."""
    oracle = OracleCollection()
    for number in numbers:
        name, arguments = operation(seed, number)
        if not arguments:  # a flush or a compaction changes no record
            continue
        if "embeddings" in arguments:
            arguments = {**arguments, "embeddings": arguments["embeddings"].tolist()}
        getattr(oracle, name)(**arguments)
    return oracle.get()


def found_in(folder):
    """What a new client finds in the folder; None when the collection was not created yet."""
    with chroma_search.PersistentClient(folder) as client:
        if not client.count_collections():
            return None
        collection = client.get_collection("history", embedding_function=None)
        found = collection.get(include=["embeddings", "documents", "metadatas", "uris"])
        columns = {name: found[name] for name in ("ids", "documents", "metadatas", "uris")}
        return {**columns, "embeddings": [each.tolist() for each in found["embeddings"]]}


def assert_nothing_lost(folder, seed, killed):
    """Every acknowledged write is there whole; of the one that was running, all or nothing."""
    found = found_in(folder)
    if found is None:
        assert killed.acknowledged == -1
        return
    allowed = [state_after(seed, killed.acknowledged + 1 + more) for more in (0, 1)]
    assert any({name: each[name] for name in found} == found for each in allowed), (
        f"after {killed.acknowledged + 1} acknowledged writes the folder holds neither these nor one more"
    )
