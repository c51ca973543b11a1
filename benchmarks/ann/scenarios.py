"""Filters of the ANN benchmark: how selective, and how they lie to the query.

`near` filters keep the query's own class, `far` ones only other classes, `random` ones a share of all rows. Where the
matches lie decides more than how many there are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.ann.datasets import Dataset

N_CLASSES = 10


@dataclass(frozen=True)
class Scenario:
    """A filter that may depend on the query's class.

    Attributes:
        name: kind and share, such as `far-0.1`.
        where: JSON filter for a query of the given class, or None.
        matches: bool per training row for a query of the given class.
    """

    name: str
    where: Callable[[int], dict[str, Any] | None]
    matches: Callable[[Dataset, int], NDArray[np.bool_]]


def _random(share: float) -> Scenario:
    below = round(1000 * share)
    return Scenario(
        f"random-{share:g}", lambda label: {"bucket": {"$lt": below}}, lambda data, label: data.bucket < below
    )


def _of_classes(kind: str, share: float) -> Scenario:
    first = 0 if kind == "near" else 1  # classes counted from the query's own
    n_classes, below = (5, 1000) if share == 0.5 else (1, round(1000 * share * N_CLASSES))

    def classes(label: int) -> list[int]:
        return [(label + first + step) % N_CLASSES for step in range(n_classes)]

    def where(label: int) -> dict[str, Any]:
        of_class: dict[str, Any] = {"label": {"$in": classes(label)}}
        return of_class if below >= 1000 else {"$and": [of_class, {"bucket": {"$lt": below}}]}

    def matches(data: Dataset, label: int) -> NDArray[np.bool_]:
        return np.isin(data.train_label, classes(label)) & (data.bucket < below)

    return Scenario(f"{kind}-{share:g}", where, matches)


SHARES = (0.5, 0.1, 0.01, 0.001)
SCENARIOS: tuple[Scenario, ...] = (
    Scenario("unfiltered", lambda label: None, lambda data, label: np.ones(len(data.train), np.bool_)),
    *(_random(share) for share in SHARES),
    *(_of_classes(kind, share) for kind in ("near", "far") for share in SHARES),
)
