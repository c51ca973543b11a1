"""A process is killed at every failpoint and at random instants: what it acknowledged is there afterwards.

Each folder that a kill has left is verified, compared with the oracle, searched for leftovers, and used again.
"""

import importlib
import random
import tempfile
from functools import lru_cache
from pathlib import Path

import pytest

from chroma_search.storage.failpoint import NAMES
from tests.crash.catalog_kill import CHANGE, kill_and_check
from tests.crash.killing import (
    HISTORY,
    MEMORY,
    assert_nothing_lost,
    found_in,
    leftovers,
    points_passed,
    run_until_killed,
    state_after,
    state_of,
)
from tests.crash.nursery import WHY_NOT

pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))

COUNT = 40
QUIET, FLUSHING = 4, 5
"""Seeds: one flushes when it is asked, the other in the background as well."""
FORKING = 13
"""Seed of a history of collections with six forks in 30 calls, of collections with segments."""

CREATION_POINTS = ("catalog.before_commit", "catalog.after_commit", "collection.after_card", "collection.after_log")
CATALOG_POINTS = (*CREATION_POINTS, *(name for name in NAMES if name.startswith(("fork.", "copy."))))
HISTORY_POINTS = tuple(
    name
    for name in NAMES
    if name.split(".")[0] in ("log", "append", "store", "flush", "index", "file", "purge") or name in CREATION_POINTS
)
KILLED_AT = (*HISTORY_POINTS, *CATALOG_POINTS)
"""Failpoints that the tests of this file kill at: each of them fails where its process is not killed."""


@lru_cache(None)
def passes(nursery, function, seed, count):
    """How often a history passes each failpoint."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        arguments = (folder, seed, 0, count) if function == HISTORY else (folder, seed, count)
        return points_passed(nursery, function, *arguments)


def spread(n, k):
    """Up to k of the numbers 1 to n: the first, the last, and some in between."""
    return sorted({round(1 + at * (n - 1) / (k - 1)) for at in range(k)}) if n else []


@pytest.mark.slow
@pytest.mark.parametrize("name", HISTORY_POINTS)
def test_a_kill_at_a_failpoint_loses_nothing(nursery, work, name):
    n_passed = passes(nursery, HISTORY, QUIET, COUNT)[name]
    assert n_passed
    for nth in spread(n_passed, 4):
        folder = work / f"quiet-{nth}"
        killed = run_until_killed(nursery, folder, QUIET, COUNT, point=f"{name}:{nth}")
        # A flush in the background, due to many dead rows, may take up what a later one would have done.
        assert killed.was_killed or nth > n_passed // 2, f"{name} was passed less than {nth} times"
        assert_nothing_lost(folder, QUIET, killed)
    for nth in spread(passes(nursery, HISTORY, FLUSHING, COUNT)[name] // 3, 2):  # threads pass it as often as they can
        folder = work / f"flushing-{nth}"
        assert_nothing_lost(folder, FLUSHING, run_until_killed(nursery, folder, FLUSHING, COUNT, point=f"{name}:{nth}"))


@pytest.mark.slow
@pytest.mark.parametrize("name", CATALOG_POINTS)
def test_a_kill_while_collections_come_and_go_leaves_all_of_a_call_or_nothing(nursery, work, name):
    n_passed = passes(nursery, CHANGE, FORKING, 30)[name]
    assert n_passed >= 3
    for nth in spread(n_passed, 5):
        assert kill_and_check(nursery, work / str(nth), FORKING, 30, point=f"{name}:{nth}")[1]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(30))
def test_a_kill_at_a_random_instant_loses_nothing(nursery, work, seed):
    chosen = random.Random(seed)
    kill_after, delay_s = chosen.randint(1, COUNT), chosen.random() * chosen.choice((0.001, 0.01))
    killed = run_until_killed(nursery, work, seed, 10_000, kill_after=kill_after, delay_s=delay_s)
    assert killed.was_killed
    assert_nothing_lost(work, seed, killed)


@pytest.mark.slow
def test_a_folder_survives_kill_after_kill(nursery, work):
    """Each process goes on with the history where the one before was killed."""
    first, chosen, points = (
        0,
        random.Random(1),
        [name for name in HISTORY_POINTS if name.startswith(("log", "flush", "index"))],
    )
    for _ in range(12):
        point = f"{chosen.choice(points)}:{chosen.randint(2, 4)}"
        killed = run_until_killed(nursery, work, 77, 200, first=first, point=point)
        assert killed.was_killed
        found = found_in(work)
        assert found is not None
        n_done = (killed.acknowledged + 1, killed.acknowledged + 2)
        states = [{name: state_after(77, n)[name] for name in found} for n in n_done]
        assert found in states, "the folder holds no whole number of writes"
        first = n_done[states.index(found)]
    assert_nothing_lost(work, 77, run_until_killed(nursery, work, 77, 20, first=first))


@pytest.mark.slow
def test_the_check_can_fail(nursery, work):
    """One write too few, or too many, is noticed; so is a file or a folder that nobody names."""
    killed = run_until_killed(nursery, work, 5, 8)
    assert not killed.was_killed
    found = found_in(work)
    assert found is not None
    assert found == {name: state_of(5, range(8))[name] for name in found}
    assert found == {name: state_after(5, 8)[name] for name in found}
    assert found != {name: state_after(5, 7)[name] for name in found}
    assert not leftovers(work)
    (place,) = (work / "collections").iterdir()
    left = ["collections/orphan", f"collections/{place.name}/segments/0.segment", "catalog.sqlite.tmp"]
    (work / left[0]).mkdir()
    for each in left[1:]:
        (work / each).write_bytes(b"")
    assert leftovers(work) == sorted(["orphan", *left[1:]])


def test_every_failpoint_is_killed_at_by_a_test():
    """Each file of tests that kill says at which names it does, as `KILLED_AT`, or `POINTS`."""
    files = sorted(Path(__file__).parent.glob("test_*.py"))
    modules = [importlib.import_module(f"tests.crash.{each.stem}") for each in files]
    names = ("KILLED_AT", "POINTS")
    killed_at = [point for module in modules for name in names for point in getattr(module, name, ())]
    assert set(NAMES) == {point.partition(":")[0] for point in killed_at}
