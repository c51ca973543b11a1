"""A collection under any sequence of writes, deletes, flushes and compactions, beside the oracle at every step."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from chroma_search.indexes.registry import VECTOR_INDEX_KINDS
from chroma_search.indexes.text.analyzer import Analyzer
from chroma_search.storage import merge_policy
from tests.oracle.collection import OracleCollection
from tests.property.comparing import assert_same_answer
from tests.property.engine_collection import EngineCollection
from tests.property.record_strategies import apply, deletes, writes
from tests.property.search_strategies import searches, wheres


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


class FolderMachine(CollectionMachine):
    """The same in a folder that several openers share, as processes do: each has its own connection and memory."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())

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

    def teardown(self):
        super().teardown()
        for each in getattr(self, "openers", []):
            each.engine.close()
        shutil.rmtree(self.folder)


for machine in (CollectionMachine, FolderMachine):
    machine.TestCase.settings = settings(
        deadline=None, max_examples=40, stateful_step_count=20, suppress_health_check=[HealthCheck.too_slow]
    )
TestCollectionMachine = CollectionMachine.TestCase
TestFolderMachine = FolderMachine.TestCase
