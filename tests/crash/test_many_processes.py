"""Many processes write and read one folder, and are killed; many threads share a client: all is one serial order."""

import math
import tempfile
import time
from pathlib import Path

import pytest

import chroma_search
from chroma_search.errors import LockedError
from tests.crash.killing import MEMORY
from tests.crash.many_processes import run_processes, run_threads
from tests.crash.many_roles import NAME, READ_KINDS, change, digest
from tests.crash.nursery import WHY_NOT, Nursery
from tests.crash.serial_order import Read, State, Write, applied, prove, seen

pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))

MOMENT_S = 5.0
"""What an opener may wait on a machine that is busy with other tests; alone it is a tenth of a second."""


@pytest.fixture
def work():
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        yield Path(folder)


@pytest.mark.slow
def test_four_writers_four_readers_and_an_opener_keep_a_serial_order(work):
    figures = run_processes(work, 8.0, seed=1)
    print(figures)  # pytest -s
    assert not figures.faults, "\n".join(figures.faults[:5])
    assert figures.n_kills >= 3
    assert figures.n_writes > 50
    assert figures.n_reads > 100
    assert figures.n_opened > 5
    assert not figures.n_refused
    assert figures.slowest_opener_s < MOMENT_S


@pytest.mark.slow
@pytest.mark.parametrize("n_clients", [1, 4])
def test_eight_threads_keep_a_serial_order_on_one_client_and_on_four(work, n_clients):
    figures = run_threads(work, 2.0, seed=n_clients, n_clients=n_clients)
    print(figures)
    assert not figures.faults, "\n".join(figures.faults[:5])
    assert figures.n_writes > 30
    assert figures.n_reads > 50


@pytest.mark.slow
def test_a_writer_waits_for_a_busy_one_for_a_bounded_time_and_for_a_killed_one_not_at_all(work, monkeypatch):
    monkeypatch.setattr("chroma_search.engine.taking_turns.BUSY_S", 0.3)  # instead of ten seconds
    with chroma_search.PersistentClient(work / "data") as client, Nursery() as nursery:
        collection = client.create_collection(NAME, embedding_function=None)
        collection.add(ids="a", embeddings=[1.0])
        with nursery.child("tests.crash.many_roles:holder", str(work / "data")) as holder:
            assert next(holder.lines) == "held\n"
            began = time.monotonic()
            with pytest.raises(LockedError):
                collection.add(ids="b", embeddings=[2.0])
            assert 0.25 < time.monotonic() - began < MOMENT_S
            assert collection.get()["ids"] == ["a"]  # readers do not wait
            holder.kill()
            nursery.status(holder)
        began = time.monotonic()
        collection.add(ids="c", embeddings=[3.0])
        assert time.monotonic() - began < MOMENT_S
        assert collection.get()["ids"] == ["a", "c"]


# --- the check can fail -----------------------------------------------------------------------------------------------

SEED = 9


def history():
    """Writes of two writers one after the other, in that order of places, and a read after each."""
    writes: list[Write] = []
    reads: list[Read] = []
    state: State = {}
    place = 0
    for at in range(60):
        what = change(SEED, at % 2, at)
        after = applied(state, what)
        began, ended = at + 0.1, at + 0.4
        n = sum(len(each.places) for each in writes)
        writes.append(Write(what, began, ended, [] if after == state else [n + 1]))
        state, place = after, n + (after != state)
        for about, kind in enumerate(READ_KINDS):
            reads.append(Read("reader", kind, about, at + 0.5, at + 0.6, place, digest(seen(state, kind, about))))
    return writes, reads, place


def with_effect(writes):
    return [each for each in writes if each.places]


def test_a_serial_order_is_proved_with_and_without_the_places_of_reads():
    writes, reads, last = history()
    assert last > 20
    assert not prove(writes, reads, 0, last).faults
    blind = [Read(each.who, each.kind, each.about, each.began, each.ended, None, each.found) for each in reads]
    assert not prove(writes, blind, 0, last).faults


def test_a_write_of_a_killed_process_may_be_there_or_not():
    writes, reads, last = history()
    killed = with_effect(writes)[-1]
    before = [each for each in reads if each.place != last]
    for until, seen_by, n_whole in ((last, reads[: 3 * (writes.index(killed) + 1)], 1), (last - 1, before, 0)):
        told = [*writes[: writes.index(killed)], Write(killed.what, killed.began, killed=killed.ended)]
        proof = prove(told, seen_by, 0, until)
        assert (proof.faults, proof.n_killed_whole) == ([], n_whole)


def spoiled():
    """Histories with one mistake each."""
    writes, reads, last = history()
    some = with_effect(writes)[5]
    yield "a lost write", writes, reads, last - 1
    yield "a write of nobody", [each for each in writes if each is not some], reads, last
    writes, reads, last = history()
    one, other = with_effect(writes)[5:7]
    one.places, other.places = other.places, one.places
    yield "another order than that of time", writes, [], last
    writes, reads, last = history()
    late = reads[-1]
    stale = Read(late.who, late.kind, late.about, late.began, late.ended, reads[0].place, reads[0].found)
    yield "a stale read", writes, [stale], last
    yield "a stale read of an unknown place", writes, [Read("r", "get", 0, 50.5, 50.6, None, reads[30].found)], last
    yield "a half write", writes, [Read("r", "get", 0, 50.5, 50.6, None, digest([("shared-1", 0, 0)]))], last
    writes, reads, last = history()
    refused = with_effect(writes)[5]
    refused.is_refused, refused.places, refused.ended = True, [], math.inf
    yield "a refused write that is there", writes, [], last
    writes, reads, last = history()
    idle = with_effect(writes)[-1]
    idle.places = []
    yield "a write that was acknowledged and is not there", writes, [], last - 1


@pytest.mark.parametrize(("writes", "reads", "last"), [pytest.param(*each[1:], id=each[0]) for each in spoiled()])
def test_the_proof_fails_for(writes, reads, last):
    assert prove(writes, reads, 0, last).faults
