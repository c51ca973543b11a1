"""Compare answers of the engine with the oracle's: ids and order exactly, scores to the last bit or nearly."""

from __future__ import annotations

import math
from typing import Any


def assert_same_answer(found: dict[str, Any], expected: dict[str, Any], *, tolerance: float = 0.0) -> None:
    """Assert that two column-major answers are equal; scores to a relative tolerance, NaN equals NaN."""
    assert found["ids"] == expected["ids"], (found, expected)
    for column in found:
        if column not in ("scores", "distances", "ids"):
            assert found[column] == expected[column], column
    name = "scores" if "scores" in found else "distances"
    assert_same_scores(found.get(name), expected.get(name), tolerance)


def assert_same_scores(found: Any, expected: Any, tolerance: float) -> None:
    """Assert that nested lists of scores are equal."""
    if isinstance(found, list) and isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same_scores(one, other, tolerance)
    elif isinstance(found, float) and isinstance(expected, float):
        same = found == expected or (math.isnan(found) and math.isnan(expected))
        assert same or math.isclose(found, expected, rel_tol=tolerance, abs_tol=tolerance), (found, expected)
    else:
        assert found is None
        assert expected is None
