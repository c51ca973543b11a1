"""Background work is done once per start, again when it was asked for meanwhile, and after it has failed."""

import threading

import pytest

from chroma_search.engine.background import Background


def test_a_start_while_it_runs_is_made_up_for_at_the_end():
    may_end, runs = threading.Semaphore(0), []

    def work():
        runs.append(threading.current_thread().name)
        assert may_end.acquire(timeout=30)

    background = Background("worker", work, is_patient=True)
    assert not background.is_running
    background.start()
    assert background.is_running
    while not runs:
        background.wait(0.001)
    background.start()
    background.start()
    may_end.release(2)
    background.wait()
    assert runs == ["worker", "worker"]
    assert not background.is_running


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_after_a_failure_it_can_be_started_again():
    runs = []

    def work():
        runs.append(1)
        if len(runs) == 1:
            raise ZeroDivisionError

    background = Background("worker", work)
    for expected in (1, 2):
        background.start()
        background.wait()
        assert len(runs) == expected
