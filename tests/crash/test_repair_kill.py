"""repair() is killed at each of its failpoints, and run again: it ends, and reports, as one that was not killed."""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

import chroma_search
from tests.crash.damage_child import all_records
from tests.crash.damage_folder import ROOT, build

POINTS = [f"repair.{name}:{nth}" for name in ("before_swap", "between", "after_swap") for nth in (1, 2, 3)]
POINTS += ["flush.before_write:1", "file.after_write:1", "file.after_replace:2", "catalog.before_commit:1"]


def run_repair(folder, failpoint=""):
    """Return the report of a repair in a child, None when it was killed."""
    program = f"import json, chroma_search; print(json.dumps(chroma_search.repair({str(folder)!r}).to_dict()))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CHROMA_SEARCH_FAILPOINT": failpoint}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return json.loads(done.stdout) if done.returncode == 0 else None


def state(folder, report):
    """What is to be equal: records, what was reported, and that all is sound."""
    assert chroma_search.verify(folder).is_clean
    assert not (folder / "repairing").exists()
    reported = sorted((each["name"], each["n_records"], each["losses"]) for each in report["collections"])
    return all_records(folder), reported, report["catalog"], report["lossless"]


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    """Catalog, log and segments of a folder whose writer was killed are all damaged."""
    target = tmp_path_factory.mktemp("damaged")
    build(target)
    folder = target / "killed"
    catalog = folder / "catalog.sqlite"
    catalog.write_bytes(catalog.read_bytes().replace(b"inner", b"inneR"))
    for path in sorted(folder.glob("collections/*/segments/*.segment")):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        content[30] ^= 1
        path.write_bytes(bytes(content))
    wal = max(folder.glob("collections/*/log.sqlite-wal"), key=lambda each: each.stat().st_size)
    content = bytearray(wal.read_bytes())
    content[9000] ^= 1
    wal.write_bytes(bytes(content))
    whole = target / "whole"
    shutil.copytree(folder, whole)
    report = run_repair(whole)
    assert report is not None
    assert report["catalog"]
    assert len(report["collections"]) >= 2
    return folder, state(whole, report)


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
def test_a_repair_that_was_killed_is_finished_by_the_next_one(damaged, tmp_path, point):
    folder, expected = damaged
    shutil.copytree(folder, tmp_path / "work")
    assert run_repair(tmp_path / "work", point) is None
    report = run_repair(tmp_path / "work")
    assert report is not None
    assert state(tmp_path / "work", report) == expected


@pytest.mark.slow
def test_a_repair_may_be_killed_again_and_again(damaged, tmp_path):
    folder, expected = damaged
    shutil.copytree(folder, tmp_path / "work")
    for point in ("repair.between", "repair.before_swap", "file.after_write:2", "repair.after_swap", "repair.between"):
        assert run_repair(tmp_path / "work", point) is None
    report = run_repair(tmp_path / "work")
    assert report is not None
    assert state(tmp_path / "work", report) == expected
