"""A progress bar on stderr, when that is a terminal; otherwise nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager


@contextmanager
def progress_bar(title: str) -> Generator[Callable[[int, int | None], None] | None]:
    """Give a function that takes the number of records done and of all (or None); None where nobody looks."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console  # 0.05 s, and only a terminal needs it
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)

        def show(done: int, total: int | None) -> None:
            bar.update(task, completed=done, total=total)

        yield show


@contextmanager
def busy(title: str) -> Generator[None]:
    """Show that something is going on, of which nobody knows how far it is."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console  # as above

    with Console(stderr=True).status(title):
        yield
