"""Damage files in thousands of ways, open what is left in a child process, and count what came of it.

    python -m tests.crash.damage [--cases 2000] [--seed 0] [--repair-share 1.0]

Of each case: a client answers as it did before the damage, or with an error of ours that names the file; it never
dies, hangs, or answers otherwise. `verify()` sees every damage that matters. `repair()` makes the folder sound, keeps
what it does not call lost, and invents nothing (`damage_repair.py`). The exit status is 1 if anything else happened.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from tests.crash.damage_answers import is_error
from tests.crash.damage_cases import Damage, sampled
from tests.crash.damage_folder import ROOT, History, build
from tests.crash.damage_repair import repair_faults

PATIENCE_S = 20.0
RIGHT, ERROR, OLDER = "right", "error", "older"
"""Outcomes of a folder: as before the damage; an error of ours; as after an earlier write, the last ones being gone."""


class Child:
    """A process that handles case after case; a new one takes its place when it dies."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, request: dict[str, Any]) -> dict[str, Any] | str:
        """Return the answer, or `died` or `hung`."""
        process = self._process = self._process or self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({**request, "work": str(self.work)}).encode() + b"\n")
        process.stdin.flush()
        line = b""
        deadline = time.monotonic() + PATIENCE_S
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            part = os.read(process.stdout.fileno(), 1 << 20) if ready else b""
            if not part:
                self.close()
                return "died" if ready else "hung"
            line += part
        return json.loads(line)

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    @staticmethod
    def _started() -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "tests.crash.damage_child"]
        return subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )


@dataclass
class Tally:
    """What came of the cases.

    Attributes:
        outcomes: how many, by kind of file and outcome.
        unseen: changes of bytes that `verify` did not see and that changed no answer, by kind and damage.
        lost: acknowledged writes gone without an error, by kind and damage.
        faults: what must not happen, in words.
    """

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    unseen: Counter[tuple[str, str]] = field(default_factory=Counter)
    lost: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults: list[tuple[Damage, str]] = field(default_factory=list)
    n_repaired: int = 0

    def table(self) -> str:
        """Return the outcomes, one line per kind of file."""
        names = sorted({outcome for _, outcome in self.outcomes})
        lines = [f"{'':22}" + "".join(f"{name:>10}" for name in names)]
        for kind in sorted({kind for kind, _ in self.outcomes}):
            lines.append(f"{kind:22}" + "".join(f"{self.outcomes[kind, name]:>10}" for name in names))
        return "\n".join(lines)


def outcome_of(damage: Damage, answers: dict[str, Any], history: History) -> tuple[str, list[str]]:
    """Return the outcome of a case, and what is wrong with it."""
    final = history.final[damage.stage]
    outcomes, faults = [], list[str]()
    listing = answers["listing"]
    outcomes.append(_one_outcome(listing, [final["listing"]], history.listings, faults, damage))
    for id_, found in answers["collections"].items():
        known = history.answers.get(id_, [])
        for name, value in found.items():
            right = [final["collections"].get(id_, {}).get(name)]
            outcomes.append(_one_outcome(value, right, [each[name] for each in known], faults, damage))
        complete = {name: value for name, value in found.items() if not is_error(value)}
        if not any(complete.items() <= each.items() for each in known):
            faults.append(f"the answers are not of one state: {complete}")
    for outcome in ("wrong", ERROR, OLDER):
        if outcome in outcomes:
            return outcome, faults
    return RIGHT, faults


def _one_outcome(found: Any, right: list[Any], known: list[Any], faults: list[str], damage: Damage) -> str:
    if is_error(found):
        if not found["typed"] or (found["error"] == "CorruptionError" and not found["path"]):
            faults.append(f"{found['error']}: {found['text']}")
        return ERROR
    if found in right:
        return RIGHT
    if found in known:
        return OLDER
    faults.append(f"a wrong answer: {found}")
    return "wrong"


