"""A backup is killed at each of its failpoints: what it copies stays as it is, and there is a whole backup or none."""

import os
import shutil
import signal
import subprocess
import sys

import pytest

import chroma_search
from tests.crash.damage_answers import answers_of
from tests.crash.damage_child import all_records
from tests.crash.damage_folder import ROOT, build

POINTS = ["backup.after_catalog", "copy.after_log:1", "copy.after_log:3", "copy.after_segment:2"]
POINTS += ["backup.before_rename", "backup.after_rename", "catalog.before_commit", "file.after_write:2"]


def run_backup(folder, target, failpoint=""):
    """Return whether the backup ran to its end."""
    program = f"import chroma_search; chroma_search.back_up({str(folder)!r}, {str(target)!r})"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CHROMA_SEARCH_FAILPOINT": failpoint}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode == 0


def contents(folder):
    """All files but SQLite's indexes of its write-ahead files, which it makes anew."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and not path.name.endswith("-shm")}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    target = tmp_path_factory.mktemp("built")
    history = build(target)
    shutil.copytree(target / "killed", target / "copy")
    return target / "killed", history.final["killed"], all_records(target / "copy")


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
def test_a_backup_that_was_killed_leaves_a_whole_one_or_none(built, tmp_path, point):
    folder, answers, records = built
    source, target = tmp_path / "source", tmp_path / "backup"
    shutil.copytree(folder, source)
    before = contents(source)
    assert not run_backup(source, target, point)
    assert contents(source) == before
    assert target.exists() == (point == "backup.after_rename")
    if not target.exists():
        assert run_backup(source, target)
    assert not target.with_name(target.name + ".making").exists()
    assert chroma_search.verify(target).is_clean
    assert all_records(target) == records
    assert answers_of(target) == answers
    assert answers_of(source) == answers


def test_a_backup_of_a_damaged_folder_is_refused_and_leaves_nothing(built, tmp_path):
    folder, _, _ = built
    shutil.copytree(folder, tmp_path / "source")
    segment = next((tmp_path / "source").glob("collections/*/segments/*.segment"))
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 1
    segment.write_bytes(bytes(content))
    with pytest.raises(chroma_search.errors.CorruptionError):
        chroma_search.back_up(tmp_path / "source", tmp_path / "backup")
    assert [each.name for each in tmp_path.iterdir()] == ["source"]
