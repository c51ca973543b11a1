"""A process is killed at every failpoint and at random instants: what it acknowledged is there afterwards."""

import random

import pytest

from chroma_search.storage.failpoint import NAMES
from tests.crash.killing import assert_nothing_lost, found_in, run_until_killed, state_after, state_of

COUNT = 40


@pytest.mark.parametrize("name", NAMES)
def test_a_kill_at_a_failpoint_loses_nothing(tmp_path, name):
    for nth in (1, 2, 4):
        folder, n_killed = tmp_path / f"{nth}", 0
        killed = run_until_killed(folder, nth, COUNT, failpoint=f"{name}:{nth}")
        n_killed += killed.was_killed
        assert_nothing_lost(folder, nth, killed)
        assert n_killed or (nth > 1 and name.startswith("catalog"))


@pytest.mark.parametrize("seed", range(12))
def test_a_kill_at_a_random_instant_loses_nothing(tmp_path, seed):
    chosen = random.Random(seed)
    killed = run_until_killed(tmp_path, seed, 10_000, kill_after=chosen.randrange(40), delay_s=chosen.random() * 0.004)
    assert killed.was_killed
    assert_nothing_lost(tmp_path, seed, killed)


def test_a_folder_survives_kill_after_kill(tmp_path):
    """Each process begins its history anew on what those before left."""
    done: list[int] = []
    for nth in range(1, 7):
        killed = run_until_killed(tmp_path, 77, 6, failpoint=f"log.after_commit:{nth}")
        assert killed.was_killed is (nth <= 6)
        found = found_in(tmp_path)
        assert found is not None
        for n_new in (killed.acknowledged + 1, killed.acknowledged + 2):
            state = state_of(77, [*done, *range(n_new)])
            if {name: state[name] for name in found} == found:
                done.extend(range(n_new))
                break
        else:
            raise AssertionError(f"round {nth}: the folder holds no whole number of writes")


def test_the_check_can_fail(tmp_path):
    """One write too few, or too many, is noticed."""
    killed = run_until_killed(tmp_path, 5, 8)
    assert not killed.was_killed
    found = found_in(tmp_path)
    assert found is not None
    assert found == {name: state_after(5, 8)[name] for name in found}
    assert found != {name: state_after(5, 7)[name] for name in found}