def judge(damage: Damage, answer: dict[str, Any] | str, history: History, tally: Tally) -> None:
    """Put one case into the tally."""
    if isinstance(answer, str):
        tally.outcomes[damage.kind, answer] += 1
        tally.faults.append((damage, f"the child {answer}"))
        return
    outcome, faults = outcome_of(damage, answer["answers"], history)
    verified = answer["verified"]
    if is_error(verified):
        faults.append(f"verify() raised {verified['error']}: {verified['text']}")
        is_clean = False
    else:
        is_clean = verified["clean"]
        faults += [f"a finding without a file: {each}" for each in verified["findings"] if not each["path"]]
    if outcome == OLDER:
        tally.lost[damage.kind, f"{damage.how}, {'unseen' if is_clean else 'seen by verify()'}"] += 1
        faults.append("acknowledged writes are gone without an error")
    elif outcome != RIGHT and is_clean:
        faults.append(f"verify() is clean, but: {outcome} {answer['answers']}")
    if not answer["changed"] and not is_clean:
        faults.append(f"nothing was changed, but verify() says {verified}")
    if answer["changed"] and is_clean and outcome == RIGHT:
        tally.unseen[damage.kind, damage.how] += 1
    tally.outcomes[damage.kind, outcome] += 1
    if "repaired" in answer:
        tally.n_repaired += 1
        faults += repair_faults(damage, answer["repaired"], history, was_clean=is_clean)
    tally.faults += [(damage, fault) for fault in faults]


def run(target: Path, history: History, cases: list[Damage], *, repair_share: float, workers: int = 2) -> Tally:
    """Run the cases in `workers` children at once."""
    tally, lock = Tally(), Lock()
    every = 0 if not repair_share else max(1, round(1 / repair_share))
    waiting = iter(enumerate(cases))

    def work(number: int) -> None:
        child = Child(target / f"work-{number}")
        try:
            for at, damage in _taken(waiting, lock):
                request = {"damage": asdict(damage), "target": str(target), "repairs": every and at % every == 0}
                answer = child.ask(request)
                with lock:
                    judge(damage, answer, history, tally)
        finally:
            child.close()

    threads = [Thread(target=work, args=(number,)) for number in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return tally


def _taken(waiting: Iterator[tuple[int, Damage]], lock: Lock) -> Iterator[tuple[int, Damage]]:
    while True:
        with lock:
            found = next(waiting, None)
        if found is None:
            return
        yield found


def scratch() -> Path | None:
    """Return a folder in memory, where there is one: the cases are about bytes, not about the disk."""
    memory = Path("/dev/shm")
    return memory if memory.is_dir() and os.access(memory, os.W_OK) else None


def main() -> None:
    """Damage, look, count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--repair-share", type=float, default=1.0)
    parser.add_argument("--show", type=int, default=20, help="faults that are printed")
    args = parser.parse_args()
    began = time.monotonic()
    target = Path(tempfile.mkdtemp(dir=scratch()))
    try:
        history = build(target, args.seed)
        tally = run(target, history, sampled(target, args.cases, args.seed), repair_share=args.repair_share)
    finally:
        shutil.rmtree(target, ignore_errors=True)
    print(tally.table())
    for title, counts in (("lost without an error", tally.lost), ("changed, not seen, harmless", tally.unseen)):
        print(f"{title}: {sum(counts.values())}")
        for (kind, how), n in sorted(counts.items()):
            print(f"  {kind:22}{how:30}{n:>6}")
    for damage, fault in tally.faults[: args.show]:
        print(f"FAULT {damage}: {fault}")
    seconds = time.monotonic() - began
    n_cases = sum(tally.outcomes.values())
    print(f"{n_cases} cases, {tally.n_repaired} repaired, {len(tally.faults)} faults, {seconds:.0f} s")
    sys.exit(1 if tally.faults else 0)


if __name__ == "__main__":
    main()
