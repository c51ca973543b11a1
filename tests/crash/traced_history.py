"""A child process that writes a history above `disk.c`, which traces it; a mark follows each acknowledged call.

    python -m tests.crash.traced_history KIND FOLDER TRACE SEED FIRST COUNT

KIND is `records` (the histories of `history.py`, in one collection) or `catalog` (collections are made, renamed,
forked, changed, written and deleted). The mark says how many calls of the seed are done, so a later process goes on
from there; the collection of `records` exists from the first mark on. Now and then the client is opened again.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import chroma_search
from chroma_search import ClientAPI
from chroma_search.storage import log
from tests.crash.history import choose_long_entries, operation
from tests.crash.traced_disk import Disk

REOPENS_EVERY = 9
NAMES = ("apple", "birch", "cedar", "elder", "hazel", "maple")

Listing = tuple[tuple[str, int, tuple[str, ...]], ...]
"""Name, number of the last call that set its metadata, and ids of each collection, in order of creation."""


def catalog_history(seed: int, count: int) -> tuple[list[tuple[str, str, str]], list[Listing]]:
    """Return `count` calls that all succeed (what, name, new name), and what there is before each and at the end."""
    chosen, held, calls = random.Random(seed), dict[str, tuple[int, tuple[str, ...]]](), list[tuple[str, str, str]]()
    states: list[Listing] = [()]
    for number in range(count):
        free = [name for name in NAMES if name not in held]
        what = chosen.choice(
            ("create", "create", "delete", "rename", "fork", "fork", "modify", "write", "write", "write")
        )
        if not held or (what == "create" and free):
            what, name = "create", chosen.choice(free)
            held[name] = (number, ())
        elif what in ("rename", "fork") and free:
            name = chosen.choice(list(held))
            new_name = chosen.choice(free)
            if what == "fork":
                held[new_name] = held[name]
            else:
                held = {new_name if each == name else each: value for each, value in held.items()}
            calls.append((what, name, new_name))
            states.append(tuple((each, *value) for each, value in held.items()))
            continue
        else:
            what = "modify" if what in ("create", "rename", "fork") else what
            name = chosen.choice(list(held))
            changed, ids = held[name]
            if what == "delete":
                del held[name]
            else:
                held[name] = (number, ids) if what == "modify" else (changed, (*ids, f"id-{number}"))
        calls.append((what, name, ""))
        states.append(tuple((each, *value) for each, value in held.items()))
    return calls, states


def listing(client: ClientAPI) -> Listing:
    """Return what a client finds, as `catalog_history` says it."""
    found: list[tuple[str, int, tuple[str, ...]]] = []
    for each in client.list_collections():
        number = (each.metadata or {})["number"]
        assert isinstance(number, int)
        found.append((each.name, number, tuple(each.get()["ids"])))
    return tuple(found)


def do_catalog(client: ClientAPI, call: tuple[str, str, str], number: int) -> None:
    """Make one call of `catalog_history`."""
    what, name, new_name = call
    if what == "create":
        client.create_collection(name, embedding_function=None, metadata={"number": number})
        return
    if what == "delete":
        client.delete_collection(name)
        return
    collection = client.get_collection(name, embedding_function=None)
    if what == "rename":
        collection.modify(name=new_name)
    elif what == "fork":
        collection.fork(new_name)
    elif what == "modify":
        collection.modify(metadata={"number": number})
    else:
        collection.add(ids=f"id-{number}", embeddings=[float(number), 1.0])
        if number % 2:  # so that forks have segments in common
            collection.flush()


def do_records(client: ClientAPI, seed: int, number: int) -> None:
    """Make one call of `history.py`."""
    name, arguments = operation(seed, number)
    getattr(client.get_collection("history", embedding_function=None), name)(**arguments)


def main() -> None:
    """Write until done."""
    kind, folder, trace = sys.argv[1:4]
    seed, number, count = map(int, sys.argv[4:])
    disk, end = Disk.loaded(), number + count
    if kind == "records":
        choose_long_entries(seed)
    elif seed % 8 < 4:
        log.LONG_BYTES = 1  # so that forks and renamed collections have some
    calls, _ = catalog_history(seed, end)
    disk.trace(Path(trace))
    while number < end:
        with chroma_search.PersistentClient(folder) as client:
            if kind == "records":
                client.get_or_create_collection("history", embedding_function=None)
            disk.mark(number)
            while number < end:
                if kind == "records":
                    do_records(client, seed, number)
                else:
                    do_catalog(client, calls[number], number)
                number += 1
                disk.mark(number)
                if number % REOPENS_EVERY == 0:
                    break
    disk.trace(None)


if __name__ == "__main__":
    main()
