"""An import is killed at every failpoint: a collection is there whole under its name, or not at all.

How many kills: each pass of the failpoints of imports, some of those below, and random instants.
"""

import random

import pytest

import chroma_search
from chroma_search.exchange.chroma_folder import import_chroma
from chroma_search.storage.failpoint import NAMES
from tests.compat.chroma.stored import unpacked
from tests.crash.import_kill import (
    IMPORT_CHROMA,
    IMPORT_FILE,
    export,
    kill_file_import,
    kill_folder_import,
    prepare,
    visible,
)
from tests.crash.killing import points_passed
from tests.crash.nursery import WHY_NOT

pytestmark = [pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT)), pytest.mark.slow]

KILLED_AT = tuple(name for name in NAMES if name.startswith("import."))
BELOW = ("catalog.before_commit", "catalog.after_commit", "collection.after_card", "log.after_commit")


def all_and_some(passed, most):
    """Every pass of a failpoint of imports; of those below, some."""
    for name in KILLED_AT:
        assert passed[name]
        yield from (f"{name}:{nth + 1}" for nth in range(passed[name]))
    for name in BELOW:
        assert passed[name]
        yield from {f"{name}:{1 + at * (passed[name] - 1) // (most - 1)}" for at in range(most)}


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_a_killed_import_of_a_file_leaves_the_collection_whole_or_nothing(nursery, work, suffix):
    path = work / f"docs.{suffix}"
    source = export(path)
    prepare(work / "counted")
    passed = points_passed(nursery, IMPORT_FILE, str(work / "counted"), str(path))
    for point in all_and_some(passed, 3):
        ended = kill_file_import(nursery, work / point.replace(":", "-"), path, source, point=point)
        assert ended.was_killed, point
    chosen = random.Random(7)
    for at in range(4):
        how = {"kill_after": at + 1, "delay_s": chosen.random() * 0.01}
        kill_file_import(nursery, work / f"random-{at}", path, source, **how)


def test_a_killed_import_of_a_folder_of_chroma_leaves_whole_collections_or_nothing(nursery, work):
    origin = unpacked("1.5.9", work)
    with chroma_search.PersistentClient(work / "whole") as client:
        import_chroma(origin, client)
        expected = visible(client)
    assert len(expected) > 2
    prepare(work / "counted")
    passed = points_passed(nursery, IMPORT_CHROMA, str(work / "counted"), str(origin))
    for point in all_and_some(passed, 4):
        ended = kill_folder_import(nursery, work / point.replace(":", "-"), origin, expected, point=point)
        assert ended.was_killed, point
