"""What the processes (or threads) of `many_processes.py` do, and the journals in which they say when they did it.

A write is a function of seed, writer and number, so a journal holds numbers, times (`time.monotonic`, one clock for all
processes of a machine) and places in the collection's log, and the checker knows the rest. Each record carries who has
written it and with which write.
"""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import chroma_search
from chroma_search import Collection, K, Search
from chroma_search.errors import LockedError
from chroma_search.storage import log
from chroma_search.storage.log_entry import LogEntry
from tests.crash.nursery import say
from tests.engine_of import engine_of

NAME, N_OWN, N_SHARED, MOST_IDS, N_NEAREST = "many", 30, 20, 5, 7
KINDS = (
    ("add",) * 5 + ("upsert",) * 5 + ("update",) * 4 + ("delete",) * 2 + ("delete where", "flush", "flush", "compact")
)
LONG_BYTES = 270
"""About every other add, upsert or update takes more in the log."""
STAYS = 40
"""Writes after which `delete where` takes away what a writer has written."""

ReadKind = Literal["get", "search", "query"]
READ_KINDS: tuple[ReadKind, ...] = ("get", "search", "query")

Row = tuple[str, int, int]
"""Id, writer and number of the write that a record is of."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a writer does with one call; `ids` is empty where the kind needs none."""

    kind: str
    writer: int
    number: int
    ids: tuple[str, ...]

    @property
    def is_upkeep(self) -> bool:
        """Whether it changes no record."""
        return self.kind in ("flush", "compact")


def change(seed: int, writer: int, number: int) -> Change:
    """Return a write: of ids that only this writer uses, and of ids that all use."""
    chosen = random.Random(f"{seed} {writer} {number}")
    kind = chosen.choice(KINDS)
    if kind in ("flush", "compact", "delete where"):
        return Change(kind, writer, number, ())
    ids = [f"w{writer}-{at}" for at in range(N_OWN)] + [f"shared-{at}" for at in range(N_SHARED)]
    return Change(kind, writer, number, tuple(chosen.sample(ids, chosen.randint(1, MOST_IDS))))


def vector(writer: int, number: int) -> list[float]:
    """Return the embedding of a write; many are equal, so that ties fall by the order of insertion."""
    return [float(number % 7), float(number % 5), float(writer)]


def digest(rows: list[Row]) -> int:
    """Return a number for records in their order."""
    return zlib.crc32(repr(rows).encode())


