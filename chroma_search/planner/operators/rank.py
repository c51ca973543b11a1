"""The rank operator: fold an expression over the records that its leaves found (spec 3.4, 3.5).

Every sub-expression gives a `Domain`: support (records with a value, ascending offset ids) and perhaps a default.
Two operands meet on the union of their supports when both have a default, on the support of the one without when one
has, on the intersection when none has. The root's support is the result; a default is never made into records.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chroma_search.dsl import If, Rank, Val, Where
from chroma_search.dsl.rank import Unary
from chroma_search.errors import InternalError
from chroma_search.planner.logical import LeafRef
from chroma_search.planner.operators.rank_functions import BINARY_FUNCTIONS, FOLDS, UNARY_FUNCTIONS, Values

Offsets = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Domain:
    """What an expression gives.

    Attributes:
        support: int64, ascending and unique offset ids.
        values: float64, one per record of the support.
        default: value for every other record, or None when others have none.
    """

    support: Offsets
    values: Values
    default: float | None = None

    def at(self, offset_ids: Offsets) -> Values:
        """Return the values of the given records (ascending); each is in the support or takes the default."""
        if offset_ids is self.support:
            return self.values
        fill = np.nan if self.default is None else self.default
        if not len(self.support):
            return np.full(len(offset_ids), fill)
        places = np.minimum(np.searchsorted(self.support, offset_ids), len(self.support) - 1)
        return np.where(self.support[places] == offset_ids, self.values[places], fill)

    def holds(self, offset_ids: Offsets) -> NDArray[np.bool_]:
        """Return which of the records have a value here."""
        if self.default is not None:
            return np.ones(len(offset_ids), np.bool_)
        return np.isin(offset_ids, self.support, assume_unique=True)


@dataclass(frozen=True, slots=True)
class RankInputs:
    """What the fold needs from the outside.

    Attributes:
        leaves: one domain per leaf of the plan.
        passing: gives all records that pass the search's filter, ascending.
        passing_and: gives those that also match a condition, ascending.
    """

    leaves: Sequence[Domain]
    passing: Callable[[], Offsets]
    passing_and: Callable[[Where], Offsets]


def evaluate(rank: Rank, inputs: RankInputs) -> Domain:
    """Return the domain of an expression. No warning is raised; infinities and NaN are results."""
    with np.errstate(all="ignore"):
        return _evaluate(rank, inputs)


def _evaluate(rank: Rank, inputs: RankInputs) -> Domain:
    if isinstance(rank, LeafRef):
        return inputs.leaves[rank.index]
    if isinstance(rank, Val):
        return _constant(float(rank.value))
    if isinstance(rank, If):
        return _choose(rank, inputs)
    if isinstance(rank, Unary) and type(rank) in UNARY_FUNCTIONS:
        return _map(UNARY_FUNCTIONS[type(rank)], _evaluate(rank.rank, inputs))
    operands = [_evaluate(child, inputs) for child in rank.children() if isinstance(child, Rank)]
    if type(rank) in FOLDS:
        start, function = FOLDS[type(rank)]
        total = _constant(start)
        for operand in operands:
            total = _combine(function, total, operand)
        return total
    if type(rank) in BINARY_FUNCTIONS:
        return _combine(BINARY_FUNCTIONS[type(rank)], operands[0], operands[1])
    raise InternalError(f"no operator evaluates {type(rank).__name__}", invariant="every rank node runs")


def _constant(value: float) -> Domain:
    return Domain(np.empty(0, np.int64), np.empty(0, np.float64), value)


def _map(function: Callable[[Values], Values], operand: Domain) -> Domain:
    default = operand.default
    if default is not None:
        default = float(function(np.array([default]))[0])
    return Domain(operand.support, function(operand.values), default)


def _combine(function: Callable[[Values, Values], Values], left: Domain, right: Domain) -> Domain:
    if left.default is None and right.default is None:
        support = left.support
        if right.support is not support:
            support = np.intersect1d(left.support, right.support, assume_unique=True)
    elif left.default is None:
        support = left.support
    elif right.default is None or not len(left.support):
        support = right.support
    elif not len(right.support):
        support = left.support
    else:
        support = np.union1d(left.support, right.support)
    default = None
    if left.default is not None and right.default is not None:
        default = float(function(np.array([left.default]), np.array([right.default]))[0])
    return Domain(support, function(left.at(support), right.at(support)), default)


def _choose(rank: If, inputs: RankInputs) -> Domain:
    everyone = inputs.passing()
    chosen = np.isin(everyone, inputs.passing_and(rank.condition), assume_unique=True)
    then, otherwise = _evaluate(rank.then, inputs), _evaluate(rank.otherwise, inputs)
    has_value = np.where(chosen, then.holds(everyone), otherwise.holds(everyone))
    values = np.where(chosen, then.at(everyone), otherwise.at(everyone))
    return Domain(everyone[has_value], values[has_value])
