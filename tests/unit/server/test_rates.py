"""Token buckets: of one process, and of several that share a file."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from chroma_search.errors import RateLimitError
from chroma_search.server import rate, shared_rates
from chroma_search.server.rate import Rates
from chroma_search.server.shared_rates import LeasedRates, SharedRates

REPOSITORY = Path(__file__).parents[3]


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture(params=["alone", "shared", "leased"])
def rates(request, tmp_path):
    clock = Clock()
    if request.param == "alone":
        yield Rates(0.5, 3, clock), clock
        return
    kind = SharedRates if request.param == "shared" else LeasedRates
    shared = kind(tmp_path / "buckets", 0.5, 3, clock)
    yield shared, clock
    shared.close()


def n_taken(rates, key, most=100):
    for at in range(most):
        try:
            rates.take(key)
        except RateLimitError:
            return at
    return most


def test_a_bucket_holds_a_burst_and_fills_again(rates):
    buckets, clock = rates
    assert n_taken(buckets, "a") == 3
    assert n_taken(buckets, "b") == 3
    clock.now = 3.0
    buckets.take("a")
    with pytest.raises(RateLimitError) as refused:
        buckets.take("a")
    assert refused.value.retry_after_s == pytest.approx(1.0)  # half a token is there
    clock.now = 1000.0
    assert n_taken(buckets, "a") == 3


def test_a_token_that_is_given_back_can_be_taken_and_no_bucket_overflows(rates):
    buckets, _ = rates
    buckets.take("a")
    buckets.give_back("a")
    buckets.give_back("a")
    assert n_taken(buckets, "a") == 3
    buckets.give_back("a")
    assert n_taken(buckets, "a") == 1


def test_full_buckets_are_forgotten_when_there_are_many(rates, monkeypatch):
    buckets, clock = rates
    for module in (rate, shared_rates):
        monkeypatch.setattr(module, "MAX_KEYS", 20)
    monkeypatch.setattr(shared_rates, "SWEEP_EVERY", 1)
    for at in range(20):
        buckets.take(f"old {at}")
    clock.now = 100.0  # all are full again
    assert n_taken(buckets, "busy") == 3
    for at in range(10):
        buckets.take(f"new {at}")
    assert n_taken(buckets, "busy") == 0
    assert len(names(buckets)) <= 21


def names(buckets):
    if isinstance(buckets, SharedRates):
        assert buckets._connection is not None
        return [name for (name,) in buckets._connection.execute("SELECT key FROM buckets")]
    return list(buckets._buckets)


def test_processes_that_share_a_file_have_one_burst_together(tmp_path):
    program = f"""
import sys
from pathlib import Path
from chroma_search.errors import RateLimitError
from chroma_search.server.shared_rates import LeasedRates, SharedRates
rates = SharedRates(Path({str(tmp_path / "buckets")!r}), 1e-9, 1000)
taken = 0
try:
    while True:
        rates.take("a")
        taken += 1
except RateLimitError:
    print(taken)
"""
    running = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY)
        for _ in range(3)
    ]
    taken = [int(each.communicate()[0]) for each in running]
    assert sum(taken) == 1000


def test_leases_never_hold_more_than_the_rate_allows(tmp_path):
    clock = Clock()
    one, other = (LeasedRates(tmp_path / "buckets", 400.0, 160, clock) for _ in range(2))
    one.take("a")  # draws 20, a twentieth of a second
    assert n_taken(other, "a", 1000) == 140
    assert n_taken(one, "a") == 19
    assert n_taken(one, "b", 1000) == 160
    clock.now = 0.1  # 40 more
    assert n_taken(one, "a") + n_taken(other, "a") == 40
    one.close()
    other.close()


def test_a_lease_of_a_low_rate_is_one_token(tmp_path):
    clock = Clock()
    one, other = (LeasedRates(tmp_path / "buckets", 0.5, 2, clock) for _ in range(2))
    one.take("a")
    other.take("a")
    with pytest.raises(RateLimitError) as refused:
        one.take("a")
    assert refused.value.retry_after_s == pytest.approx(2.0)
    one.close()
    other.close()


def test_a_process_whose_file_is_gone_or_broken_counts_alone(tmp_path):
    folder = tmp_path / "shared"
    nowhere = SharedRates(folder / "buckets", 1e-9, 3)
    assert n_taken(nowhere, "a") == 3
    folder.mkdir()
    first = SharedRates(folder / "buckets", 1e-9, 3)
    with sqlite3.connect(folder / "buckets") as other:
        other.execute("DROP TABLE buckets")
    other.close()
    assert n_taken(first, "a") == 3
    first.close()
    shutil.rmtree(folder)
    assert n_taken(first, "b") == 3
