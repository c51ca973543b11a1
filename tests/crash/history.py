"""A child process that writes a random history into a folder, and says after each write that it was acknowledged.

    python -m tests.crash.history FOLDER SEED COUNT

Operation n of a seed is the same in every process: the parent works out with the oracle what must be there.
"""

from __future__ import annotations

import sys

import numpy as np

import chroma_search

DIM = 4


def operation(seed: int, number: int) -> tuple[str, dict]:
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


def main() -> None:
    """Write until done, or killed."""
    folder, seed, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    with chroma_search.PersistentClient(folder) as client:
        collection = client.get_or_create_collection("history", embedding_function=None)
        print("open", flush=True)
        for number in range(count):
            name, arguments = operation(seed, number)
            getattr(collection, name)(**arguments)
            print(number, flush=True)
    print("done", flush=True)


if __name__ == "__main__":
    main()
