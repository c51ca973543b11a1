"""The folder that is damaged: small, with everything in it that a folder can hold, and what its history was.

    python -m tests.crash.damage_folder TARGET SEED

Two tenants, three collections, segments with graphs and tombstones, updates, deletes, metadata with sparse vectors, and
entries in the logs. Left under TARGET: `early` (closed after the first stage), `closed` (after the second) and `killed`
(the process wrote more and was killed, so that the newest commits are only in the write-ahead files), and
`history.pickle`: what a client answered after each write.
"""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import chroma_search
from chroma_search.model.sparse_vector import SparseVector
from chroma_search.storage import log
from tests.crash.damage_answers import answers_of
from tests.oracle import OracleCollection

ROOT = Path(__file__).parents[2]
DIM = {"notes": 32, "pages": 3, "late": 2}
PLACE = {
    "notes": ("default_tenant", "default_database"),
    "pages": ("second_tenant", "inner"),
    "late": ("default_tenant", "default_database"),
}
STAGES = ("early", "closed", "killed")
CHECKPOINT = (3, 5)
"""Writes of the last stage before which a reader comes, and before which the write-ahead file is moved."""
LONG_BYTES = 1_000
"""From how many bytes on an entry lies in a file of its own: about half of them do."""
WORDS = "graph index flush segment Größe 文書 manifest page vector café tombstone checksum".split()

Operation = tuple[str, str, dict[str, Any]]
"""Collection, method, arguments."""


@dataclass
class History:
    """What happened, and what a client answered after each write, per collection.

    Attributes:
        ids: of the collections, by name.
        writes: the writes of each collection, oldest first; the n-th one has number n + 1 in its log.
        answers: per collection, all answers that were right at some time, oldest first; those of a stage last.
        listings: what the catalog held, oldest first.
        final: listing and answers at the end of each stage.
    """

    ids: dict[str, str] = field(default_factory=dict)
    writes: dict[str, list[Operation]] = field(default_factory=dict)
    n_writes: dict[str, dict[str, int]] = field(default_factory=dict)
    answers: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    listings: list[Any] = field(default_factory=list)
    final: dict[str, dict[str, Any]] = field(default_factory=dict)

    def replayed(self, name: str, stage: str, *, without: frozenset[int] = frozenset()) -> OracleCollection:
        """Return what the writes of a collection up to the end of a stage make, without some of them (by number)."""
        oracle = OracleCollection()
        for number, (_, method, arguments) in enumerate(self.writes.get(name, [])[: self.n_writes[stage].get(name, 0)]):
            if number + 1 not in without:
                getattr(oracle, method)(**{key: _plain(value) for key, value in arguments.items()})
        return oracle


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


def operations(seed: int, stage: str) -> list[Operation]:
    """Return the calls of a stage."""
    rng = np.random.default_rng([seed, STAGES.index(stage)])
    if stage == "early":
        return [
            ("notes", "add", _records(rng, "notes", range(300))),
            ("notes", "delete", {"ids": [f"notes-{each}" for each in (3, 77, 210, 299)]}),
            ("notes", "flush", {}),
            ("pages", "upsert", _records(rng, "pages", range(40))),
            ("pages", "flush", {}),
        ]
    if stage == "closed":
        return [
            ("notes", "add", _records(rng, "notes", range(500, 540))),
            ("notes", "update", _records(rng, "notes", range(10, 20))),
            ("notes", "delete", {"ids": [f"notes-{each}" for each in range(30, 50)]}),
            ("notes", "flush", {}),  # a second segment; the first one has tombstones
            ("notes", "delete", {"ids": ["notes-100", "notes-505"]}),
            ("notes", "update", {"ids": ["notes-1"], "metadatas": [{"group": None, "fresh": True}]}),
            ("notes", "add", _records(rng, "notes", range(600, 606))),
            ("notes", "upsert", _records(rng, "notes", [2, 501, 603, 700])),
            ("notes", "delete", {"ids": ["notes-600"]}),
            ("notes", "add", _records(rng, "notes", [600, 100])),
            ("pages", "delete", {"ids": ["pages-0", "pages-39"]}),
            ("pages", "update", {"ids": ["pages-5"], "documents": ["a new text"], "embeddings": np.ones((1, 3), "f4")}),
        ]
    return [
        ("notes", "upsert", _records(rng, "notes", [5, 800, 801])),
        ("notes", "delete", {"ids": ["notes-6", "notes-801"]}),
        ("pages", "add", _records(rng, "pages", range(50, 54))),
        ("notes", "update", {"ids": ["notes-7"], "metadatas": [{"group": 99}]}),
        ("notes", "add", _records(rng, "notes", range(900, 906))),
        ("pages", "delete", {"ids": ["pages-1"]}),
        ("late", "add", _records(rng, "late", range(3))),
        ("notes", "delete", {"ids": ["notes-8", "notes-900"]}),
    ]


