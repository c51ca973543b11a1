"""A collection under any sequence of writes, deletes, flushes and compactions, beside the oracle at every step.

In memory, and in a folder; there it is also closed, opened by others, and cut off in the middle of what it does.
"""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from chroma_search.indexes.registry import VECTOR_INDEX_KINDS
from chroma_search.indexes.text.analyzer import Analyzer
from chroma_search.storage import failpoint, merge_policy
from tests.oracle.collection import OracleCollection
from tests.property.comparing import assert_same_answer
from tests.property.engine_collection import EngineCollection
from tests.property.record_strategies import apply, deletes, writes
from tests.property.search_strategies import searches, wheres

MEMORY = next((each for each in ("/dev/shm",) if os.access(each, os.W_OK)), None)


class CollectionMachine(RuleBasedStateMachine):
    """Every write goes to both; every reading must agree. Tails are sealed early and dead rows stay long, so that
    sealed segments grow over changed and deleted records."""

    def __init__(self):
        super().__init__()
        self.policy = merge_policy.TAIL_ROWS, merge_policy.LARGEST_DEAD_SHARE
        merge_policy.TAIL_ROWS, merge_policy.LARGEST_DEAD_SHARE = 3, 0.9

    def teardown(self):
        merge_policy.TAIL_ROWS, merge_policy.LARGEST_DEAD_SHARE = self.policy

    @initialize(space=st.sampled_from(("l2", "cosine", "ip")), kind=st.sampled_from(sorted(VECTOR_INDEX_KINDS)))
    def create(self, space, kind):
        self.oracle = OracleCollection(space, tokenizer=Analyzer().tokens)
        self.engine = EngineCollection(space, kind=kind)
        self.held = []  # (snapshot, what it held): an old snapshot never changes

    @rule(operation=st.one_of(writes("add"), writes("upsert"), writes("update"), deletes()))
    def write(self, operation):
        assert apply(operation, self.oracle) == apply(operation, self.engine)

    @rule()
    def flush(self):
        self.engine.flush()

    @rule()
    def compact(self):
        self.engine.compact()

    @rule()
    def remember_snapshot(self):
        self.held.append((self.engine.engine.snapshot, self.engine.engine.snapshot.n_live))

    @rule(search=searches())
    def search(self, search):
        assert_same_answer(self.engine.search(search), self.oracle.search(search), tolerance=1e-9)

    @rule(where=wheres(), limit=st.none() | st.integers(0, 4), offset=st.integers(0, 3))
    def get(self, where, limit, offset):
        arguments = {"where": where, "limit": limit, "offset": offset}
        assert self.engine.get(**arguments) == self.oracle.get(**arguments)

    @invariant()
    def both_hold_the_same_records(self):
        if hasattr(self, "oracle"):
            assert self.engine.count() == self.oracle.count()
            assert self.engine.get() == self.oracle.get()

    @invariant()
    def a_snapshot_never_changes(self):
        for snapshot, n_live in getattr(self, "held", []):
            assert sum(len(state.live_rows()) for state in snapshot.segments) == n_live


WRITE_POINTS = tuple(name for name in failpoint.NAMES if name.startswith("log."))
FLUSH_POINTS = tuple(name for name in failpoint.NAMES if name.startswith(("flush.", "index.", "file.")))


class FolderMachine(CollectionMachine):
    """The same in a folder that several openers share, as processes do: each has its own connection and memory.

    A crash is a copy of the folder, taken at a failpoint, with which the machine goes on: a killed process leaves just
    that, files without a process.
    """

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY)) / "0"
        self.folder.mkdir()
        self.n_crashes = 0

    @initialize(space=st.sampled_from(("l2", "cosine", "ip")), kind=st.sampled_from(sorted(VECTOR_INDEX_KINDS)))
    def create(self, space, kind):
        super().create(space, kind)
        self.openers = [EngineCollection(space, kind=kind, folder=self.folder) for _ in range(2)]
        self.reopened = lambda: EngineCollection(space, kind=kind, folder=self.folder)
        self.engine = self.openers[0]

    @rule(number=st.integers(0, 1))
    def go_on_in_another_opener(self, number):
        self.engine = self.openers[number]

    @rule(number=st.integers(0, 1))
    def close_and_open_again(self, number):
        self.openers[number].engine.close()
        self.openers[number] = self.engine = self.reopened()

    @rule(operation=st.one_of(writes("upsert"), writes("upsert"), deletes()), name=st.sampled_from(WRITE_POINTS))
    def crash_in_a_write(self, operation, name):
        before = copy.deepcopy(self.oracle)
        apply(operation, self.oracle)
        self.crash(lambda: apply(operation, self.engine), name, 1, before)

    @rule(
        operation=writes("upsert"),
        what=st.sampled_from(("flush", "compact", "purge")),
        name=st.sampled_from(FLUSH_POINTS),
        nth=st.sampled_from((1, 1, 2)),
    )
    def crash_in_a_flush(self, operation, what, name, nth):
        self.write(operation)
        self.crash(getattr(self.engine.engine, what), name, nth, self.oracle)

    def crash(self, call, name, nth, before):
        """Make a call; if it passes the failpoint, go on with what the folder held then: the state before, or after."""
        for each in self.openers:
            flusher = each.engine.home.flusher
            if flusher is not None:
                flusher.wait()  # a copy is of one moment when nobody else writes
        left = self.folder.with_name(f"{self.folder.name}-{self.n_crashes}")

        def take_copy(*_):
            if threading.current_thread() is threading.main_thread() and not left.exists():
                subprocess.run(["cp", "-r", self.folder, left], check=True)  # closing a file here would drop its locks

        fake = SimpleNamespace(kill=take_copy, getpid=lambda: 0)
        with mock.patch.multiple(failpoint, _name=name, _left=nth, os=fake):
            call()
        if not left.exists():
            return
        self.n_crashes += 1
        for each in self.openers:
            each.engine.close()
        shutil.rmtree(self.folder)
        self.folder, self.held = left, []
        self.openers = [self.reopened() for _ in self.openers]
        self.engine = self.openers[0]
        if self.engine.get() == before.get():
            self.oracle = before

    def teardown(self):
        super().teardown()
        for each in getattr(self, "openers", []):
            each.engine.close()
        shutil.rmtree(self.folder.parent)


for machine, n_examples in ((CollectionMachine, 40), (FolderMachine, 60)):
    machine.TestCase.settings = settings(
        deadline=None, max_examples=n_examples, stateful_step_count=20, suppress_health_check=[HealthCheck.too_slow]
    )
TestCollectionMachine = CollectionMachine.TestCase
TestFolderMachine = FolderMachine.TestCase
