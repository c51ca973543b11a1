"""A random history, which a child process writes into a folder; it says after each write that it was acknowledged.

Operation n of a seed is the same in every process: the parent works out with the oracle what must be there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import chroma_search
from chroma_search.storage import log, merge_policy
from chroma_search.storage.long_entries import LONG_BYTES
from tests.crash.nursery import say

DIM = 4
MEDIAN_BYTES = 600
"""About every other add, upsert or update takes more in the log."""


def operation(seed: int, number: int) -> tuple[str, dict[str, Any]]:
    """Return the name and the arguments of one write; ids repeat, so that writes meet each other."""
    rng = np.random.default_rng([seed, number])
    kind = ("add", "add", "upsert", "update", "delete", "flush", "compact")[int(rng.integers(7))]
    if kind in ("flush", "compact"):
        return kind, {}
    ids = [f"id-{each}" for each in rng.choice(40, int(rng.integers(1, 12)), replace=False)]
    if kind == "delete":
        return kind, {"ids": ids}
    return kind, {
        "ids": ids,
        "embeddings": rng.integers(-5, 6, (len(ids), DIM)).astype(np.float32),
        "documents": [f"text {number} of {each}" for each in ids],
        "metadatas": [{"number": number, "share": float(rng.random()), "tags": ["a", str(number)]} for _ in ids],
    }


def choose_long_entries(seed: int) -> None:
    """Let the longer half of the entries lie in files of their own, in this process, for half of the seeds."""
    log.LONG_BYTES = MEDIAN_BYTES if seed % 4 < 2 else LONG_BYTES


def write(folder: str, seed: int, first: int, count: int) -> None:
    """Write until done, or killed; say the number of each write that was acknowledged.

    Seeds that are odd flush in the background, too, after every few rows. In between the folder is closed and opened
    again, and what was deleted is purged; neither changes what is in it.
    """
    choose_long_entries(seed)
    if seed % 2:
        merge_policy.TAIL_ROWS = 8
    number = first
    while number < first + count:
        with chroma_search.PersistentClient(folder) as client:
            collection = client.get_or_create_collection("history", embedding_function=None)
            say("open")
            while number < first + count:
                name, arguments = operation(seed, number)
                getattr(collection, name)(**arguments)
                say(number)
                number += 1
                if number % 11 == 0:
                    collection.purge()
                if number % 13 == 0:
                    break
    say("done")
