"""The Python blocks of README.md and docs/ run, so that what a reader copies works.

The blocks of one page share one namespace, in order, in an empty working folder. A block whose preceding line is
`<!-- no-run -->` is skipped (it needs a network or a server, or shows an error on purpose).
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

BLOCK = re.compile(
    r"^(?P<indent> *)```(?:python|py)\b[^\n]*\n(?P<code>.*?)^(?P=indent)```[ \t]*$", re.MULTILINE | re.DOTALL
)
SKIPPED = re.compile(r"<!-- *no-run *-->[ \t]*\n(?:[ \t]*\n)?$")


def code_blocks(page: Path) -> list[tuple[int, str]]:
    """Return (number of the block's first line, counted from 1; code) of each block that should run."""
    text = page.read_text(encoding="utf-8")
    found = []
    for block in BLOCK.finditer(text):
        if not SKIPPED.search(text[: block.start()]):
            found.append((text.count("\n", 0, block.start("code")) + 1, textwrap.dedent(block["code"])))
    return found


def run(page: Path) -> dict[str, Any]:
    """Run all blocks of a page; an error names the page and its line."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for line, code in code_blocks(page):
        placed = "\n" * (line - 1) + code
        exec(compile(placed, str(page), "exec"), namespace)
    return namespace


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_blocks_of_the_page_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(page)


def test_the_front_page_shows_code_that_runs():
    assert code_blocks(ROOT / "README.md")


@pytest.fixture
def page(tmp_path):
    return tmp_path / "page.md"


def test_blocks_share_one_namespace_in_order(page):
    page.write_text("```python\nx = 1\n```\ntext\n```py\nx += 1\n```\n")
    assert run(page)["x"] == 2


def test_an_error_in_a_block_fails_at_the_line_of_the_page(page):
    page.write_text("# Title\n\n```python\nfine = 1\n\nwrong = 1 / 0\n```\n")
    with pytest.raises(ZeroDivisionError) as caught:
        run(page)
    assert (Path(caught.traceback[-1].path), caught.traceback[-1].lineno + 1) == (page, 6)


def test_a_block_after_the_no_run_mark_is_skipped_and_the_next_is_not(page):
    page.write_text(
        "<!-- no-run -->\n```python\n1 / 0\n```\n\n<!-- no-run -->\n\n```python\n1 / 0\n```\n```python\nx = 3\n```\n"
    )
    assert run(page)["x"] == 3


def test_a_mark_further_up_does_not_skip_a_block(page):
    page.write_text("<!-- no-run -->\nsome text\n```python\nx = 3\n```\n")
    assert run(page)["x"] == 3


def test_blocks_in_other_languages_are_no_python(page):
    page.write_text("```text\n1 / 0\n```\n```sh\nmake demo\n```\n```pycon\n>>> 1 / 0\n```\n```\n1 / 0\n```\n")
    assert code_blocks(page) == []


def test_a_block_inside_a_list_loses_its_indent(page):
    page.write_text("- item\n\n  ```python\n  x = [\n      5,\n  ]\n  ```\n")
    assert run(page)["x"] == [5]
