"""Files are cut, flipped, zeroed, swapped: the right answer or an error of ours, and repair() keeps its word.

`python -m tests.crash.damage --cases 20000` goes on for longer.
"""

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from tests.crash import damage as damaging
from tests.crash.damage_answers import answers_of
from tests.crash.damage_cases import Damage, sampled
from tests.crash.damage_folder import build

CASES, SEED = 2000, 20261120


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folders to damage, in memory where there is such a place."""
    target = Path(tempfile.mkdtemp(dir=damaging.scratch() or tmp_path_factory.mktemp("damage")))
    yield target, build(target, SEED)
    shutil.rmtree(target, ignore_errors=True)


@pytest.mark.slow
def test_damage_gives_the_right_answer_or_an_error_and_is_found_and_repaired(built):
    target, history = built
    cases = sampled(target, CASES, SEED)
    tally = damaging.run(target, history, cases, repair_share=0.05)
    assert not tally.faults, f"{len(tally.faults)} faults, the first: {tally.faults[0][0]}: {tally.faults[0][1]}"
    assert sum(tally.outcomes.values()) == CASES
    assert tally.n_repaired == CASES / 20
    for kind in ("*.segment", "*.entries", "catalog.sqlite", "catalog.sqlite-wal", "log.sqlite", "log.sqlite-wal"):
        assert tally.outcomes[kind, damaging.ERROR] >= 10, tally.table()


def test_what_is_not_damaged_answers_as_before(built, tmp_path):
    target, history = built
    for stage, final in history.final.items():
        shutil.copytree(target / stage, tmp_path / stage)
        assert answers_of(tmp_path / stage) == final


def judged(damage, answer, history):
    tally = damaging.Tally()
    damaging.judge(damage, answer, history, tally)
    return [fault for _, fault in tally.faults]


def test_the_judge_can_find_fault(built):
    """A wrong answer, a foreign error, a signal, a damage that verify() overlooks, a loss that nobody tells of."""
    _, history = built
    damage = Damage("closed", f"collections/{history.ids['notes']}/log.sqlite", "flip")
    clean = {"clean": True, "findings": []}
    right = {"changed": True, "verified": clean, "answers": history.final["closed"]}
    assert judged(damage, right, history) == []
    assert judged(damage, "died", history) == ["the child died"]

    def changed(name, value):
        collections = {**right["answers"]["collections"]}
        collections[history.ids["notes"]] = {**collections[history.ids["notes"]], name: value}
        return {**right, "answers": {**right["answers"], "collections": collections}}

    assert any("a wrong answer" in each for each in judged(damage, changed("query", "other"), history))
    assert any("not of one state" in each for each in judged(damage, changed("records", "other"), history))
    foreign = {"error": "KeyError", "typed": False, "path": "", "text": "x"}
    assert any("KeyError" in each for each in judged(damage, changed("query", foreign), history))
    typed = {"error": "CorruptionError", "typed": True, "path": "a/b", "text": "x"}
    assert any("verify() is clean" in each for each in judged(damage, changed("query", typed), history))
    older = {**right, "answers": history.final["early"]}
    assert any("gone without an error" in each for each in judged(damage, older, history))


def test_the_check_of_a_repair_can_find_fault(built):
    target, history = built
    damage = Damage("closed", f"collections/{history.ids['notes']}/collection.json", "flip")
    child = damaging.Child(target / "work-check")
    try:
        request = {"damage": damaging.asdict(replace(damage, at=3)), "target": str(target), "repairs": True}
        answer = child.ask(request)
    finally:
        child.close()
    assert isinstance(answer, dict)
    done = answer["repaired"]
    faults = damaging.repair_faults
    assert faults(damage, done, history, was_clean=False) == []
    (name,) = [each for each in done["records"] if each.endswith("/notes")]
    id_, metadata, records = done["records"][name]

    def with_records(*changed):
        return {**done, "records": {**done["records"], name: [id_, metadata, list(changed)]}}

    assert faults(damage, with_records(*records[1:]), history, was_clean=False)
    assert faults(damage, with_records(records[1], records[0], *records[2:]), history, was_clean=False)
    assert faults(
        damage, with_records([*records[0][:1], "other", *records[0][2:]], *records[1:]), history, was_clean=False
    )
    assert faults(damage, {**done, "names": ["repairing"]}, history, was_clean=False)
    assert faults(damage, {**done, "verified": {"clean": False}}, history, was_clean=False)
