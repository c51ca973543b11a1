"""The disk fails at the n-th call: the program is told with a typed error, goes on, and nothing is lost."""

import json
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from tests.crash.failing_disk import command
from tests.crash.failing_program import MODES
from tests.crash.traced_disk import MEMORY, ROOT, WHY_NOT, compiled, environment

pytestmark = [pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT)), pytest.mark.slow]

N_CASES = 120
NO_ERROR, IN_PART_SQLITES = "a short write", "EIO once, of the sync of a folder"
"""The caller has to write the rest; SQLite ignores that it could not sync a folder."""


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    """What came of many cases, run by one child; each mode as often, at calls from the first to the last."""
    library = compiled(tmp_path_factory.mktemp("library"))
    with tempfile.TemporaryDirectory(dir=MEMORY) as top:
        child = subprocess.run(
            [*command(Path(top), N_CASES, seed=1), "--lines"],
            env=environment(library, Path(top)),
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
    assert child.returncode in (0, 1), child.stderr  # 1: a case has a problem
    return [json.loads(line) for line in child.stdout.splitlines()]


def test_a_program_goes_on_after_a_failed_call_and_nothing_is_lost(cases):
    problems = [case for case in cases if case["problems"]]
    assert not problems, json.dumps(problems[:3], indent=1)


def test_every_kind_of_failure_happened_and_was_told(cases):
    """The check can fail: calls failed in each mode, on each kind of file, and most of them were errors of ours."""
    assert len(cases) == N_CASES + N_CASES // 10 + 2 * len(MODES)
    failed = Counter(case["mode"] for case in cases if case["failed"])
    assert all(failed[mode] > N_CASES / len(MODES) / 2 for mode in MODES)
    names = " ".join(case["failed"] for case in cases)
    calls, files = (
        ("open ", "pwrite ", "write ", "fsync "),
        ("catalog.sqlite", "log.sqlite-wal", ".segment.tmp", "-shm"),
    )
    for name in (*calls, *files):
        assert name in names
    told = Counter(case["mode"] for case in cases if case["errors"])
    assert all(told[mode] > failed[mode] / 3 for mode in MODES if mode not in (NO_ERROR, IN_PART_SQLITES))
    assert told[IN_PART_SQLITES]
    assert not told[NO_ERROR]
    assert not any(case["errors"] for case in cases if case["n"] == 0)
