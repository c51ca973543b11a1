"""The power fails, and the disk has forgotten what was not synced: what was acknowledged is there, whole."""

import os
import random
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from tests.crash.crash_states import SURVIVORS, Cut, Survivors, TracedFolder
from tests.crash.lying_disk import after_kill, check, check_rounds, run_round
from tests.crash.traced_disk import MEMORY, WHY_NOT, Operation, compiled

pytestmark = [pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT)), pytest.mark.slow]

ANY_CUT: list[tuple[Survivors, str]] = [(survivors, str(seed)) for survivors in SURVIVORS for seed in range(40)]


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """The library of `disk.c`."""
    return compiled(tmp_path_factory.mktemp("library"))


@pytest.fixture
def work():
    """A folder in memory: these tests write hundreds of databases, and do not need them on a disk."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        yield Path(folder)


@pytest.mark.parametrize("kind", ["records", "catalog"])
def test_a_trace_played_back_gives_the_folder(library, work, kind):
    """Nothing is written past the library: not with another call, nor through mmap."""
    round_ = run_round(library, work / "round", kind, 5, n_calls=30)
    round_.played_back().write_after(Cut("everything", "0"), work / "played")
    assert contents(work / "played") == contents(round_.disk)
    kinds = Counter(each.kind for each in round_.operations)
    assert min(kinds[kind] for kind in "OWSCRUM") > 0


def test_a_folder_that_a_killed_process_made_is_not_taken_for_safe(library, work):
    """The process after it cannot know whether the name was synced."""
    round_ = run_round(library, work / "round", "records", 8, n_calls=12)
    made = [at + 1 for at, each in enumerate(round_.operations) if each.kind == "M"]
    assert len(made) == 5  # two by the path, `collections`, a collection, its segments
    nothing: Survivors = "nothing"
    for nth, moment in enumerate(made):
        (killed,) = round_.states([(moment, "everything")], work)
        target = work / f"next-{nth}"
        first = max(0, killed.n_done)
        next_round = run_round(library, target, "records", 8, n_calls=12, first=first, before=killed.disk)
        later = after_kill(round_, moment, next_round)
        marks = [at + 1 for at, each in enumerate(later.operations) if each.kind == "A" and at >= moment]
        for state in later.states([(at, nothing) for at in marks[::3]], target):
            check("records", 8, state)
        shutil.rmtree(killed.disk)


def contents(folder):
    """All files but -shm by path, and all folders."""
    found = {str(each.relative_to(folder)): each.read_bytes() if each.is_file() else None for each in folder.rglob("*")}
    return {path: content for path, content in found.items() if not path.endswith("-shm")}


@pytest.mark.parametrize("kind", ["records", "catalog"])
def test_a_power_cut_while_a_folder_is_made_leaves_one_that_opens(library, work, kind):
    """At each operation up to the first acknowledged calls."""
    round_ = run_round(library, work / "round", kind, 2, n_calls=2)
    some: tuple[Survivors, ...] = ("nothing", "a prefix")
    cuts: list[tuple[int, Survivors]] = [(at, some[at % 2]) for at in range(len(round_.operations) + 1)]
    for state in round_.states(cuts, work):
        check(kind, 2, state)


@pytest.mark.parametrize(("kind", "seed"), [("records", 0), ("records", 1), ("records", 2), ("catalog", 3)])
def test_a_power_cut_loses_nothing_acknowledged(library, work, kind, seed):
    """Three rounds, each on what a cut of the one before has left."""
    for lost in check_rounds(library, work, kind, seed, n_rounds=3, n_states=20):
        assert lost is None, lost


@pytest.mark.parametrize("kind", ["records", "catalog"])
def test_a_disk_that_forgets_what_was_synced_is_noticed(library, work, kind):
    """The check can fail: without any fsync, acknowledged calls are lost."""
    round_ = run_round(library, work / "round", kind, 4, n_calls=12)
    marks = [at + 1 for at, each in enumerate(round_.operations) if each.kind == "A"]
    n_acknowledged, n_lost = len(marks) - (kind == "catalog"), 0  # at its first mark nothing is there to be lost
    nothing: Survivors = "nothing"
    for state in round_.states([(at, nothing) for at in marks], work, forgets="all"):
        try:
            check(kind, 4, state)
        except AssertionError:
            n_lost += 1
    assert n_lost >= n_acknowledged - 1  # after one call it may look as if none, and that one running


@pytest.mark.parametrize("kind", ["records", "catalog"])
def test_no_sync_is_needed_whose_failure_sqlite_would_not_tell(library, work, kind):
    """SQLite takes no notice when it cannot sync the folder of a new journal: names have to be safe by ours."""
    round_ = run_round(library, work / "round", kind, 6, n_calls=20)
    nothing: Survivors = "nothing"
    marks = [at + 1 for at, each in enumerate(round_.operations) if each.kind == "A"]
    for state in round_.states([(at, nothing) for at in marks], work, forgets="folders by SQLite"):
        check(kind, 6, state)


# --- what a cut may take, on traces written by hand -------------------------------------------------------------------


def trace(*calls):
    """Operations in the folder /d, which is descriptor 9: ("O", fd, path), ("W", fd, at, data), ("R", old, new)."""
    found = [Operation("O", 9, os.O_RDONLY, "/d", b"", "")]
    for kind, *rest in calls:
        if kind == "O":
            found.append(Operation("O", rest[0], os.O_CREAT, f"/d/{rest[1]}", b"", ""))
        elif kind in "WT":
            found.append(Operation(kind, rest[0], rest[1], "", rest[2] if kind == "W" else b"", ""))
        elif kind in "SF":
            found.append(Operation(kind, rest[0], 0, "", b"", ""))
        else:
            target = f"/d/{rest[1]}" if kind == "R" else ""
            found.append(Operation(kind, -1, 0, f"/d/{rest[0]}", b"", target))
    return found


def left_by(operations, work, cuts=ANY_CUT):
    """The different folders that cuts leave, as the contents of their files."""
    found = []
    for nth, (survivors, seed) in enumerate(cuts):
        traced = TracedFolder(Path("/d"))
        for each in operations:
            traced.play(each)
        traced.write_after(Cut(survivors, seed), work / str(nth))
        left = contents(work / str(nth))
        if left not in found:
            found.append(left)
    return found


def test_synced_content_under_a_synced_name_is_always_there(work):
    made = trace(("O", 3, "a"), ("W", 3, 0, b"one"), ("S", 3), ("S", 9))
    assert left_by(made, work) == [{"a": b"one"}]


def test_synced_content_under_a_name_that_was_not_synced_may_be_gone(work):
    assert unordered(left_by(trace(("O", 3, "a"), ("W", 3, 0, b"one"), ("S", 3)), work)) == [{}, {"a": b"one"}]


def test_content_that_was_not_synced_may_be_gone_torn_or_zeros(work):
    data = b"x" * 512 + b"y" * 512
    left = left_by(trace(("O", 3, "a"), ("S", 9), ("W", 3, 0, data)), work)
    wanted = [b"", data, data[:512], bytes(512) + data[512:], bytes(1024), data[:512] + bytes(512)]
    assert unordered(left) == unordered([{"a": each} for each in wanted])


def test_a_later_write_may_be_there_without_an_earlier_one(work):
    made = trace(("O", 3, "a"), ("W", 3, 0, b"1234"), ("S", 3), ("S", 9), ("W", 3, 0, b"A"), ("W", 3, 3, b"D"))
    assert unordered(left_by(made, work)) == [{"a": each} for each in (b"1234", b"123D", b"A234", b"A23D")]


def test_a_truncation_may_be_forgotten(work):
    made = trace(("O", 3, "a"), ("W", 3, 0, b"1234"), ("S", 3), ("S", 9), ("T", 3, 1))
    assert unordered(left_by(made, work)) == [{"a": b"1"}, {"a": b"1234"}]


def test_renames_may_be_forgotten_and_reordered_but_never_half_done(work):
    made = trace(("O", 3, "a"), ("O", 4, "b"), ("S", 9), ("R", "a", "A"), ("R", "b", "B"))
    left = [sorted(each) for each in left_by(made, work)]
    assert sorted(left) == [["A", "B"], ["A", "b"], ["B", "a"], ["a", "b"]]


def test_a_rename_from_folder_to_folder_may_be_done_in_one_of_them_only(work):
    made = trace(("M", "f"), ("O", 3, "a"), ("S", 3), ("S", 9), ("R", "a", "f/a"))
    left = [sorted(each) for each in left_by(made, work)]
    assert sorted(left) == [["a", "f"], ["a", "f", "f/a"], ["f"], ["f", "f/a"]]


def test_a_name_goes_through_its_states_in_order(work):
    made = trace(
        ("O", 3, "a"), ("W", 3, 0, b"1"), ("S", 3), ("S", 9), ("U", "a"), ("O", 4, "a"), ("W", 4, 0, b"2"), ("S", 4)
    )
    assert unordered(left_by(made, work)) == [{}, {"a": b"1"}, {"a": b"2"}]


def test_what_is_in_a_folder_goes_with_its_name(work):
    made = [
        *trace(("M", "f")),
        Operation("O", 8, os.O_RDONLY, "/d/f", b"", ""),
        *trace(("O", 3, "f/a"), ("S", 3), ("S", 8)),
    ]
    assert unordered(left_by(made, work)) == [{}, {"f": None, "f/a": b""}]


def test_after_a_failed_sync_a_later_one_saves_nothing(work):
    made = trace(("O", 3, "a"), ("S", 9), ("W", 3, 0, b"12"), ("F", 3), ("S", 3))
    assert {"a": b""} in left_by(made, work)


def test_what_is_written_again_after_a_failed_sync_is_saved(work):
    made = trace(("O", 3, "a"), ("S", 9), ("W", 3, 0, b"12"), ("F", 3), ("W", 3, 0, b"12"), ("S", 3))
    assert left_by(made, work) == [{"a": b"12"}]


def test_the_same_seed_cuts_in_the_same_way(work):
    made = trace(("O", 3, "a"), ("W", 3, 0, random.Random(1).randbytes(9000)), ("S", 9))
    (first,) = left_by(made, work, [("some", "7")])
    (work / "0").rename(work / "before")
    assert left_by(made, work, [("some", "7")]) == [first]


def unordered(folders):
    """Folders in one order."""
    return sorted(folders, key=lambda each: sorted((path, content or b"") for path, content in each.items()))