class Journal:
    """A file of one process or thread; a line is in it as soon as it was written, also when the process is killed."""

    def __init__(self, path: str | Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def write(self, *values: Any) -> None:
        os.write(self._file, f"{json.dumps(values)}\n".encode())

    @staticmethod
    def read(path: Path) -> list[list[Any]]:
        """Return the lines of a journal, without a last one that was cut off."""
        return [json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]


class _Appended(threading.local):
    """Places in the log that this thread has filled."""

    def __init__(self) -> None:
        self.places: list[int] = []


def watch_appends(collection: Collection) -> _Appended:
    """Let the places in the log be known that each thread fills."""
    engine: Any = engine_of(collection)
    log = engine.home.opened_log()  # the order that is to be proved is that of the log
    appended, append, put = _Appended(), log.append, engine._writer.queue.put
    waiting: dict[int, tuple[LogEntry, list[int]]] = {}  # another thread may carry out what this one waits to write

    def watched_put(*entries: LogEntry) -> Any:
        waiting.update({id(entry): (entry, appended.places) for entry in entries})
        return put(*entries)

    def watched_append(entry: LogEntry) -> None:
        append(entry)
        places = waiting[id(entry)][1] if id(entry) in waiting else appended.places
        places.append(log.position[1])

    engine._writer.queue.put = watched_put
    log.append = watched_append
    return appended


def place_of(collection: Collection) -> int:
    """Return the last place in the log that this process has seen."""
    log: Any = engine_of(collection).home.opened_log()
    return log.position[1]


def do(collection: Collection, what: Change) -> None:
    """Make one call."""
    match what.kind:
        case "flush" | "compact":
            getattr(collection, what.kind)()
        case "delete":
            collection.delete(ids=list(what.ids))
        case "delete where":
            collection.delete(where={"$and": [{"by": what.writer}, {"op": {"$lt": what.number - STAYS}}]})
        case _:
            n = len(what.ids)
            getattr(collection, what.kind)(
                ids=list(what.ids),
                embeddings=[vector(what.writer, what.number)] * n,
                metadatas=[{"by": what.writer, "op": what.number}] * n,
            )


def write_until(
    collection: Collection,
    journal: Journal,
    appended: _Appended,
    seed: int,
    writer: int,
    first: int,
    is_over: Callable[[], bool],
) -> None:
    """Make writes from number `first` on."""
    number = first
    while not is_over():
        what = change(seed, writer, number)
        appended.places.clear()
        journal.write("begin", number, time.monotonic())
        try:
            do(collection, what)
        except LockedError as error:
            journal.write("refused", number, time.monotonic(), str(error))
        else:
            journal.write("end", number, time.monotonic(), list(appended.places))
        number += 1


def read_until(
    collection: Collection, journal: Journal, seed: str, is_over: Callable[[], bool], *, is_alone: bool
) -> None:
    """Read in three ways, and write down what was seen; `is_alone`: in no other thread, so that its place is known."""
    chosen = random.Random(seed)
    while not is_over():
        kind, about = chosen.choice(READ_KINDS), chosen.randrange(4)
        began = time.monotonic()
        rows = read(collection, kind, about)
        ended = time.monotonic()
        journal.write("read", kind, about, began, ended, place_of(collection) if is_alone else None, digest(rows))


def read(collection: Collection, kind: ReadKind, about: int) -> list[Row]:
    """Return all records, those of a writer, or the nearest ones, in order."""
    if kind == "get":
        found = collection.get(include=["metadatas"])
        return _rows(found["ids"], found["metadatas"])
    if kind == "search":
        answer = collection.search(Search().where(K("by") == about).limit(10_000).select("by", "op"))
        return _rows(answer["ids"][0], answer["metadatas"][0])
    nearest = collection.query(
        query_embeddings=[[float(about), 2.0, 1.5]], n_results=N_NEAREST, include=["metadatas"], exact=True
    )
    return _rows(nearest["ids"][0], nearest["metadatas"][0])


def _rows(ids: list[str], metadatas: Any) -> list[Row]:
    return [(id_, each["by"], each["op"]) for id_, each in zip(ids, metadatas, strict=True)]


# --- processes --------------------------------------------------------------------------------------------------------


def _until(deadline: float) -> Callable[[], bool]:
    return lambda: time.monotonic() >= deadline


def writer(folder: str, path: str, seed: int, number_of: int, first: int, deadline: float) -> None:
    """Write until the deadline, or killed; half of the entries lie in files of their own."""
    log.LONG_BYTES = LONG_BYTES
    with chroma_search.PersistentClient(folder) as client:
        collection = client.get_collection(NAME, embedding_function=None)
        write_until(collection, Journal(path), watch_appends(collection), seed, number_of, first, _until(deadline))


def reader(folder: str, path: str, seed: str, mode: Literal["rw", "r"], deadline: float) -> None:
    """Read until the deadline."""
    with chroma_search.PersistentClient(folder, mode=mode) as client:
        collection = client.get_collection(NAME, embedding_function=None)
        read_until(collection, Journal(path), seed, _until(deadline), is_alone=True)


def opener(folder: str, path: str, seed: str, deadline: float) -> None:
    """Open the folder again and again, in both modes, until the deadline; write down the time to the first answer."""
    journal, chosen, is_over = Journal(path), random.Random(seed), _until(deadline)
    while not is_over():
        mode, began = chosen.choice(("rw", "r")), time.monotonic()
        with chroma_search.PersistentClient(folder, mode=mode) as client:
            collection = client.get_collection(NAME, embedding_function=None)
            rows = read(collection, "get", 0)
            ended = time.monotonic()
            journal.write("read", "get", 0, began, ended, place_of(collection), digest(rows))
            journal.write("opened", mode, began, ended)


def holder(folder: str) -> None:
    """Take the writer's lock of the collection's log, say so, and keep it until killed."""
    with chroma_search.PersistentClient(folder) as client:
        held: Any = engine_of(client.get_collection(NAME, embedding_function=None)).home.opened_log()
        with held.writing():
            say("held")
            signal.pause()


def joiner(folder: str) -> None:
    """Open a folder that others open, too, and take part in its first collection."""
    with chroma_search.PersistentClient(folder) as client:
        collection = client.get_or_create_collection(NAME, embedding_function=None)
        collection.add(ids=str(os.getpid()), embeddings=[1.0])
        say("joined")
