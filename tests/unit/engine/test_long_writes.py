"""A write of any size: it is several entries of one transaction, and one write for everybody."""

import subprocess
import sys

import numpy as np

import chroma_search

PROGRAM = """
import sys
import numpy as np
import chroma_search
from chroma_search.storage import log, log_entry
log.PART_BYTES = log_entry.PART_BYTES = 10_000
client = chroma_search.PersistentClient(sys.argv[1])
collection = client.get_or_create_collection("docs", embedding_function=None)
n = 2_000
collection.upsert([f"id{row}" for row in range(n)], np.arange(n * 4).reshape(n, 4), documents=["text"] * n)
print("acknowledged", flush=True)
"""


def test_a_long_write_is_killed_whole_or_kept_whole(tmp_path):
    for count in (1, 2, 5):
        folder = tmp_path / str(count)
        for name, expected in (
            (f"log.after_append:{count}", 0),
            ("log.before_commit:1", 0),
            ("log.after_commit:1", 2_000),
        ):
            environment = {"CHROMA_SEARCH_FAILPOINT": name, "PATH": "/usr/bin:/bin"}
            run = subprocess.run([sys.executable, "-c", PROGRAM, folder / name], env=environment, capture_output=True)
            assert run.returncode == -9, run.stderr
            with chroma_search.PersistentClient(folder / name) as client:
                assert client.get_collection("docs", embedding_function=None).count() == expected


def test_a_long_write_reads_back_in_order(tmp_path):
    subprocess.run([sys.executable, "-c", PROGRAM, tmp_path], check=True, capture_output=True)
    with chroma_search.PersistentClient(tmp_path) as client:
        collection = client.get_collection("docs", embedding_function=None)
        found = collection.get(include=["embeddings"])
        assert found["ids"] == [f"id{row}" for row in range(2_000)]
        assert np.array_equal(found["embeddings"], np.arange(8_000).reshape(2_000, 4))
