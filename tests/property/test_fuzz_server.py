"""A small part of what `fuzz_server.py` runs by hand."""

import pytest

from tests.property.fuzz_server import fuzz


@pytest.mark.slow
def test_broken_requests_are_answered_and_leave_nothing_behind():
    report = fuzz(1200, seed=7)
    assert report.failures == []
    assert report.n_answered == 1200
    assert report.statuses[200] + report.statuses[201] > 200  # they reach what lies behind the checks
