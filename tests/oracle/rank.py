"""From a rank to (support, default): the scores of records, and the value for the others, if any (3.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from chroma_search.dsl import Bm25, Decay, Knn, Rrf
from chroma_search.dsl import rank as r
from tests.oracle.arithmetic import BINARY, FOLDS, UNARY
from tests.oracle.filter import matches
from tests.oracle.leaves import Support, evaluate_leaf
from tests.oracle.record import Record

if TYPE_CHECKING:
    from tests.oracle.collection import OracleCollection

Scores = tuple[Support, "float | None"]


def evaluate(rank: r.Rank, passing: list[Record], collection: OracleCollection) -> Scores:
    """Evaluate a rank over the records that pass the filter."""

    def of(child: r.Rank) -> Scores:
        return evaluate(child, passing, collection)

    match rank:
        case r.Val():
            return {}, float(rank.value)
        case Knn() | Bm25() | r.Field() | Decay():
            scores = evaluate_leaf(rank, passing, collection)
            return scores, None if rank.default is None else float(rank.default)
        case Rrf():  # no more than its spelled-out form (3.7)
            return of(rank.expanded())
        case r.If():  # ours: every passing record for which the chosen branch has a score or a default
            then, otherwise = of(rank.then), of(rank.otherwise)
            chosen = {each.offset: then if matches(each, rank.condition) else otherwise for each in passing}
            scores = {offset: support.get(offset, default) for offset, (support, default) in chosen.items()}
            return {offset: score for offset, score in scores.items() if score is not None}, None
        case r.Unary():
            (support, default), function = of(rank.rank), UNARY[type(rank)]
            scores = {offset: function(score) for offset, score in support.items()}
            return scores, None if default is None else function(default)
        case r.Sub() | r.Div() | r.Pow():
            return combine(BINARY[type(rank)], of(rank.left), of(rank.right))
        case r.Sum() | r.Mul() | r.Max() | r.Min():
            function, first = FOLDS[type(rank)]
            folded: Scores = ({}, first)
            for child in rank.ranks:
                folded = combine(function, folded, of(child))
            return folded
        case _:
            raise AssertionError(type(rank).__name__)


def combine(function: Callable[[float, float], float], left: Scores, right: Scores) -> Scores:
    """Both have a default: union. One has: the support of the other. None has: intersection (3.4)."""
    (a, a_default), (b, b_default) = left, right
    if a_default is not None and b_default is not None:
        offsets, default = a.keys() | b.keys(), function(a_default, b_default)
    elif a_default is None and b_default is None:
        offsets, default = a.keys() & b.keys(), None
    else:
        offsets, default = (a if a_default is None else b).keys(), None
    scores = {at: function(a.get(at, a_default), b.get(at, b_default)) for at in offsets}  # type: ignore[arg-type]
    return scores, default
