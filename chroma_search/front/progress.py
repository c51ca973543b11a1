"""What a terminal shows while a big write runs: how many records are embedded, then that they are being indexed.

Shown on a terminal only, above `SHOWN_FROM` records, and gone when done. Without it a batch is embedded in one call, as
Chroma does; with it in steps, which gives the same vectors.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeVar

T = TypeVar("T")

SHOWN_FROM = 20_000
STEP = 1_000


def in_steps(values: list[T], title: str) -> Iterator[list[T]]:
    """Yield the values in parts, in order; as a whole when there is nobody or nothing to show."""
    if not _is_shown(len(values)):
        yield values
        return
    from rich.console import Console  # 0.05 s, and only a terminal needs it
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=len(values))
        for start in range(0, len(values), STEP):
            yield values[start : start + STEP]
            bar.update(task, completed=min(start + STEP, len(values)))


def busy(n_records: int, title: str) -> AbstractContextManager[None]:
    """Show that something is going on; a write is one step, so there is no measure of how far it is."""
    return _shown(title) if _is_shown(n_records) else nullcontext()


@contextmanager
def _shown(title: str) -> Generator[None]:
    from rich.console import Console  # as above

    with Console(stderr=True).status(title):
        yield


def _is_shown(n_records: int) -> bool:
    return n_records > SHOWN_FROM and sys.stderr.isatty()
