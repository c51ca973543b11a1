"""What the log says of a slow call: the EXPLAIN ANALYZE of that very run, not of another one; of one that was ended, so
far as it came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RAN = "ran"
"""Where a handler keeps what runs, in the notes of its call."""
MAX_PLANS = 5


def why_slow(notes: Mapping[str, Any]) -> str | None:
    """Return how the slowest searches of a call ran, its get or delete; None for a call that was none of these."""
    ran = sorted(notes.get(RAN, ()), key=lambda each: each.elapsed_ms, reverse=True)[:MAX_PLANS]
    return "\n".join(str(each.explanation()) for each in ran) or None
