"""Work beside gives what it returns or raises, also where no thread can be started."""

import threading

import pytest

from chroma_search.kernels.beside import Beside


def test_the_call_runs_in_another_thread_from_the_start():
    is_running, may_end = threading.Event(), threading.Event()

    def work():
        is_running.set()
        assert may_end.wait(30)
        return threading.current_thread()

    beside = Beside(work)
    assert is_running.wait(30)
    may_end.set()
    assert beside.result() is not threading.current_thread()


def test_an_error_is_raised_by_whoever_asks():
    with pytest.raises(ZeroDivisionError):
        Beside(lambda: 1 // 0).result()


def test_without_a_thread_the_asker_makes_the_call(monkeypatch):
    def refuse(_):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert Beside(threading.current_thread).result() is threading.current_thread()