def _records(rng: np.random.Generator, name: str, numbers: Any) -> dict[str, Any]:
    numbers = list(numbers)
    documents, metadatas, uris = [], [], []
    for number in numbers:
        words = rng.choice(WORDS, int(rng.integers(4, 10))).tolist()
        documents.append(None if number % 11 == 4 else " ".join([f"n{number}", *words]))
        metadata: dict[str, Any] = {"group": int(rng.integers(5)), "share": float(rng.random()), "tags": words[:2]}
        if number % 3 == 0:
            indices = np.sort(rng.choice(50, 3, replace=False)).tolist()
            metadata["sparse"] = SparseVector(indices=indices, values=rng.random(3).astype("f4").tolist())
        metadatas.append(None if number % 13 == 5 else metadata)
        uris.append(f"file:///{number}" if number % 7 == 0 else None)
    return {
        "ids": [f"{name}-{number}" for number in numbers],
        "embeddings": rng.standard_normal((len(numbers), DIM[name])).astype("f4"),
        "documents": documents,
        "metadatas": metadatas,
        "uris": uris,
    }


def build(target: Path, seed: int = 0) -> History:
    """Build the folders under `target` in a child process, which is killed at the end, and return their history."""
    command = [sys.executable, "-m", "tests.crash.damage_folder", str(target), str(seed)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False)
    assert done.returncode == -signal.SIGKILL, f"the writer ended with {done.returncode}"
    with (target / "history.pickle").open("rb") as file:
        return History(**pickle.load(file))


def main() -> None:
    """Write the three stages and be killed."""
    target, seed = Path(sys.argv[1]), int(sys.argv[2])
    log.LONG_BYTES = LONG_BYTES
    folder, history = target / "killed", History()
    for stage in STAGES:
        with chroma_search.PersistentClient(folder):  # holds the files open, as long as the stage lasts
            _write(folder, stage, seed, history)
            if stage == "killed":
                (target / "history.pickle").write_bytes(pickle.dumps(vars(history)))
                os.kill(os.getpid(), signal.SIGKILL)
        shutil.copytree(folder, target / stage)


def _write(folder: Path, stage: str, seed: int, history: History) -> None:
    if stage == "early":
        _create_places(folder)
        _create(folder, "notes", history, metadata={"about": "everything"})
        _create(folder, "pages", history, configuration={"hnsw": {"space": "cosine"}})
    if stage == "killed":
        _create(folder, "late", history)
        with _client_of(folder, "notes") as client:
            client.get_collection("notes", embedding_function=None).modify(metadata={"about": "the end"})
    for at, operation in enumerate(operations(seed, stage)):
        if stage == "killed" and at in CHECKPOINT:
            _check_point_behind(folder / "collections" / history.ids["notes"] / "log.sqlite", at == CHECKPOINT[1])
        name, method, arguments = operation
        with _client_of(folder, name) as client:
            getattr(client.get_collection(name, embedding_function=None), method)(**arguments)
        if method != "flush":
            history.writes.setdefault(name, []).append(operation)
        _note(folder, history)
    history.n_writes[stage] = {name: len(writes) for name, writes in history.writes.items()}
    history.final[stage] = answers_of(folder)


def _check_point_behind(path: Path, is_last: bool) -> None:
    """Move the write-ahead file into the database as far as a reader, who came at the first of two calls, allows.

    So the database has pages that are newer than some of the file, as it is after a busy time.
    """
    if not is_last:
        reader = sqlite3.connect(path, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM entries").fetchall()
        _readers.append(reader)
        return
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        _, n_frames, n_moved = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    assert 0 < n_moved < n_frames


_readers: list[sqlite3.Connection] = []


def _create_places(folder: Path) -> None:
    admin = chroma_search.AdminClient(chroma_search.Settings(is_persistent=True, persist_directory=str(folder)))
    admin.create_tenant("second_tenant")
    admin.create_database("inner", "second_tenant")
    admin.close()


def _create(folder: Path, name: str, history: History, **arguments: Any) -> None:
    with _client_of(folder, name) as client:
        history.ids[name] = str(client.create_collection(name, embedding_function=None, **arguments).id)
    _note(folder, history)


def _client_of(folder: Path, name: str) -> Any:
    tenant, database = PLACE[name]
    return chroma_search.PersistentClient(folder, tenant=tenant, database=database)


def _note(folder: Path, history: History) -> None:
    found = answers_of(folder)
    if found["listing"] not in history.listings:
        history.listings.append(found["listing"])
    for id_, answers in found["collections"].items():
        known = history.answers.setdefault(id_, [])
        if answers not in known:
            known.append(answers)


if __name__ == "__main__":
    main()
