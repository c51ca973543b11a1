"""The gate of filters: what it has let through once it knows, and nothing else passes with it."""

import pytest

from chroma_search import K
from chroma_search.engine.filter_gate import MOST_KEPT, FilterGate
from chroma_search.errors import ChromaSearchError, InvalidFilterError
from chroma_search.schema.index_rules import IndexRules

NO_INTS = {"keys": {"year": {"int": {"int_inverted_index": {"enabled": False, "config": {}}}}}}


def test_what_passed_passes_again_and_its_neighbours_are_checked():
    gate = FilterGate(IndexRules(NO_INTS))
    for _ in range(2):
        gate.check(K("year") == 1.0)
        gate.check(K("other") == 1)
        gate.check(K("year") == True)  # noqa: E712
        with pytest.raises(InvalidFilterError, match="disabled"):
            gate.check(K("year") == 1)
        for wrong in (K("year") == None, K("year") == float("nan"), K("$year") == 1, K("year") > True):  # noqa: E711
            with pytest.raises(ChromaSearchError):
                gate.check(wrong)


def test_no_more_filters_are_remembered_than_said():
    gate = FilterGate(IndexRules())
    for number in range(3 * MOST_KEPT):
        gate.check(K("n") == number)
        gate.check(K("n") == number)
    assert len(gate._passed) <= MOST_KEPT  # pyright: ignore[reportPrivateUsage]
