"""The examples in docstrings (`>>>` lines) give what they show."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def modules_with_examples() -> list[str]:
    """Return the names of the package's modules that hold a `>>>` line."""
    files = sorted((ROOT / "chroma_search").rglob("*.py"))
    shown = (each.relative_to(ROOT) for each in files if ">>> " in each.read_text(encoding="utf-8"))
    return [".".join(each.with_suffix("").parts).removesuffix(".__init__") for each in shown]


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples_of_the_module_give_what_they_show(name):
    failed, attempted = doctest.testmod(importlib.import_module(name))
    assert attempted > 0
    assert failed == 0, f"{failed} of {attempted} examples failed; see the output above"
