"""Every operator of the rank language is known to the evaluator, and folding constants uses the same arithmetic."""

import math

import numpy as np
import pytest

from chroma_search.dsl import Val
from chroma_search.dsl.rank import RANK_NODES, Unary
from chroma_search.planner.logical import INDEX_LEAVES
from chroma_search.planner.operators.rank_functions import (
    BINARY_FUNCTIONS,
    F32_MAX,
    FOLDS,
    UNARY_FUNCTIONS,
    apply_to_constants,
)


def test_every_rank_node_has_an_operator():
    known = {*UNARY_FUNCTIONS, *BINARY_FUNCTIONS, *FOLDS, *INDEX_LEAVES}
    by_name = {each.__name__ for each in known} | {"Val", "If", "Rrf"}
    assert {each.__name__ for each in RANK_NODES.values()} == by_name


def test_every_function_of_one_rank_is_in_the_table():
    assert {each.__name__ for each in RANK_NODES.values() if issubclass(each, Unary)} == {
        each.__name__ for each in UNARY_FUNCTIONS
    }


@pytest.mark.parametrize(
    ("operator", "values", "expected"),
    [
        ("$sum", [0.1, 0.2], 0.1 + 0.2),
        ("$max", [math.nan, 2.0], 2.0),
        ("$max", [math.nan, math.nan], -F32_MAX),
        ("$min", [math.inf, math.inf], F32_MAX),
        ("$div", [1.0, 0.0], math.inf),
        ("$div", [0.0, 0.0], math.nan),
        ("$log", [0.0], -math.inf),
        ("$log", [-1.0], math.nan),
        ("$exp", [1000.0], math.inf),
        ("$sqrt", [-1.0], math.nan),
        ("$pow", [2.0, -1.0], 0.5),
    ],
)
def test_ieee_results_are_kept(operator, values, expected):
    kind = RANK_NODES[operator]
    children = [Val(value) for value in values]
    node = kind(children) if kind in FOLDS else kind(*children)  # type: ignore[call-arg]  # the shape follows the kind
    found = apply_to_constants(node, values)
    assert found is not None
    assert found == expected or (np.isnan(found) and np.isnan(expected))
