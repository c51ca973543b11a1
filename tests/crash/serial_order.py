"""Prove that what many processes did to one collection equals their writes in one order, and that no reader was behind.

The order is that of the log: each acknowledged write says which place it filled. The proof is the replay:

* every place from the first to the last is filled by one write; one that nobody acknowledged is of a killed writer,
  whose last call it must have been, and it is there whole;
* a write that was acknowledged before another began stands before it;
* a write that filled no place changes nothing at a place between what was acknowledged when it began and what had
  begun when it ended, and one that was refused is nowhere;
* what a reader saw is the state at one place, which is not before any write that was acknowledged when the reader
  began. Where threads share a collection the place is not told, and any one in the allowed range will do;
* what is there in the end is the state after the last place.

The states are kept by a dict alone: its order is that of insertion, and a record that comes back goes to the end.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field

from tests.crash.many_roles import N_NEAREST, STAYS, Change, ReadKind, Row, change, digest, vector

State = dict[str, tuple[int, int]]


@dataclass(slots=True)
class Write:
    """One call of a writer; `ended` is infinite where nobody acknowledged it, `killed` is when its process was."""

    what: Change
    began: float
    ended: float = math.inf
    places: list[int] = field(default_factory=list)
    killed: float | None = None
    is_refused: bool = False

    def __str__(self) -> str:
        return f"write {self.what.number} ({self.what.kind}) of writer {self.what.writer}"


@dataclass(frozen=True, slots=True)
class Read:
    """What a reader saw; `place` is None where it cannot be told."""

    who: str
    kind: ReadKind
    about: int
    began: float
    ended: float
    place: int | None
    found: int

    def __str__(self) -> str:
        return f"{self.who}, {self.kind} {self.about}"


@dataclass(slots=True)
class Proof:
    """What the check found.

    Attributes:
        faults: what is wrong, in words; empty when it is proved.
        n_writes, n_reads, n_killed_whole: acknowledged writes; reads; writes of killed processes that are there.
        state: what there must be in the end.
    """

    faults: list[str] = field(default_factory=list)
    n_writes: int = 0
    n_reads: int = 0
    n_killed_whole: int = 0
    state: State = field(default_factory=dict)


def writes_of(lines: list[list], seed: int, writer: int, killed: float | None) -> list[Write]:
    """Return the writes of a journal; `killed` is when its process was, None when it ended by itself."""
    found: dict[int, Write] = {}
    for kind, number, at, *more in lines:
        if kind == "begin":
            found[number] = Write(change(seed, writer, number), at, killed=killed)
        elif kind == "refused":
            found[number].is_refused = True
        else:
            found[number].ended, (found[number].places,) = at, more
    return list(found.values())


def reads_of(lines: list[list], who: str) -> list[Read]:
    """Return the reads of a journal."""
    return [Read(who, *values) for kind, *values in lines if kind == "read"]


def prove(writes: list[Write], reads: list[Read], first: int, last: int) -> Proof:
    """Replay everything.

    Args:
        writes, reads: of all journals.
        first, last: places of the log: the one before all writes, and the one at the end.
    """
    proof = Proof(n_writes=sum(each.ended < math.inf for each in writes), n_reads=len(reads))
    order = _order(writes, first, last, proof)
    if proof.faults:
        return proof
    _check_times(order, first, proof)
    # Places in the order of acknowledgement: what had been acknowledged at a time, and what had begun.
    ended = sorted((each.ended, place) for place, each in enumerate(order, first + 1))
    began = sorted((each.began, place) for place, each in enumerate(order, first + 1))
    newest_acknowledged, newest_begun = _Newest(ended, first), _Newest(began, first)
    pending: dict[int, list[_Window]] = defaultdict(list)
    for each in (*reads, *writes):
        if isinstance(each, Write) and (
            each.places or each.ended == math.inf or each.is_refused or each.what.is_upkeep
        ):
            continue
        least, most = newest_acknowledged.before(each.began), newest_begun.before(each.ended)
        place = each.place if isinstance(each, Read) else None
        if place is None:
            pending[least].append(_Window(each, most))
        elif least <= place <= most:
            pending[place].append(_Window(each, place))
        else:
            proof.faults.append(f"{each} saw place {place}, when {least} was acknowledged and {most} begun")
    _replay(order, pending, first, proof)
    return proof


@dataclass(frozen=True, slots=True)
class _Window:
    """Something that is to agree with the state at one place, the last of which is `most`."""

    what: Read | Write
    most: int

    def agrees(self, state: State) -> bool:
        if isinstance(self.what, Write):
            return applied(state, self.what.what) == state
        return digest(seen(state, self.what.kind, self.what.about)) == self.what.found


class _Newest:
    """The highest place up to a time."""

    def __init__(self, events: list[tuple[float, int]], none: int) -> None:
        self._times = [at for at, _ in events]
        self._highest = [none]
        for _, place in events:
            self._highest.append(max(self._highest[-1], place))

    def before(self, at: float) -> int:
        return self._highest[bisect_left(self._times, at)]


def _order(writes: list[Write], first: int, last: int, proof: Proof) -> list[Write]:
    """Return the writes in the order of their places."""
    held: dict[int, Write] = {}
    for each in writes:
        for place in each.places:
            if place in held:
                proof.faults.append(f"place {place} was given to {held[place]} and to {each}")
            held[place] = each
    # Writes of killed processes, in the order of the kills.
    unknown = [each for each in writes if each.ended == math.inf and not each.is_refused]
    unknown.sort(key=lambda each: math.inf if each.killed is None else each.killed)
    for place in range(first + 1, last + 1):
        if place in held:
            continue
        before, after = held.get(place - 1), held.get(place + 1)
        for each in unknown:
            is_late = after is not None and each.began > after.ended
            is_early = before is not None and each.killed is not None and each.killed < before.began
            if not is_late and not is_early:
                held[place] = each
                each.places = [place]
                unknown.remove(each)
                proof.n_killed_whole += 1
                break
        else:
            proof.faults.append(f"nobody has written what stands at place {place}")
    over = [place for place in held if not first < place <= last]
    if over:
        proof.faults.append(f"acknowledged writes are not in the log: places {sorted(over)[:10]} of {last}")
    return [held[place] for place in sorted(held)]


def _check_times(order: list[Write], first: int, proof: Proof) -> None:
    latest: Write | None = None
    for place, each in enumerate(order, first + 1):
        if latest is not None and latest.began > each.ended:
            proof.faults.append(f"{latest} began after {each} was acknowledged, but stands before it (place {place})")
        if latest is None or each.began > latest.began:
            latest = each


def _replay(order: list[Write], pending: dict[int, list[_Window]], first: int, proof: Proof) -> None:
    state: State = {}
    for place in range(first, first + len(order) + 1):
        if place > first:
            each = order[place - first - 1]
            after = applied(state, each.what)
            if after == state:
                proof.faults.append(f"{each} at place {place} changes nothing")
            state = after
        for window in pending.pop(place, ()):
            if window.agrees(state):
                continue
            if place < window.most:
                pending[place + 1].append(window)
            else:
                proof.faults.append(f"{window.what} does not agree with the state at place {place}")
    proof.faults += [f"{each[0].what} belongs to place {place}, which never was" for place, each in pending.items()]
    proof.state = state


def applied(state: State, what: Change) -> State:
    """Return the state after a write."""
    after, row = dict(state), (what.writer, what.number)
    if what.kind == "delete where":
        return {id_: each for id_, each in after.items() if each[0] != what.writer or each[1] >= what.number - STAYS}
    for id_ in what.ids:
        if what.kind == "delete":
            after.pop(id_, None)
        elif what.kind == "upsert" or (id_ in after) == (what.kind == "update"):
            after[id_] = row
    return after


def seen(state: State, kind: ReadKind, about: int) -> list[Row]:
    """Return what a reading of a state gives, in order."""
    rows = [(id_, *row) for id_, row in state.items()]
    if kind == "search":
        return [row for row in rows if row[1] == about]
    if kind == "query":
        target = (float(about), 2.0, 1.5)
        distance = lambda row: sum((a - b) ** 2 for a, b in zip(vector(*row[1:]), target, strict=True))  # noqa: E731
        return sorted(rows, key=distance)[:N_NEAREST]
    return rows
