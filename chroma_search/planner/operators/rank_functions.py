"""The arithmetic of rank expressions over plain arrays, float64, IEEE rules, no error and no warning ever.

`UNARY_FUNCTIONS` is the table to extend for a new function of one rank. `$max` and `$min` ignore a NaN operand and
start from the largest finite float32, as upstream's do (spec 3.4, 3.5).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from chroma_search.dsl.rank import Abs, Div, Exp, Log, Max, Min, Mul, Pow, Rank, Sqrt, Sub, Sum, Unary

Values = NDArray[np.float64]

F32_MAX = 3.4028234663852886e38
"""Largest finite float32: what upstream's folds of `$max` and `$min` start from, visible in results."""

UNARY_FUNCTIONS: dict[type[Unary], Callable[[Values], Values]] = {
    Abs: np.abs,
    Exp: np.exp,
    Log: np.log,
    Sqrt: np.sqrt,
}

BINARY_FUNCTIONS: dict[type[Rank], Callable[[Values, Values], Values]] = {
    Sub: np.subtract,
    Div: np.divide,
    Pow: np.power,
}

FOLDS: dict[type[Rank], tuple[float, Callable[[Values, Values], Values]]] = {
    Sum: (0.0, np.add),
    Mul: (1.0, np.multiply),
    Max: (-F32_MAX, np.fmax),
    Min: (F32_MAX, np.fmin),
}
"""n-ary operators: where the left fold starts, and its step."""


def apply_to_constants(node: Rank, values: Sequence[float]) -> float | None:
    """Return the operator's value over constants, or None when the node is no operator of this table."""
    operands = [np.float64(value) for value in values]
    kind = type(node)
    with np.errstate(all="ignore"):
        if kind in FOLDS:
            total, step = FOLDS[kind]
            for operand in operands:
                total = step(np.float64(total), operand)  # type: ignore[arg-type]  # scalars are 0-d arrays
            return float(total)
        if kind in BINARY_FUNCTIONS:
            return float(BINARY_FUNCTIONS[kind](*operands))  # type: ignore[arg-type]  # scalars are 0-d arrays
        if isinstance(node, Unary) and type(node) in UNARY_FUNCTIONS:
            return float(UNARY_FUNCTIONS[type(node)](operands[0]))  # type: ignore[arg-type]  # scalars are 0-d arrays
    return None
