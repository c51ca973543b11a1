"""Kill a child that makes, renames, changes, writes and deletes collections; the catalog is what it acknowledged."""

from __future__ import annotations

from pathlib import Path

import chroma_search
from tests.crash.killing import assert_sound, assert_swept, run_child
from tests.crash.nursery import Nursery, say
from tests.crash.traced_history import catalog_history, do_catalog, listing

CHANGE = "tests.crash.catalog_kill:change"


def change(folder: str, seed: int, count: int) -> None:
    """Make the calls of a history, and say the number of each that was acknowledged."""
    calls, _ = catalog_history(seed, count)
    with chroma_search.PersistentClient(folder) as client:
        for number, call in enumerate(calls):
            do_catalog(client, call, number)
            say(number)


def kill_and_check(
    nursery: Nursery, folder: Path, seed: int, count: int, *, point: str | None = None, kill_after: int | None = None
) -> tuple[int, bool]:
    """Kill a history of `count` calls; return the number of acknowledged calls and whether it was killed."""
    ended = run_child(nursery, CHANGE, str(folder), seed, count, point=point, kill_after=kill_after)
    assert_sound(folder)
    n_done, (_, states) = len(ended.lines), catalog_history(seed, count)
    with chroma_search.PersistentClient(folder) as client:
        found = listing(client)
    assert found in states[n_done : n_done + 2], f"after {n_done} acknowledged calls: {found}"
    assert_swept(folder)
    return n_done, ended.was_killed
