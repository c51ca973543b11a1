"""Several processes write one folder at once, and one of them is killed; readers see whole, ordered states only."""

import signal
import subprocess
import sys

import pytest

import chroma_search
from tests.crash.killing import ROOT

COUNT, WRITERS = 60, 3


def written_by(name, count):
    """The ids that a writer leaves after `count` rounds."""
    ids = [f"{name}-{number}" for number in range(count)]
    return [each for number, each in enumerate(ids) if not (number % 3 == 1 and number + 1 < count)]


@pytest.mark.slow
def test_writers_and_readers_in_many_processes(tmp_path):
    with chroma_search.PersistentClient(tmp_path) as client:
        collection = client.create_collection("shared", embedding_function=None)
        children = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.crash.writer", str(tmp_path), f"w{at}", str(COUNT)],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                text=True,
            )
            for at in range(WRITERS)
        ]
        doomed, acknowledged = children[0], 0
        assert doomed.stdout is not None
        for line in doomed.stdout:
            acknowledged = int(line) + 1
            # A reader sees each acknowledged write at once, and of each writer a state that it went through.
            ids = collection.get()["ids"]
            for at in range(WRITERS):
                mine = [each for each in ids if each.startswith(f"w{at}-")]
                assert mine in allowed(f"w{at}", least=0 if at else acknowledged)
            if acknowledged == 30:
                doomed.send_signal(signal.SIGKILL)
                break
        for child in children:
            child.communicate()
        found = collection.get()["ids"]
        for at in range(1, WRITERS):
            assert [each for each in found if each.startswith(f"w{at}-")] == written_by(f"w{at}", COUNT)
        mine = [each for each in found if each.startswith("w0-")]
        assert mine in allowed("w0", least=acknowledged)
        assert [each.returncode for each in children] == [-signal.SIGKILL, 0, 0]
    with chroma_search.PersistentClient(tmp_path) as client:
        assert client.get_collection("shared", embedding_function=None).get()["ids"] == found


def allowed(name, least=0):
    """All states that a writer goes through: after each round, and between an addition and the deletion after it."""
    states = []
    for count in range(least, COUNT + 1):
        states.append(written_by(name, count))
        if count % 3 == 2:
            states.append([*written_by(name, count), f"{name}-{count}"])
    return states
