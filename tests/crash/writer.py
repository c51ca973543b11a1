"""A child process that writes its own records into a shared folder, one call after another, flushing now and then.

python -m tests.crash.writer FOLDER NAME COUNT
"""

from __future__ import annotations

import sys

import numpy as np

import chroma_search


def main() -> None:
    """Add, change, and delete every third record again."""
    folder, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    with chroma_search.PersistentClient(folder) as client:
        collection = client.get_collection("shared", embedding_function=None)
        for number in range(count):
            collection.add(ids=f"{name}-{number}", embeddings=np.full(3, number, np.float32), metadatas={"n": number})
            if number % 3 == 2:
                collection.delete(ids=f"{name}-{number - 1}")
            if number % 25 == 24:
                collection.flush()
            print(number, flush=True)


if __name__ == "__main__":
    main()
