"""A progress bar for the one slow part of a big write: computing its embeddings.

It is shown on a terminal, above `SHOWN_FROM` records, and goes away when done. Without it a batch is embedded in one
call, as Chroma does; with it in steps, which gives the same vectors.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TypeVar

T = TypeVar("T")

SHOWN_FROM = 20_000
STEP = 1_000


def in_steps(values: list[T], title: str) -> Iterator[list[T]]:
    """Yield the values in parts, in order; as a whole when there is nobody or nothing to show."""
    if len(values) <= SHOWN_FROM or not sys.stderr.isatty():
        yield values
        return
    from rich.console import Console  # 0.05 s, and only a terminal needs it
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=len(values))
        for start in range(0, len(values), STEP):
            yield values[start : start + STEP]
            bar.update(task, completed=min(start + STEP, len(values)))
