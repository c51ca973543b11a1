"""Functions of floats with the results of IEEE 754, where Python would raise (3.5). NaN is a value like others."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable

from chroma_search.dsl import rank as r

FLOAT32_MAX = 3.4028234663852886e38


def add_up(values: Iterable[float]) -> float:
    """Add from left to right, rounding each time; `sum` compensates since Python 3.12."""
    total = 0.0
    for each in values:
        total += each
    return total


def divide(a: float, b: float) -> float:
    if b != 0:
        return a / b
    return math.nan if a == 0 or a != a else math.copysign(math.inf, a) * math.copysign(1.0, b)


def power(a: float, b: float) -> float:
    try:
        return math.pow(a, b)
    except OverflowError:
        return -math.inf if a < 0 and b % 2 == 1 else math.inf
    except ValueError:  # a negative number to a fraction, or zero to a negative number
        return math.nan if a != 0 else math.copysign(math.inf, a) if b % 2 == 1 else math.inf


def exp(a: float) -> float:
    try:
        return math.exp(a)
    except OverflowError:
        return math.inf


UNARY: dict[type[r.Rank], Callable[[float], float]] = {
    r.Abs: abs,
    r.Exp: exp,
    r.Log: lambda a: math.log(a) if a > 0 else -math.inf if a == 0 else math.nan,
    r.Sqrt: lambda a: math.sqrt(a) if a >= 0 else math.nan,
}
BINARY: dict[type[r.Rank], Callable[[float, float], float]] = {r.Sub: operator.sub, r.Div: divide, r.Pow: power}
# Function and first value of a left fold; `$max` and `$min` ignore a NaN operand (3.4, 3.5).
FOLDS: dict[type[r.Rank], tuple[Callable[[float, float], float], float]] = {
    r.Sum: (operator.add, 0.0),
    r.Mul: (operator.mul, 1.0),
    r.Max: (lambda a, b: b if a != a else a if b != b else max(a, b), -FLOAT32_MAX),
    r.Min: (lambda a, b: b if a != a else a if b != b else min(a, b), FLOAT32_MAX),
}
