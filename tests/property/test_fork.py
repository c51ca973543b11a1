"""Collections that are forked, written, compacted and deleted in any order, each beside an oracle of its own."""

from __future__ import annotations

import copy
import os
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from chroma_search.engine.catalog import DEFAULT_DATABASE, DEFAULT_TENANT
from chroma_search.engine.database import Database
from chroma_search.engine.verifying import verify
from chroma_search.indexes.text.analyzer import Analyzer
from chroma_search.schema.configuration import CollectionConfig
from chroma_search.schema.index_params import INDEX_KINDS
from chroma_search.storage import merge_policy
from tests.oracle.collection import OracleCollection
from tests.property.comparing import assert_same_answer
from tests.property.engine_collection import EngineCollection
from tests.property.record_strategies import apply, deletes, writes
from tests.property.search_strategies import searches

MEMORY = next((each for each in ("/dev/shm",) if os.access(each, os.W_OK)), None)
PLACE = DEFAULT_TENANT, DEFAULT_DATABASE
MOST = 4
which = st.integers(0, MOST - 1)


class ForkMachine(RuleBasedStateMachine):
    """All collections come from one; each has an oracle that was copied when it was forked."""

    folder: Path | None = None

    def __init__(self):
        super().__init__()
        self.policy = merge_policy.TAIL_ROWS, merge_policy.LARGEST_DEAD_SHARE
        merge_policy.TAIL_ROWS, merge_policy.LARGEST_DEAD_SHARE = 3, 0.9

    @initialize(space=st.sampled_from(("l2", "cosine", "ip")), kind=st.sampled_from(sorted(INDEX_KINDS)))
    def create(self, space, kind):
        self.database = Database(self.folder)
        engine = self.database.create_collection("source", *PLACE, config=CollectionConfig(space, kind, {}))
        self.held = {"source": (EngineCollection(engine=engine), OracleCollection(space, tokenizer=Analyzer().tokens))}
        self.n_forked = 0

    def chosen(self, number):
        return list(self.held)[number % len(self.held)]

    @rule(number=which, operation=st.one_of(writes("add"), writes("upsert"), writes("update"), deletes()))
    def write(self, number, operation):
        engine, oracle = self.held[self.chosen(number)]
        assert apply(operation, oracle) == apply(operation, engine)

    @rule(number=which, how=st.sampled_from(("flush", "compact", "purge")))
    def rearrange(self, number, how):
        getattr(self.held[self.chosen(number)][0].engine, how)()

    @precondition(lambda self: len(self.held) < MOST)
    @rule(number=which)
    def fork(self, number):
        engine, oracle = self.held[self.chosen(number)]
        self.n_forked += 1
        name = f"fork-{self.n_forked}"
        fork = self.database.fork_collection(engine.engine, name)
        self.held[name] = EngineCollection(engine=fork), copy.deepcopy(oracle)

    @precondition(lambda self: len(self.held) > 1)
    @rule(number=which)
    def delete_one(self, number):
        name = self.chosen(number)
        self.database.delete_collection(name, *PLACE)
        del self.held[name]

    @precondition(lambda self: self.folder is not None)
    @rule()
    def open_again(self):
        self.database.close()
        self.database = Database(self.folder)
        for name, (_, oracle) in self.held.items():
            self.held[name] = EngineCollection(engine=self.database.get_collection(name, *PLACE)), oracle

    @rule(number=which, search=searches())
    def search(self, number, search):
        engine, oracle = self.held[self.chosen(number)]
        assert_same_answer(engine.search(search), oracle.search(search), tolerance=1e-9)

    @invariant()
    def each_holds_what_its_oracle_holds(self):
        for engine, oracle in getattr(self, "held", {}).values():
            assert engine.get() == oracle.get()

    @invariant()
    def all_count_the_forks_that_there_are(self):
        held = getattr(self, "held", {})
        counts = {self.database.fork_count(engine.engine) for engine, _ in held.values()}
        assert counts == ({len(held.keys() - {"source"})} if held else set())

    def teardown(self):
        merge_policy.TAIL_ROWS, merge_policy.LARGEST_DEAD_SHARE = self.policy
        if hasattr(self, "database"):
            self.database.close()


class FolderForkMachine(ForkMachine):
    """The same in a folder, which is sound at the end."""

    def __init__(self):
        super().__init__()
        self.temporary = tempfile.TemporaryDirectory(dir=MEMORY)
        self.folder = Path(self.temporary.name)

    def teardown(self):
        super().teardown()
        with self.temporary as folder:
            assert not hasattr(self, "database") or verify(folder).is_clean


for machine, n_examples in ((ForkMachine, 30), (FolderForkMachine, 25)):
    machine.TestCase.settings = settings(
        deadline=None, max_examples=n_examples, stateful_step_count=20, suppress_health_check=[HealthCheck.too_slow]
    )
TestForkMachine = ForkMachine.TestCase
TestFolderForkMachine = FolderForkMachine.TestCase
