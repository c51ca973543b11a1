"""A child process that opens damaged folders, many one after the other, and says what it found: JSON lines in and out.

A folder that kills or hangs it kills no one else: the parent (`damage.py`) starts another one.
"""

from __future__ import annotations

import faulthandler
import gc
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import chroma_search
from tests.crash.damage_answers import COLUMNS, PLACES, answers_of, guarded, is_error, records_of
from tests.crash.damage_cases import Damage, copied


def main() -> None:
    """Answer requests until there are none."""
    faulthandler.enable()
    channel = os.fdopen(os.dup(1), "w")  # whatever prints to stdout must not end up among the answers
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(_done(request)), file=channel, flush=True)


def _done(request: dict[str, Any]) -> dict[str, Any]:
    damage = Damage(**request["damage"])
    target, work = Path(request["target"]), Path(request["work"])
    answer: dict[str, Any] = {"changed": _damaged(damage, target, work)}
    answer["verified"] = _verified(work)
    # Of a catalog, and of files that no answer comes from, a small collection tells as much as a large one.
    answer["answers"] = answers_of(work, "pages" if damage.is_minor else damage.collection or "pages")
    if request["repairs"]:
        _damaged(damage, target, work)
        answer["repaired"] = _repaired(work)
    gc.collect(0)
    return answer


def _damaged(damage: Damage, target: Path, work: Path) -> bool:
    shutil.rmtree(work, ignore_errors=True)
    copied(target / damage.stage, work)
    return damage.apply(work, target / {"closed": "early", "killed": "closed"}[damage.stage])


def _verified(folder: Path) -> Any:
    report = guarded(lambda: chroma_search.verify(folder))
    return report if is_error(report) else report.to_dict()


def _repaired(folder: Path) -> dict[str, Any]:
    first = guarded(lambda: chroma_search.repair(folder).to_dict())
    verified = _verified(folder)
    second = guarded(lambda: chroma_search.repair(folder).to_dict())
    kept = guarded(lambda: all_records(folder))
    return {"first": first, "verified": verified, "second": second, "records": kept, "names": _names(folder)}


def _names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def all_records(folder: Path) -> dict[str, Any]:
    """Return the records of each collection by tenant, database and name, with its id and metadata."""
    found: dict[str, Any] = {}
    for tenant, database in PLACES:
        try:
            client = chroma_search.PersistentClient(folder, tenant=tenant, database=database)
        except chroma_search.errors.NotFoundError:
            continue
        with client:
            for each in client.list_collections():
                records = records_of(each.get(include=COLUMNS))
                found[f"{tenant}/{database}/{each.name}"] = [str(each.id), repr(each.metadata), records]
    return found


if __name__ == "__main__":
    main()
