"""Threads that run calls for an event loop."""

from __future__ import annotations

import asyncio
import threading

import pytest

from chroma_search.server.call_threads import CallThreads


def test_a_call_gives_its_result_or_its_exception_to_whoever_waits():
    async def run() -> None:
        threads = CallThreads(2, "test")
        assert await threads.run(lambda: threading.current_thread().name) == "test-0"
        with pytest.raises(ZeroDivisionError):
            await threads.run(lambda: 1 // 0)
        threads.close()

    asyncio.run(run())


def test_no_more_calls_run_at_once_than_there_are_threads():
    async def run() -> None:
        threads, gate = CallThreads(2, "test"), threading.Barrier(2)
        # Each waits for another one: pairs end only if two run at once, and a third thread would break them.
        names = await asyncio.gather(*(threads.run(lambda: (gate.wait(), threading.get_ident())[1]) for _ in range(8)))
        assert len(set(names)) == 2
        threads.close()

    asyncio.run(run())


def test_the_outcome_of_a_call_that_nobody_waits_for_is_told_late():
    async def run() -> None:
        threads, gate = CallThreads(1, "test"), threading.Event()
        told: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()

        def fail() -> None:
            gate.wait()
            raise ValueError("late")

        future = threads.run(fail, late=told.set_result)
        future.cancel()
        gate.set()
        assert isinstance(await told, ValueError)
        threads.close()

    asyncio.run(run())


def test_closing_waits_for_the_calls_before_it_and_refuses_those_after_it():
    async def run() -> None:
        threads, done = CallThreads(1, "test"), list[int]()
        futures = [threads.run(lambda at=at: done.append(at)) for at in range(5)]
        threads.close()
        assert done == list(range(5))
        await asyncio.gather(*futures)
        with pytest.raises(RuntimeError, match="closed"):
            threads.run(lambda: None)

    asyncio.run(run())
