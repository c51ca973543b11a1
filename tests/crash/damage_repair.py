"""What must hold after `repair()`: the folder is sound, what is not called lost is as it was, nothing is invented."""

from __future__ import annotations

import re
from typing import Any

from tests.crash.damage_answers import is_error, records_of
from tests.crash.damage_cases import Damage
from tests.crash.damage_folder import PLACE, History

FIELDS = {1: "documents", 2: "metadatas", 3: "uris"}


def repair_faults(damage: Damage, done: dict[str, Any], history: History, *, was_clean: bool) -> list[str]:
    """Return what is wrong with a repair."""
    first, verified, second = done["first"], done["verified"], done["second"]
    if is_error(first):
        return [f"repair() raised {first['error']}: {first['text']}"]
    faults: list[str] = []
    if is_error(verified) or not verified["clean"]:
        faults.append(f"after repair() verify() says {verified}")
    if is_error(second) or second["collections"] or second["catalog"]:
        faults.append(f"repair() does something once more: {second}")
    if is_error(done["records"]):
        return [*faults, f"after repair() reading raises {done['records']['error']}: {done['records']['text']}"]
    if was_clean and (first["collections"] or first["catalog"]):
        faults.append(f"verify() was clean, but repair() did {first}")
    if "repairing" in done["names"]:
        faults.append("repairing/ is left")
    known = {each["id"]: each for each in first["collections"]}
    for name, (tenant, database) in PLACE.items():
        if name not in history.n_writes[damage.stage]:
            continue
        id_ = history.ids[name]
        found = done["records"].get(f"{tenant}/{database}/{name}")
        if found is None:
            if not first["catalog"] and not was_clean:
                faults.append(f"collection {name} is gone, and nobody says so")
            continue
        losses = known.get(id_, {"losses": []})["losses"]
        if not was_clean or damage.collection != id_:
            faults += _collection_faults(name, damage, found[2], losses, history)
    return faults


def _collection_faults(
    name: str, damage: Damage, found: list[list[Any]], losses: list[str], history: History
) -> list[str]:
    text = "\n".join(losses)
    lost_writes = _numbers(text)
    wanted = records_of(history.replayed(name, damage.stage, without=lost_writes).get())
    faults: list[str] = []
    if not losses:
        if found != wanted:
            faults.append(f"{name}: nothing is said to be lost, but {_difference(found, wanted)}")
        return faults
    ever = _ever(name, damage.stage, history)
    reported = {column: _count(text, rf"the {column} of (\d+) records") for column in FIELDS.values()}
    for record in found:
        if record[0] not in ever:
            faults.append(f"{name}: record {record[0]} was never written")
            continue
        columns = [{each[at] for each in ever[record[0]]} for at in range(5)]
        for at, value in enumerate(record):
            is_lost = value is None and reported.get(FIELDS.get(at, ""), 0)
            is_merged = FIELDS.get(at) == "metadatas" and (reported["metadatas"] or lost_writes)
            if value not in columns[at] and not is_lost and not is_merged:
                faults.append(f"{name}: field {at} of record {record[0]} was never so: {value}")
    if "manifest is damaged" in text or "cannot be told" in text or "everything" in text:
        return faults
    return faults + _exact_faults(name, found, wanted, text, reported)


def _exact_faults(
    name: str, found: list[list[Any]], wanted: list[list[Any]], text: str, reported: dict[str, int]
) -> list[str]:
    """Compare with what the writes that are left make, with as many gaps as are reported."""
    faults: list[str] = []
    have, want = {each[0]: each for each in found}, {each[0]: each for each in wanted}
    n_lost = _count(text, r"(\d+) of \d+ records") + _count(text, r"all its records \((\d+)\)")
    missing, extra = want.keys() - have.keys(), have.keys() - want.keys()
    if len(missing) > n_lost:
        faults.append(f"{name}: {len(missing)} records are missing, {n_lost} are said to be: {text}")
    if extra:
        faults.append(f"{name}: {sorted(extra)} have come back: {text}")
    for at, column in FIELDS.items():
        differ = [each for each in have.keys() & want.keys() if have[each][at] != want[each][at]]
        if len(differ) > reported[column]:
            faults.append(f"{name}: the {column} of {len(differ)} records differ, {reported[column]} are reported")
    differ = [each for each in have.keys() & want.keys() if have[each][4] != want[each][4]]
    if differ:
        faults.append(f"{name}: the vectors of {differ[:5]} differ: {text}")
    if "place in the order" not in text and not missing and not n_lost and not faults:
        order = [each[0] for each in wanted if each[0] in have]
        if order != [each[0] for each in found]:
            faults.append(f"{name}: the order changed: {text}")
    return faults


def _ever(name: str, stage: str, history: History) -> dict[str, list[list[Any]]]:
    """Return all that each record ever was."""
    key = (name, stage, id(history))
    if key not in _EVER:
        found: dict[str, list[list[Any]]] = {}
        n_writes = history.n_writes[stage][name]
        for end in range(n_writes):
            rest = frozenset(range(end + 2, n_writes + 1))
            for record in records_of(history.replayed(name, stage, without=rest).get()):
                if record not in found.setdefault(record[0], []):
                    found[record[0]].append(record)
        _EVER[key] = found
    return _EVER[key]


_EVER: dict[tuple[str, str, int], dict[str, list[list[Any]]]] = {}


def _numbers(text: str) -> frozenset[int]:
    """Return the numbers of lost writes: `3 writes (numbers 5-6, 9)`."""
    numbers: set[int] = set()
    for ranges in re.findall(r"writes? \(numbers? ([0-9, -]+)\)", text):
        for part in ranges.split(", "):
            first, _, last = part.partition("-")
            numbers |= set(range(int(first), int(last or first) + 1))
    return frozenset(numbers)


def _count(text: str, pattern: str) -> int:
    return sum(int(each) for each in re.findall(pattern, text))


def _difference(found: list[list[Any]], wanted: list[list[Any]]) -> str:
    have, want = {each[0]: each for each in found}, {each[0]: each for each in wanted}
    changed = [each for each in have.keys() & want.keys() if have[each] != want[each]]
    return (
        f"missing {sorted(want.keys() - have.keys())[:5]}, new {sorted(have.keys() - want.keys())[:5]}, "
        f"changed {sorted(changed)[:5]}, order {'differs' if list(have) != list(want) else 'is the same'}"
    )
