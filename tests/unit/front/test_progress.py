"""What a terminal shows while a big write runs."""

from __future__ import annotations

import io
import sys

import pytest

from chroma_search.front import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def put_up(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Make stderr a terminal; not in a fixture, because pytest puts its own stderr back between set-up and test."""
    made = Terminal()
    monkeypatch.setattr(sys, "stderr", made)
    monkeypatch.setenv("TERM", "xterm")
    return made


def test_a_small_batch_or_a_file_gets_everything_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = put_up(monkeypatch)
    small = list(range(progress.SHOWN_FROM))
    assert list(progress.in_steps(small, "x")) == [small]
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    large = [*small, -1]
    assert list(progress.in_steps(large, "x")) == [large]
    assert terminal.getvalue() == ""


def test_a_terminal_gets_steps_that_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = put_up(monkeypatch)
    large = list(range(progress.SHOWN_FROM + 1))
    steps = list(progress.in_steps(large, "Embedding"))
    assert [each for step in steps for each in step] == large
    assert {len(step) for step in steps[:-1]} == {progress.STEP}
    assert len(steps[-1]) == 1
    assert "Embedding" in terminal.getvalue()


def test_an_error_inside_ends_the_display_and_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = put_up(monkeypatch)
    with pytest.raises(KeyError), progress.busy(progress.SHOWN_FROM + 1, "Indexing"):
        raise KeyError("x")
    assert "Indexing" in terminal.getvalue()
    with progress.busy(1, "nothing"):
        pass
    assert "nothing" not in terminal.getvalue()
