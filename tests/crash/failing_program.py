"""A program on a failing disk: it writes a short history, is told of errors, goes on - and each step is judged.

After every step it reads all and compares with the oracle. A failed write may be done or not; what the program then
sees of it has to stay so. Reading works while a disk is full. When the disk is mended, the next attempt succeeds.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import chroma_search
from chroma_search.errors import CorruptionError, LockedError, StorageError
from tests.crash.history import operation
from tests.crash.killing import state_of
from tests.crash.traced_disk import FOLDERS, SHORT_FIRST, UNTIL_FREED, Disk

MODES = {
    "ENOSPC once": (errno.ENOSPC, 0),
    "ENOSPC until space is freed": (errno.ENOSPC, UNTIL_FREED),
    "EIO once": (errno.EIO, 0),
    "EIO until it is mended": (errno.EIO, UNTIL_FREED),
    "EIO once, of the sync of a folder": (errno.EIO, FOLDERS),
    "a short write": (errno.ENOSPC, SHORT_FIRST),
    "a short write, then ENOSPC until space is freed": (errno.ENOSPC, SHORT_FIRST | UNTIL_FREED),
}

STEPS = (
    *("open", "create", "write", "write", "write", "flush", "write", "write", "flush", "write", "compact", "write"),
    *("close", "open", "get", "write", "flush", "write", "close"),
)
Numbers = tuple[int, ...]
"""Writes of the history, in order."""


class GaveUp(Exception):
    """Nothing more can be tried; what is wrong was noted."""


@dataclass
class Case:
    """One failure, and what came of it.

    Attributes:
        seed: of the history.
        n: the call that fails, from 1; 0 for none.
        mode: of `MODES`.
        goes_on: after an error the program leaves the write out, instead of trying again.
        n_calls: calls that could have failed.
        failed: the call that did, if any.
        errors: what the program was told.
        problems: what should not be.
    """

    seed: int
    n: int
    mode: str
    goes_on: bool = False
    n_calls: int = 0
    failed: str = ""
    errors: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class Program:
    """A program that writes a history on a failing disk, and what its folder may hold at each moment.

    Args:
        disk: to be mended.
        folder: for the client.
        case: what fails; takes what is found.
    """

    def __init__(self, disk: Disk, folder: Path, case: Case) -> None:
        self._disk = disk
        self._folder = folder
        self._case = case
        self._error, self._how = MODES[case.mode]
        self._client: chroma_search.ClientAPI | None = None
        self._collection: chroma_search.Collection | None = None
        self._writes = iter(writes_of(case.seed))
        self._has_read = False
        self.seen: set[Numbers] = {()}
        """Writes that the process may have done: one set of them, where it has looked."""
        self.unsure: set[Numbers] = set()
        """What a crash may make of failed writes, until the next one takes their place."""
        self.allowed: list[set[Numbers] | None] = []
        """By mark: what a crash may leave until the next mark; None before the collection was acknowledged."""

    def run(self) -> None:
        """Take all steps."""
        for step in STEPS:
            if step == "write":
                self._step_of_write(next(self._writes))
            else:
                self._repeated(step)
            self._look(step)

    def _repeated(self, step: str) -> None:
        """Take a step that changes no record, until it succeeds or must have succeeded."""
        for attempt in range(3):
            self._mark(self.seen | self.unsure)
            try:
                self._take(step)
                break
            except chroma_search.ChromaSearchError as error:
                self._told(step, error)
            if step == "close":  # what is open is given up: the next client must do
                self._client = self._collection = None
                break
            self._look(f"a failed {step}")
            self._after(attempt, step)
        self._mark(self.seen | self.unsure)

    def _step_of_write(self, number: int) -> None:
        name, arguments = operation(self._case.seed, number)
        before = {(*each, number) for each in self.seen}
        for attempt in range(3):
            self._mark(self.seen | self.unsure | before)
            try:
                assert self._collection is not None
                getattr(self._collection, name)(**arguments)
            except chroma_search.ChromaSearchError as error:
                self._told(name, error)
                self.unsure |= before
                self.seen |= before
                self._look(f"a failed {name}")
                self._after(attempt, name)
                if self._case.goes_on and not self._case.problems:
                    self._disk.mend()
                    break
            else:
                done = {(*each, number) for each in self.seen}
                if any(
                    state_after_writes(self._case.seed, each) != state_after_writes(self._case.seed, each[:-1])
                    for each in done
                ):
                    self.unsure.clear()
                self.seen = done
                break
        self._mark(self.seen | self.unsure)

    def _take(self, step: str) -> None:
        if step == "open":
            self._client = chroma_search.PersistentClient(self._folder)
        elif step == "close":
            client, self._client, self._collection = self._client, None, None
            assert client is not None
            client.close()
        elif step in ("create", "get"):
            assert self._client is not None
            make = self._client.get_or_create_collection if step == "create" else self._client.get_collection
            self._collection = make("history", embedding_function=None)
            self._has_read = False
        else:
            getattr(self._collection, step)()

    def _told(self, step: str, error: Exception) -> None:
        """Judge an error that the program was told of."""
        self._case.errors.append(f"{step}: {type(error).__name__}: {error}")
        # SQLite calls a file corrupt when the system cannot read it (EIO), and so do we.
        wrong = LockedError if self._error == errno.EIO else (LockedError, CorruptionError)
        if not isinstance(error, StorageError) or isinstance(error, wrong):
            self._problem(f"{step} says {type(error).__name__}: {error}")
        if not self._disk.n_failed:
            self._problem(f"{step} fails before the disk did: {error}")
        if self._how == SHORT_FIRST:
            self._problem(f"{step} fails after a short write, which is no error: {error}")

    def _after(self, attempt: int, step: str) -> None:
        """A lasting failure is met twice, then the disk is mended: the third time all must be well."""
        if attempt == 1 and self._how & UNTIL_FREED:
            self._disk.mend()
        elif attempt == 2 or (attempt == 1 and not self._how & UNTIL_FREED):
            self._problem(f"{step} still fails when the disk does not: {self._case.errors[-1]}")
            raise GaveUp

    def _look(self, after: str) -> None:
        """Read all, also while the disk is full, if the files are open; a failing one may refuse."""
        if self._collection is None:
            return
        try:
            found = _columns(self._collection.get(include=["embeddings", "documents", "metadatas", "uris"]))
        except StorageError as error:
            if self._error == errno.ENOSPC and self._has_read:
                self._problem(f"after {after}, nothing can be read: {type(error).__name__}: {error}")
            return
        self._has_read = True
        fitting = {each for each in self.seen if state_after_writes(self._case.seed, each) == found}
        if not fitting:
            self._problem(f"after {after}, another state is read than after writes {sorted(self.seen)}")
        self.seen = fitting or self.seen

    def _mark(self, allowed: set[Numbers]) -> None:
        self.allowed.append(set(allowed) if self._collection is not None or any(self.allowed) else None)
        self._disk.mark(len(self.allowed) - 1)

    def _problem(self, what: str) -> None:
        self._case.problems.append(what)


@lru_cache(maxsize=100)
def writes_of(seed: int) -> Numbers:
    """Return the numbers of the calls in a history that write."""
    return tuple(number for number in range(100) if operation(seed, number)[1])


@lru_cache(maxsize=10_000)
def state_after_writes(seed: int, numbers: Numbers) -> dict:
    return _columns(state_of(seed, numbers))


def _columns(found) -> dict:
    columns = {name: found[name] for name in ("ids", "documents", "metadatas", "uris")}
    return {**columns, "embeddings": [list(map(float, each)) for each in found["embeddings"]]}
